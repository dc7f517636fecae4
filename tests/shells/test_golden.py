"""Journals and snapshots as releases have written them: every journal can be read for good, the newest comes out as it was recorded."""

from __future__ import annotations

import lzma
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from load_tests import golden
from streams.core import decide, pipeline
from streams.core.journal import decode, encode
from streams.model import Closed, Command, Counts, Finding, Transition
from streams.shells.kafka.replay import replay_copy
from streams.shells.replay import ReplayError

FOLDER = Path(__file__).parents[1] / "golden"
RELEASES = sorted(path.name.removeprefix("journal-").removesuffix(".tocsin.xz") for path in FOLDER.glob("journal-*.tocsin.xz"))
NEWEST = RELEASES[-1]


def unpacked(name: str, folder: Path) -> Path:
    path = folder / name
    path.write_bytes(lzma.decompress((FOLDER / f"{name}.tocsin.xz").read_bytes()))
    return path


def records(path: Path) -> list[bytes]:
    with closing(sqlite3.connect(path)) as db:
        return [record for (record,) in db.execute("SELECT record FROM records ORDER BY topic, partition, position")]


@pytest.mark.parametrize("release", RELEASES)
def test_every_record_that_a_release_has_written_can_be_read(release: str, tmp_path: Path):
    written = records(unpacked(f"journal-{release}", tmp_path))
    read = [decode(data) for data in written]
    assert {Closed, Command, Counts, Finding, Transition} <= {type(record) for record in read}
    assert [decode(encode(record)) for record in read] == read


def test_the_newest_journal_comes_out_as_recorded_from_its_head_and_from_its_snapshots(tmp_path: Path):
    whole = replay_copy(unpacked(f"journal-{NEWEST}", tmp_path), tmp_path / "whole")
    assert whole.findings > 500
    assert whole.transitions > 10
    rest = replay_copy(unpacked(f"snapshots-{NEWEST}", tmp_path), tmp_path / "rest")
    assert 0 < rest.findings < whole.findings
    assert 0 < rest.transitions < whole.transitions
    told = (tmp_path / "whole" / "alerts.ndjson").read_bytes().splitlines()
    assert len(told) == whole.transitions


@pytest.mark.parametrize("machine", [pipeline, decide])
def test_snapshots_of_another_version_are_refused_and_the_journal_gives_the_same(machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before = replay_copy(unpacked(f"journal-{NEWEST}", tmp_path), tmp_path / "before")
    monkeypatch.setattr(machine, "SNAPSHOT_VERSION", machine.SNAPSHOT_VERSION + 1)
    with pytest.raises(ReplayError, match=rf"does not fit version {machine.SNAPSHOT_VERSION}.*: rebuild it from the journal"):
        replay_copy(unpacked(f"snapshots-{NEWEST}", tmp_path), tmp_path / "refused")
    assert replay_copy(tmp_path / f"journal-{NEWEST}", tmp_path / "after") == before
    outputs = [[(tmp_path / run / name).read_bytes() for name in ("alerts.ndjson", "scores.csv")] for run in ("before", "after")]
    assert outputs[0] == outputs[1]


@pytest.mark.parametrize("saved", [False, True])
def test_this_release_writes_what_the_newest_golden_files_hold(saved: bool, tmp_path: Path):
    golden.write(tmp_path / "now", saved=saved)
    was = records(unpacked(f"{'snapshots' if saved else 'journal'}-{NEWEST}", tmp_path))
    assert records(tmp_path / "now") == was, "what is written has changed: see CONTRIBUTING.md, Golden files"


def test_a_golden_file_is_not_written_over():
    with pytest.raises(SystemExit, match="it is there"):
        golden.main([str(FOLDER), NEWEST])
