from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from load_tests.chaos_town import make, write_town
from load_tests.services.children import Child, Place
from load_tests.services.kafka import Kafka
from streams.core.journal import decode, encode
from streams.loading import load
from streams.model import Transition
from streams.shells.kafka.journal_span import SpanError, copy_span
from streams.shells.kafka.replay import replay_copy
from streams.shells.kafka.topics import create
from streams.shells.replay import ReplayError
from tests.services.pipeline import messages, produce, until

pytestmark = pytest.mark.needs("kafka")


def steps(place: Place) -> list[tuple[int, Transition]]:
    """When the log took each step, in milliseconds, and the step."""
    found = [(message.timestamp()[1], decode(message.value() or b"")) for message in messages(place, "alerts")]
    return [(at_ms, step) for at_ms, step in found if isinstance(step, Transition)]


class Lived(NamedTuple):
    """A town's place, and a time between the first stretch of its life and the second."""

    place: Place
    middle_s: int


@pytest.fixture(scope="module")
def lived(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """A town that has lived for forty days in three stretches, with a snapshot of each second kept."""
    place = Place({"TOCSIN_KAFKA_BOOTSTRAP": kafka.bootstrap, "TOCSIN_KAFKA_PREFIX": "lived."}, tmp_path_factory.mktemp("lived"))
    middle_s = 0
    items = make(24_000, seed=21)
    settings = write_town(place.folder / "town")
    create(load(settings), place.deployment, state=place.folder / "state", partitions=2)
    intake = Child(place, "intake", "--city", str(settings), "--state", str(place.folder / "state"))
    assess = Child(place, "assess", "--snapshot-every", "1", "--keep-every", "1")
    third = len(items) // 3
    with intake, assess:
        for number in range(3):
            before = len(steps(place))
            for source in ("hotline", "app"):
                produce(place, source, [item.payload for item in items[number * third : (number + 1) * third] if item.source == source])
            until(lambda before=before: len(steps(place)) > before, "something is said", 120)
            time.sleep(4)
            middle_s = middle_s or int(time.time())
        assert assess.stop() == 0
    return Lived(place, middle_s)


def test_a_span_replayed_from_kept_snapshots_gives_the_alerts_that_live_gave(lived: Lived, tmp_path: Path):
    place, out = Place(lived.place.environ, tmp_path), tmp_path / "run"
    said = steps(place)
    command = ["replay", "--from-kafka", place.environ["TOCSIN_KAFKA_BOOTSTRAP"], "--from", iso(lived.middle_s), "--journal"]
    with Child(place, *command, str(tmp_path / "span"), "--out", str(out), "--json") as child:
        assert child.wait() == 0, child.log.read_text()
    done = msgspec.json.decode(child.log.read_bytes().splitlines()[-1])
    assert 0 < done["transitions"] < len(said)
    replayed = (out / "alerts.ndjson").read_bytes().splitlines()
    assert len(replayed) == done["transitions"]
    copied = copy_span(place.deployment.kafka, tmp_path / "again", from_s=lived.middle_s, to_s=None)
    assert copied.snapshots == 3
    whole = copy_span(place.deployment.kafka, tmp_path / "whole", from_s=0, to_s=None)
    assert whole.snapshots == 0
    replay_copy(tmp_path / "whole", tmp_path / "run-whole")
    everything = (tmp_path / "run-whole" / "alerts.ndjson").read_bytes().splitlines()
    assert [without_number(line) for line in everything[-len(replayed) :]] == [without_number(line) for line in replayed]


def test_a_journal_that_was_meddled_with_is_told(lived: Lived, tmp_path: Path):
    place, path = lived.place, tmp_path / "span"
    copy_span(place.deployment.kafka, path, from_s=0, to_s=None)
    db = sqlite3.connect(path)
    (position, data) = db.execute("SELECT position, record FROM records WHERE topic = 'alerts' ORDER BY position DESC").fetchone()
    newest = [decode(row[0]) for row in db.execute("SELECT record FROM records WHERE topic = 'alerts' ORDER BY position")]
    step = next(record for record in reversed(newest) if isinstance(record, Transition))
    extra = encode(msgspec.structs.replace(step, seq=step.seq + 1))
    db.execute("INSERT INTO records VALUES ('alerts', 0, ?, ?)", (position + 1, extra))
    db.commit()
    with pytest.raises(ReplayError, match="does not come to it"):
        replay_copy(path, tmp_path / "run")
    db.execute("DELETE FROM records WHERE topic = 'alerts' AND position = ?", (position + 1,))
    db.execute("UPDATE records SET record = ? WHERE record = ?", (encode(msgspec.structs.replace(step, risk=1.5)), encode(step)))
    db.commit()
    db.close()
    with pytest.raises(ReplayError, match="is not the one in the alerts journal"):
        replay_copy(path, tmp_path / "run-2")
    assert data


def test_a_span_from_before_the_first_snapshot_of_a_journal_without_head_is_refused(place: Place):
    create(load(write_town(place.folder / "town")), place.deployment, state=place.folder / "state", partitions=1)
    kafka = place.deployment.kafka
    cut_off(place, kafka.topic("findings"))
    with pytest.raises(SpanError, match="give a later time"):
        copy_span(kafka, place.folder / "span", from_s=1, to_s=None)
    assert not (place.folder / "span").exists()


def cut_off(place: Place, topic: str) -> None:
    """Delete the first record of a topic, as retention would."""
    admin = AdminClient({"bootstrap.servers": place.environ["TOCSIN_KAFKA_BOOTSTRAP"]})
    for future in admin.delete_records([TopicPartition(topic, 0, 1)]).values():
        future.result(10)


def without_number(line: bytes) -> dict[str, object]:
    """A line but for the number that a run counts its lines with."""
    row = msgspec.json.decode(line)
    return {name: value for name, value in row.items() if name not in ("position", "number", "id")}


def iso(at_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_s))
