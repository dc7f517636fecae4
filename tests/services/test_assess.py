from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from confluent_kafka import Producer

from load_tests.chaos_town import make, write_town
from streams.core.journal import decode, encode
from streams.loading import load
from streams.model import Alert, Closed, Command, Counts, Finding, Outcome, Tick, Transition
from streams.shells.kafka.clients import producer_settings
from streams.shells.kafka.journal_span import copy_span
from streams.shells.kafka.replay import replay_copy
from streams.shells.kafka.snapshots import load_newest
from streams.shells.kafka.topics import create
from tests.services.conftest import Place
from tests.services.pipeline import Child, produce, records, until

pytestmark = pytest.mark.needs("kafka")


def assess(place: Place, instance: str = "1") -> Child:
    return Child(place, "assess", "--instance", instance, "--snapshot-every", "1", name=f"assess-{instance}")


def counted(place: Place, partitions: int, n: int, seed: int) -> Path:
    """A town whose records have been counted: the counts journal is there, nothing of it is scored."""
    settings = write_town(place.folder / "town")
    create(load(settings), place.deployment, state=place.folder / "state", partitions=partitions)
    items = make(n, seed=seed)
    for source in ("hotline", "app"):
        produce(place, source, [item.payload for item in items if item.source == source])
    intake = Child(place, "intake", "--city", str(settings), "--state", str(place.folder / "state"))
    with intake:
        until(lambda: read_to(place) == len(items), "all counted", 90)
        assert intake.stop() == 0
    return settings


def read_to(place: Place) -> int:
    spans: dict[str, int] = {}
    for data in records(place, "counts", 0):
        record = decode(data)
        if isinstance(record, Counts):
            spans |= {span.raw: max(span.to_offset, spans.get(span.raw, 0)) for span in record.spans}
    return sum(spans.values())


def closed_to(place: Place) -> set[int]:
    """Ends of the last windows that the shards have said to have closed."""
    ends: dict[str, int] = {}
    for data in records(place, "findings"):
        record = decode(data)
        if isinstance(record, Closed):
            ends[record.shard] = max(record.window_end_s, ends.get(record.shard, 0))
    return set(ends.values()) if len(ends) == 5 else set()


def steps(place: Place) -> dict[tuple[str, int], bytes]:
    """The alerts journal, each step as it was said first."""
    found: dict[tuple[str, int], bytes] = {}
    for data in records(place, "alerts"):
        record = decode(data)
        if isinstance(record, Transition):
            known = found.setdefault((record.alert_id, record.seq), data)
            assert known == data, "what is said again is said as before"
    return found


def test_what_was_said_is_said_again_the_same_whatever_is_killed(place: Place):
    counted(place, 2, 12_000, seed=11)
    rng = random.Random(2)
    with assess(place) as child:
        for _ in range(4):
            until(lambda: b"taken_up" in child.log.read_bytes() and rng.random() < 0.1, "a moment")
            child.kill()
            child.start()
        until(lambda: len(closed_to(place)) == 1, "all shards at the same window", 120)
        until(lambda: settled(place), "nothing new", 120)
        assert child.stop() == 0
    said = [decode(data) for data in records(place, "findings")]
    numbers: dict[str, int] = {}
    for record in said:
        if isinstance(record, Finding):  # after a kill some come again, never one too early
            assert record.number <= numbers.get(record.shard, -1) + 1
            numbers[record.shard] = max(record.number, numbers.get(record.shard, -1))
    copied = copy_span(place.deployment.kafka, place.folder / "copy", from_s=0, to_s=None)
    assert copied.snapshots == 0
    done = replay_copy(place.folder / "copy", place.folder / "run")
    assert done.partitions == 2
    assert done.findings > 50
    assert done.transitions == len(steps(place)) > 5
    assert any(isinstance(decode(data), Alert) for data in records(place, "alerts"))


def settled(place: Place) -> bool:
    before = len(records(place, "alerts"))
    time.sleep(2)
    return len(records(place, "alerts")) == before


def test_a_command_comes_back_with_its_outcome_and_a_silence_ends_by_the_clock(place: Place):
    create(load(write_town(place.folder / "town")), place.deployment, state=place.folder / "state", partitions=1)
    kafka = place.deployment.kafka
    producer = Producer(producer_settings(kafka))
    now_s = int(time.time())
    silence = Command("c1", now_s, "ann", "silence", f'{{"area":"D1","until_s":{now_s + 3}}}')
    producer.produce(kafka.topic("findings"), encode(silence), partition=0)
    producer.flush(10)

    def outcomes() -> list[Outcome]:
        return [r for r in map(decode, records(place, "alerts")) if isinstance(r, Outcome)]

    with assess(place) as child:
        until(outcomes, "the outcome", 90)
        assert [(o.command.id, o.refusal) for o in outcomes()] == [("configure-1", ""), ("c1", "")]
        until(lambda: [r for r in map(decode, records(place, "findings")) if isinstance(r, Tick)], "a tick", 90)
        assert child.stop() == 0


def test_a_worker_comes_and_another_goes_under_load(place: Place):
    settings = write_town(place.folder / "town")
    create(load(settings), place.deployment, state=place.folder / "state", partitions=4)
    items = make(16_000, seed=12)
    parts = [items[at : at + 1_000] for at in range(0, len(items), 1_000)]
    intake = Child(place, "intake", "--city", str(settings), "--state", str(place.folder / "state"))
    one, two, three = (assess(place, name) for name in "123")
    with intake, one:
        for number, part in enumerate(parts):
            for source in ("hotline", "app"):
                produce(place, source, [item.payload for item in part if item.source == source])
            if number == 3:
                two.start()
                until(lambda: two.said("assigned"), "the second has a share", 90)
            if number == 7:
                assert one.stop() == 0  # as in a rolling upgrade: the next one comes under the same name
                one.start()
            if number == 11:
                three.start()
                two.kill()  # and does not come back
        until(lambda: read_to(place) == len(items), "all counted", 120)
        until(lambda: len(closed_to(place)) == 1 and settled(place), "all shards at the same window", 90)
        assert two.ended() is not None
        for child in (one, three):
            assert child.stop() == 0
    taken = {str(row["partition"]) for child in (one, two, three) for row in child.said("taken_up") if row["journal"] == "counts"}
    assert taken == {"0", "1", "2", "3"}
    assert three.said("taken_up")
    copy_span(place.deployment.kafka, place.folder / "copy", from_s=0, to_s=None)
    assert replay_copy(place.folder / "copy", place.folder / "run").transitions == len(steps(place)) > 5


def test_what_is_no_snapshot_is_passed_over(place: Place):
    create(load(write_town(place.folder / "town")), place.deployment, state=place.folder / "state", partitions=1)
    kafka = place.deployment.kafka
    with assess(place) as child:
        until(lambda: load_newest(kafka, 1) is not None, "a snapshot of decide", 90)
        assert child.stop() == 0
    found = load_newest(kafka, 1)
    producer = Producer(producer_settings(kafka))
    for key, value in ((b"\xff\xfe", b"rubbish"), (b"newest-0", b"rubbish"), (b"newest-1/0", b"rubbish"), (None, b"\xff")):
        producer.produce(kafka.topic("snapshots"), value, key or b"x", partition=1)
    assert producer.flush(10) == 0
    assert load_newest(kafka, 1) == found
