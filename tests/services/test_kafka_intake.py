from __future__ import annotations

import random
from collections import Counter
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import orjson
import pytest

from load_tests.chaos_town import Item, count, make, write_town
from streams.loading import load
from streams.model import Counts
from streams.shells.kafka.topics import create
from tests.services.conftest import Place
from tests.services.pipeline import Child, cells, counts, messages, produce, until

pytestmark = pytest.mark.needs("kafka")


def town(place: Place, partitions: int) -> Path:
    """The chaos town with its topics."""
    settings = write_town(place.folder / "town")
    create(load(settings), place.deployment, state=place.folder / "state", partitions=partitions)
    return settings


def intake(place: Place, settings: Path, instance: str = "1") -> Child:
    return Child(
        place, "intake", "--city", str(settings), "--state", str(place.folder / "state"), "--instance", instance, name=f"intake-{instance}"
    )


def give(place: Place, items: list[Item]) -> None:
    for source in ("hotline", "app"):
        produce(place, source, [item.payload for item in items if item.source == source])


def read_to(journal: list[Counts]) -> Counter[str]:
    reached: Counter[str] = Counter()
    for record in journal:
        for span in record.spans:
            reached[span.raw] = max(reached[span.raw], span.to_offset)
    return reached


def assert_without_gap(journal: list[Counts], partitions: int) -> None:
    """Every offset of every raw partition stands in one span of each counts partition that hosts districts."""
    spans = Counter((s.raw, s.from_offset, s.to_offset) for record in journal if not record.rollup for s in record.spans)
    assert set(spans.values()) == {partitions}
    for raw in {raw for raw, _, _ in spans}:
        ordered = sorted((a, b) for name, a, b in spans if name == raw)
        assert ordered[0][0] == 0
        assert all(before[1] == after[0] for before, after in pairwise(ordered))


def test_records_become_counts_once_whatever_is_killed(place: Place):
    items = make(30_000, seed=3)
    settings = town(place, 2)
    rng = random.Random(5)
    parts = [items[at : at + 1500] for at in range(0, len(items), 1500)]
    with intake(place, settings) as child:
        for part in parts:
            give(place, part)
            until(lambda: child.ended() is None and b"assigned" in child.log.read_bytes(), "assigned")
            until(lambda: rng.random() < 0.2, "a moment")
            child.kill()
            child.start()
        expected = count(items)
        sent = Counter(f"raw.{item.source}/0" for item in items)
        until(lambda: read_to(counts(place, 2)) == sent, "all records read", 90)
    journal = counts(place, 2)
    assert cells(journal) == expected
    assert_without_gap(journal, 2)
    rolled: Counter[tuple[str, str, int]] = Counter()
    for (area, name, minute), n in expected.items():
        rolled[area[:2], name, minute] += n
    assert cells(journal, rollup=True) == rolled
    bad = [orjson.loads(message.value() or b"") for message in messages(place, "dead-letters")]
    assert len({(row["raw"], row["offset"]) for row in bad}) == len(bad) > 0
    headers = dict(messages(place, "dead-letters")[0].headers() or ())
    assert headers["__connect.errors.exception.message"] == bad[0]["reason"].encode()


def test_raw_partitions_move_from_one_intake_to_another(place: Place):
    items = make(12_000, seed=4)
    settings = town(place, 1)
    third = len(items) // 3
    with intake(place, settings, "1") as one:
        give(place, items[:third])
        until(lambda: read_to(counts(place, 1)).total() == third, "the first third")
        with intake(place, settings, "2") as two:
            until(lambda: two.said("assigned"), "the second has its share", 90)
            give(place, items[third : 2 * third])
            until(lambda: read_to(counts(place, 1)).total() == 2 * third, "the second third")
            one.kill()  # nobody comes back under this name: its share goes over when its session has run out
            give(place, items[2 * third :])
            until(lambda: read_to(counts(place, 1)).total() == len(items), "the last third", 120)
            assert two.stop() == 0
    journal = counts(place, 1)
    assert cells(journal) == count(items)
    assert_without_gap(journal, 1)


def test_one_who_takes_a_name_over_ends_the_one_who_had_it(place: Place):
    settings = town(place, 1)
    items = make(2_000, seed=6)
    with intake(place, settings) as old:
        give(place, items[:1000])
        until(lambda: read_to(counts(place, 1)).total() == 1000, "the first half")
        second = Child(place, "intake", "--city", str(settings), "--state", str(place.folder / "state"), name="second")
        with second as new:
            give(place, items[1000:])
            until(lambda: old.ended() is not None, "the first one ends")
            assert old.ended() == 1
            assert "give each its own --instance" in old.log.read_text()
            until(lambda: read_to(counts(place, 1)).total() == len(items), "the rest")
            assert new.ended() is None
    assert cells(counts(place, 1)) == count(items)


def test_what_the_settings_and_the_topics_say_must_agree(place: Place):
    settings = town(place, 1)
    text = settings.read_text()
    settings.write_text(text.replace("hold: 3h", "hold: 4h"))
    with intake(place, settings) as child:
        assert child.wait() == 2
    assert "begun with configuration" in child.log.read_text()


def test_a_quiet_raw_partition_is_declared_idle_when_it_has_been_read(place: Place):
    settings = write_town(place.folder / "town")
    settings.write_text(settings.read_text().replace("    id: [no]\n", "    id: [no]\n    idle_after: 1s\n"))
    create(load(settings), place.deployment, state=place.folder / "state", partitions=1)
    now = datetime.now().astimezone().replace(microsecond=0).isoformat()
    with intake(place, settings):
        produce(place, "hotline", [orjson.dumps({"no": "1", "at": now, "where": "D1S1", "what": "NOISE"})])
        until(lambda: any(s.idle and s.raw == "raw.app/0" for r in counts(place, 1) for s in r.spans), "the other one is idle")
        spans = [s for r in counts(place, 1) for s in r.spans if s.raw == "raw.app/0"]
        assert spans[-1].watermark_s > 0
