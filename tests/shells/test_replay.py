from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from streams.core.journal import decode, encode
from streams.model import DAY_S, Finding
from streams.shells.engine import Engine
from streams.shells.outputs import ALERTS, SCORES, RunWriter
from streams.shells.replay import ReplayError, replay
from streams.shells.retention import Retention, prune
from streams.shells.store import DATABASE, Store, StoreError
from tests.shells.small import START_S, days, small_city

KEY = bytes(32)
NOW_S = START_S + 5 * DAY_S
FILES = (ALERTS, SCORES)


def live(folder: Path, out: Path, *, kills: int = 0, checkpoints: bool = False) -> None:
    """A run that is fed hour by hour, interrupted ``kills`` times with outputs half written."""
    city = small_city(("hotline",))
    records = days(5, bursts=(60, 61, 90, 110))
    parts = kills + 1
    for part in range(parts):
        store = Store(folder, identity={}, durability="off")
        writer = RunWriter(out, city, resume=True)
        engine = Engine(city, store, KEY, [writer])
        engine.recover(START_S)
        engine.drain(NOW_S)
        for i in range(
            len(records) * part // parts // 5 * 5, len(records) * (part + 1) // parts // 5 * 5 if part < kills else len(records), 5
        ):
            chunk = records[i : i + 5]
            engine.desk.ingest("hotline", [data for _, data in chunk], chunk[-1][0])
            if i % 3 == 0:
                engine.pump(NOW_S)
            if checkpoints and i % 50 == 0:
                engine.checkpoint(chunk[-1][0])
        if part == kills:
            engine.drain(NOW_S)
        store.close()  # as a kill would: files are not closed, the last lines may be cut
        for file in (writer._alerts, writer._scores):
            assert file is not None
            file.close()
        if part < kills and not checkpoints:  # what a checkpoint covers was flushed before it
            with (out / SCORES).open("r+b") as file:
                file.truncate(max(0, (out / SCORES).stat().st_size - 37))


@pytest.mark.parametrize("kills, checkpoints", [(0, False), (4, False), (4, True)])
def test_a_replay_writes_the_bytes_of_the_live_run(tmp_path: Path, kills: int, checkpoints: bool):
    live(tmp_path / "state", tmp_path / "live", kills=kills, checkpoints=checkpoints)
    done = replay(tmp_path / "state", tmp_path / "again")
    assert done.from_the_beginning
    assert done.findings > 100
    assert done.transitions > 3
    for name in FILES:
        written = (tmp_path / "again" / name).read_bytes()
        assert len(written) > 500
        assert written == (tmp_path / "live" / name).read_bytes(), name


@pytest.mark.parametrize("checkpoints", [False, True])
def test_kills_change_nothing_of_what_is_written(tmp_path: Path, checkpoints: bool):
    live(tmp_path / "a", tmp_path / "calm")
    live(tmp_path / "b", tmp_path / "killed", kills=5, checkpoints=checkpoints)
    for name in FILES:
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "calm" / name).read_bytes(), name


def edit(folder: Path, change) -> None:
    """Falsify the first finding of a journal."""
    database = sqlite3.connect(folder / DATABASE)
    for seq, data in database.execute("SELECT seq, record FROM findings ORDER BY seq").fetchall():
        record = decode(data)
        if isinstance(record, Finding):
            change(database, seq, record)
            break
    database.commit()
    database.close()


def test_a_finding_that_comes_out_differently_is_named(tmp_path: Path):
    import msgspec

    live(tmp_path / "state", tmp_path / "live")

    def falsify(database: sqlite3.Connection, seq: int, record: Finding) -> None:
        forged = encode(msgspec.structs.replace(record, risk=record.risk + 1))
        database.execute("UPDATE findings SET record = ? WHERE seq = ?", (forged, seq))

    edit(tmp_path / "state", falsify)
    with pytest.raises(
        ReplayError, match=r"counts \d+: scored again it gives finding 0 of shard \w+ .*, the findings journal has at \d+ finding 0"
    ):
        replay(tmp_path / "state", tmp_path / "again")


def test_a_transition_that_comes_out_differently_is_named(tmp_path: Path):
    live(tmp_path / "state", tmp_path / "live")
    database = sqlite3.connect(tmp_path / "state" / DATABASE)
    seq, data = database.execute("SELECT seq, record FROM alerts ORDER BY seq LIMIT 1").fetchone()
    import msgspec

    forged = encode(msgspec.structs.replace(decode(data), risk=1.0))  # type: ignore[type-var, arg-type]
    database.execute("UPDATE alerts SET record = ? WHERE seq = ?", (forged, seq))
    database.commit()
    database.close()
    with pytest.raises(ReplayError, match=r"step 1 of alert .* is not the one in the alerts journal"):
        replay(tmp_path / "state", tmp_path / "again")


def test_a_damaged_record_is_no_traceback(tmp_path: Path):
    live(tmp_path / "state", tmp_path / "live")
    database = sqlite3.connect(tmp_path / "state" / DATABASE)
    database.execute("UPDATE counts SET record = x'01ff' WHERE seq = 5")
    database.commit()
    database.close()
    with pytest.raises(ReplayError, match="journal record is damaged"):
        replay(tmp_path / "state", tmp_path / "again")


def test_pruned_journals_are_replayed_from_the_oldest_snapshot(tmp_path: Path):
    live(tmp_path / "state", tmp_path / "live", checkpoints=True)
    store = Store(tmp_path / "state", identity={}, durability="off")
    prune(store, NOW_S, Retention(counts_rows_max=60, findings_rows_max=150))
    assert not store.reaches("counts", 0)
    store.close()
    done = replay(tmp_path / "state", tmp_path / "again")
    assert not done.from_the_beginning
    tail = (tmp_path / "again" / SCORES).read_bytes().split(b"\n", 1)[1]
    assert tail
    assert (tmp_path / "live" / SCORES).read_bytes().endswith(tail)


def test_what_is_no_state_folder_is_refused(tmp_path: Path):
    with pytest.raises(StoreError, match="no journals here"):
        replay(tmp_path / "nothing", tmp_path / "again")
    assert not (tmp_path / "nothing").exists()
    Store(tmp_path / "empty", identity={}, durability="off").close()
    with pytest.raises(ReplayError, match="does not begin with its configuration"):
        replay(tmp_path / "empty", tmp_path / "again")
