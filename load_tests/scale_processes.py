"""CPU time a record of 1, 2 and 4 processes of ``tocsin intake`` over eight raw partitions of a real broker."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from confluent_kafka import Producer
from msgspec import Struct

from load_tests.intake_records import raw_records
from load_tests.intake_town import SOURCE
from load_tests.progress import At, Progress
from load_tests.services.children import Child, Place, until
from load_tests.services.kafka import Kafka, put
from load_tests.services.process import cpu_s
from streams.loading import find_city, load
from streams.shells.kafka.clients import producer_settings
from streams.shells.kafka.intake import GROUP
from streams.shells.kafka.settings import Deployment

PARTITIONS = 8
NUMBERS = (1, 2, 4)
DONE_S_MAX = 600.0
_FILES = ("areas.csv", "areas.geojson", "library.csv")


class Processes(Struct):
    """So many processes over the same records. ``us_a_record``: CPU time of all of them from when each had partitions; starting up is left out."""

    processes: int
    records: int
    us_a_record: float
    records_a_second: int  # all processes together, by the clock


def processes(folder: Path, *, records: int, say: Callable[[str], None]) -> list[Processes]:
    """One broker; for each number of processes topics of their own with the same records."""
    settings = _town(folder / "town")
    with Kafka(folder / "kafka") as kafka:
        found = []
        for number in NUMBERS:
            say(f"{number} processes of intake")
            place = Place({"TOCSIN_KAFKA_BOOTSTRAP": kafka.bootstrap, "TOCSIN_KAFKA_PREFIX": f"p{number}."}, folder / f"p{number}")
            place.folder.mkdir(parents=True)
            found.append(_measured(place, settings, number, records))
    return found


def _town(folder: Path) -> Path:
    """The simulated Hangzhou with its hotline alone, in eight partitions."""
    source = find_city("hangzhou")
    folder.mkdir(parents=True)
    for name in _FILES:
        (folder / name).write_bytes((source.parent / name).read_bytes())
    text = source.read_text()
    head, _, tail = text.partition("\n  # The complaint system")
    assert tail, "the settings have no complaint system to be left out"
    rest = tail.partition("\ndemo:")[1:]
    head = re.sub(r"\n  (?:water_level|occupancy|vehicles):(?: .*|(?:\n    .*)+)", "", head)  # what only cameras and gauges measure
    head = re.sub(r"\nduty:\n(?:  .*\n)+|\nplaybooks:.*", "", head)  # whose an alert is concerns no count
    path = folder / "tocsin.yaml"
    path.write_text(head.replace("    stream: hotline\n", f"    stream: hotline\n    partitions: {PARTITIONS}\n") + "".join(rest))
    return path


def _measured(place: Place, settings: Path, number: int, records: int) -> Processes:
    flags = ("--city", str(settings), "--state", str(place.folder / "state"))
    assert Child(place, "topics", "create", *flags, "--partitions", "4", name="topics").start().wait() == 0, f"see {place.folder}"
    progress = Progress(place.deployment.kafka, {f"raw.{SOURCE}": PARTITIONS})
    ends = _produce(place.deployment, settings, records)
    used_s, took = _read(place, flags, number, progress, ends)
    return Processes(number, records, round(1e6 * used_s / records, 2), round(records / took))


def _read(place: Place, flags: tuple[str, ...], number: int, progress: Progress, ends: Mapping[At, int]) -> tuple[float, float]:
    """(CPU seconds of all of them, each from when it had partitions; seconds by the clock from when the first one had)."""
    with ExitStack() as stack:
        children = [stack.enter_context(Child(place, "intake", *flags, "--instance", str(at), name=f"intake-{at}")) for at in range(number)]
        began: dict[int, tuple[float, float]] = {}

        def all_begun() -> bool:
            for child in children:
                if child.pid not in began and child.said("assigned"):
                    began[child.pid] = cpu_s(child.pid), time.monotonic()
            return len(began) == number

        until(all_begun, "each has partitions", DONE_S_MAX)
        until(lambda: progress.read(GROUP, ends), "all records are counted", DONE_S_MAX)
        took = time.monotonic() - min(at for _, at in began.values())
        used_s = sum(cpu_s(child.pid) - began[child.pid][0] for child in children)
        for child in children:
            assert child.stop() == 0, f"see {child.log}"
    return used_s, took


def _produce(deployment: Deployment, settings: Path, records: int) -> dict[At, int]:
    """Spread over the partitions in turn; where each of them ends then."""
    producer, topic = Producer(producer_settings(deployment.kafka)), deployment.kafka.topic(f"raw.{SOURCE}")
    ends = {(f"raw.{SOURCE}", partition): 0 for partition in range(PARTITIONS)}
    for i, (_, payload) in enumerate(raw_records(load(settings), records, int(time.time()), seed=1)):
        put(producer, topic, payload, partition=i % PARTITIONS)
        ends[f"raw.{SOURCE}", i % PARTITIONS] += 1
        if i % 10_000 == 0:
            producer.poll(0)
    assert producer.flush(60.0) == 0, "records were not acknowledged"
    return ends
