"""The same journals through Kafka, embedded and replay: the same scores, alerts and transitions, whatever the number of partitions."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from load_tests.journals import Outputs, embedded, through_kafka, whole
from load_tests.kafka_run import TOPIC_PARTITIONS, count
from load_tests.raw_records import prepare
from load_tests.services.children import Child, Place
from load_tests.services.kafka import Kafka
from streams.loading import load
from streams.model import Counts
from streams.shells.outputs import ALERTS, SCORES

pytestmark = [pytest.mark.needs("kafka"), pytest.mark.timeout(300)]

RECORDS = 9_000


class Run(NamedTuple):
    settings: Path
    journal: list[Counts]
    folder: Path
    outputs: Outputs


@pytest.fixture(scope="module")
def run(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A counts journal that intake has written over Kafka, and what the embedded engine makes of it."""
    folder = tmp_path_factory.mktemp("equal")
    settings, _ = prepare(folder, RECORDS, 3)
    place = Place({"TOCSIN_KAFKA_BOOTSTRAP": kafka.bootstrap, "TOCSIN_KAFKA_PREFIX": "equal."}, folder / "counted")
    count(place, settings, folder)
    journal = whole(place, TOPIC_PARTITIONS["counts"])
    return Run(settings, journal, folder, embedded(settings, journal, folder / "embedded"))


def test_the_journal_tells_something(run: Run):
    assert len(run.outputs.scores) > 1_000
    assert len(run.outputs.alerts) > 10
    assert len(run.outputs.transitions) > 30


@pytest.mark.parametrize("partitions", [1, 4, 16])
def test_kafka_and_the_embedded_engine_say_the_same(run: Run, kafka: Kafka, tmp_path: Path, partitions: int):
    place = Place({"TOCSIN_KAFKA_BOOTSTRAP": kafka.bootstrap, "TOCSIN_KAFKA_PREFIX": f"equal{partitions}."}, tmp_path)
    outputs = through_kafka(run.settings, run.journal, place, partitions)
    window_s = load(run.settings).detection.window_s
    assert outputs.scores == run.outputs.scores
    assert outputs.closed(window_s) == run.outputs.closed(window_s)


def test_a_replay_says_the_same(run: Run, tmp_path: Path):
    place = Place({}, tmp_path)
    with Child(place, "replay", "--journal", str(run.folder / "embedded" / "state"), "--out", str(tmp_path / "out")) as child:
        assert child.wait() == 0, child.log.read_text()
    for name in (ALERTS, SCORES):
        assert (tmp_path / "out" / name).read_bytes() == (run.folder / "embedded" / "out" / name).read_bytes()
