"""Records a second of CPU time through intake, one process over one raw partition on a real broker, and through its peers on the same topic."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson
from confluent_kafka import Producer
from msgspec import Struct

from load_tests.intake_peers import KEYS
from load_tests.intake_records import raw_records
from load_tests.intake_town import SOURCE, only_calls
from load_tests.services.kafka import Kafka, put
from streams.shells.kafka.clients import producer_settings
from streams.shells.kafka.settings import Deployment, load_deployment
from streams.shells.kafka.topics import create

PREFIX = "bench."
QUIX = "TOCSIN_QUIX_PYTHON"
PEER_S_MAX = 900.0
WARM_SHARE = 0.1
SHARES = {"drain": 1.0, "intake": 1.0, "faust": 0.04, "quix": 0.06}
"""Of the records that each reads: the slow ones need fewer for a steady figure."""


class Report(Struct):
    """Events a second of CPU time, the Kafka library's threads included; ``quix_eps`` is 0 where there is no Quix Streams (``make peers``)."""

    records: int
    bytes_each: float
    intake_eps: int
    drain_eps: int
    faust_eps: int
    quix_eps: int
    of_drain: float
    times_faust: float
    times_quix: float
    broker_write_us: float  # of the broker's CPU time a record
    broker_read_us: float  # the same, read once
    profile: dict[str, float]  # stage -> microseconds of CPU time a record
    seconds: float


def run(folder: Path, *, records: int, seed: int, say: Callable[[str], None]) -> Report:
    """Fill the topic, then read it with one after the other."""
    began = time.monotonic()
    quix = _quix()
    with Kafka(folder / "kafka") as kafka:
        deployment = _deployment(kafka, PREFIX)
        create(only_calls(), deployment, state=folder / KEYS, partitions=4)
        say(f"writing {records} records")
        before_s = kafka.cpu_s()
        size = _fill(deployment, records, seed)
        written_s = kafka.cpu_s()
        eps, read_s = {}, 0.0
        for name, share in SHARES.items():
            number = max(1000, int(records * share))
            command = _quix_command(quix, kafka, number) if name == "quix" else _command(name, kafka, PREFIX, number)
            say(f"reading with {name}")
            eps[name] = _eps(_answers(command, folder)[-1]) if command[0] else 0
            say(f"{eps[name]} a second")
            read_s = read_s or kafka.cpu_s() - written_s
        say("where the time goes")
        create(only_calls(), again := _deployment(kafka, "profile."), state=folder / KEYS, partitions=4)
        _fill(again, records // 2, seed)
        profile = _answers(_command("profile", kafka, "profile.", records // 2), folder)[-1]
    return Report(
        records=records,
        bytes_each=round(size / records, 1),
        intake_eps=eps["intake"],
        drain_eps=eps["drain"],
        faust_eps=eps["faust"],
        quix_eps=eps["quix"],
        of_drain=round(eps["intake"] / eps["drain"], 3),
        times_faust=round(eps["intake"] / eps["faust"], 1),
        times_quix=round(eps["intake"] / eps["quix"], 1) if eps["quix"] else 0.0,
        broker_write_us=round(1e6 * (written_s - before_s) / records, 2),
        broker_read_us=round(1e6 * read_s / records, 2),
        profile=profile,
        seconds=round(time.monotonic() - began, 1),
    )


def _quix() -> str:
    """The interpreter that has Quix Streams: the one named in the environment, or that of ``make peers``; empty where there is none."""
    made = Path(__file__).parents[1] / ".venv" / "quix" / "bin" / "python"
    return os.environ.get(QUIX, "") or (str(made) if made.exists() else "")


def _fill(deployment: Deployment, records: int, seed: int) -> int:
    producer = Producer(
        producer_settings(deployment.kafka, queue_buffering_max_messages=1_000_000, batch_size=1 << 20) | {"compression.type": "none"}
    )
    topic, size = deployment.kafka.topic(f"raw.{SOURCE}"), 0
    for i, (key, payload) in enumerate(raw_records(only_calls(), records, int(time.time()), seed)):
        put(producer, topic, payload, key, partition=0)
        size += len(payload)
        if i % 10_000 == 0:
            producer.poll(0)
    assert producer.flush(60.0) == 0, "records were not acknowledged"
    return size


def _deployment(kafka: Kafka, prefix: str) -> Deployment:
    return load_deployment(None, environ={"TOCSIN_KAFKA_BOOTSTRAP": kafka.bootstrap, "TOCSIN_KAFKA_PREFIX": prefix})


def _command(name: str, kafka: Kafka, prefix: str, records: int) -> list[str]:
    code = "from load_tests.intake_peers import main; main()"
    return [sys.executable, "-c", code, name, kafka.bootstrap, prefix, str(records), str(int(records * WARM_SHARE))]


def _quix_command(python: str, kafka: Kafka, records: int) -> list[str]:
    code = "import intake_quix; intake_quix.main()"
    return [python, "-c", code, kafka.bootstrap, f"{PREFIX}raw.{SOURCE}", str(records), str(int(records * WARM_SHARE))]


def _eps(found: dict[str, float]) -> int:
    return round(found["records"] / found["cpu_s"])


def _answers(command: list[str], folder: Path) -> list[dict[str, float]]:
    """What a process prints: JSON objects, one a line."""
    paths = os.pathsep.join(map(str, (Path(__file__).parents[1], Path(__file__).parent)))
    environ = {**os.environ, "PYTHONPATH": paths, KEYS.upper(): str(folder / KEYS)}
    done = subprocess.run(command, env=environ, capture_output=True, timeout=PEER_S_MAX, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith(b"{")]
    if not lines:
        raise RuntimeError(f"{command[2:4]} ended with status {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}")
    return [orjson.loads(line) for line in lines]
