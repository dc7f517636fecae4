from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from streams.core.intake import Folded
from streams.core.journal import decode, encode
from streams.model import Alert, Closed, Command, Rejected, Tick, Transition
from streams.shells.retention import Retention, prune
from streams.shells.store import DATABASE, FilePosition, Snapshot, Store, StoreError
from tests.shells.small import START_S, payload, small_city

IDENTITY = {"city": "small", "key": "k"}


@pytest.fixture
def store(tmp_path: Path):
    opened = Store(tmp_path, identity=IDENTITY, durability="off")
    yield opened
    opened.close()


def folded(n: int = 1, first: int = 0) -> Folded:
    from streams.core.intake import Intake, Raw

    intake = Intake(small_city(), bytes(32))
    raws = [Raw(first + i, START_S, payload(first + i, START_S)) for i in range(n)]
    raws.append(Raw(first + n, START_S, b"not json"))
    return intake.apply("hotline", 0, raws)


def step(alert_id: str, seq: int) -> Transition:
    return Transition(alert_id, seq, 1, 1, "A1", ("noise",), "none", "open", "raised", "red", 90.0, 1e6, True)


def alert(alert_id: str, state: str = "open") -> Alert:
    return Alert(alert_id, "A1", ("noise",), state, "red", 9.0, 9.0, 1e6, 1, 1, "raised", "", "", (), 1)  # type: ignore[arg-type]


POSITION = FilePosition("digest", 7, b"head", 123)


def contents(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    database = sqlite3.connect(folder / DATABASE)
    tables = ("counts", "digests", "intake_state", "rejected", "files")
    rows = {table: database.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in tables}
    database.close()
    return rows


def test_what_one_batch_changes_is_there_after_a_restart(tmp_path: Path, store: Store):
    batch = folded(3)
    store.append_folded(batch, b"marks", 5, POSITION)
    store.close()
    store.__init__(tmp_path, identity=IDENTITY, durability="off")  # type: ignore[misc]
    assert [decode(data) for _, data in store.counts_after(0, 10)] == list(batch.counts)
    state, marks, digests = store.intake()
    assert (state, marks, digests) == (batch.state, b"marks", list(batch.digests))
    assert [row for _, row in store.rejected_after(0, 10)] == list(batch.rejected)
    assert store.file_position("digest") == POSITION


def test_a_crash_between_any_two_steps_leaves_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first, second = folded(2), folded(2, first=3)
    before = after = None
    for crash_at in range(20):
        folder = tmp_path / str(crash_at)
        store = Store(folder, identity=IDENTITY, durability="off")
        store.append_folded(first, b"1", 5)
        steps = 0

        def dying(real, at=crash_at):
            def run(sql, *values):
                nonlocal steps
                steps += 1
                if steps > at:
                    raise KeyboardInterrupt
                return real(sql, *values)

            return run

        before = contents(folder)
        store._run, store._many = dying(store._run), dying(store._many)  # type: ignore[method-assign]
        finished = True
        try:
            store.append_folded(second, b"2", 6, POSITION)
        except KeyboardInterrupt:
            finished = False
        store.close()
        after = contents(folder)
        if finished:
            break
        assert after == before, f"died after step {crash_at}"
    else:
        pytest.fail("the transaction never finished")
    assert crash_at >= 5
    assert all(len(after[table]) > len(before[table]) for table in ("counts", "digests", "rejected", "files"))


def test_two_processes_cannot_open_one_folder(tmp_path: Path, store: Store):
    with pytest.raises(StoreError, match="in use by another process"):
        Store(tmp_path, identity=IDENTITY)
    code = "import sys; from pathlib import Path; from streams.shells.store import Store; Store(Path(sys.argv[1]), identity={})"
    other = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False, timeout=60)
    assert "in use by another process; stop it first" in other.stderr


def test_a_folder_of_another_city_key_or_version_is_refused(tmp_path: Path, store: Store):
    store.close()
    with pytest.raises(StoreError, match="made with city 'small', started with 'other'"):
        Store(tmp_path, identity={**IDENTITY, "city": "other"})
    database = sqlite3.connect(tmp_path / DATABASE)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StoreError, match="journals of format 99, this release reads format 1"):
        Store(tmp_path, identity=IDENTITY)
    (tmp_path / DATABASE).write_bytes(b"something else entirely" * 100)
    with pytest.raises(StoreError, match="not a database of Tocsin"):
        Store(tmp_path, identity=IDENTITY)
    store.__init__(tmp_path / "new", identity=IDENTITY)  # type: ignore[misc]


def test_a_finding_is_journaled_once_and_a_different_one_is_told(store: Store):
    closed = Closed("A1", 3600, 0)
    assert store.append_findings([closed, Tick(5), Command("id", 1, "x", "configure", "{}")], 1) == 0
    assert store.append_findings([closed, Tick(5), Closed("A1", 7200, 0)], 1) == 0
    assert store.append_findings([Closed("A1", 3600, 1)], 1) == 1
    assert [type(decode(data)).__name__ for _, data in store.findings_after(0, 10)] == ["Closed", "Tick", "Command", "Closed"]
    assert store.newest("findings") == store.findings_after(0, 10)[-1][0]


def test_a_transition_keeps_its_feed_id_over_repeats(store: Store):
    ids = store.append_decided([step("a", 1), step("b", 1)], [alert("a"), alert("b")], 1)
    again = store.append_decided([step("a", 1), step("b", 1), step("a", 2)], [alert("a", "cleared")], 2)
    assert ids == [1, 2]
    assert again[:2] == ids
    assert again[2] == 3, "without a gap"
    assert {a.id: a.state for a in store.alerts_now()} == {"a": "cleared", "b": "open"}
    assert [decode(data) for _, data in store.transitions_after(ids[1], 10)] == [step("a", 2)]


def test_retention_never_reaches_past_a_snapshot_and_bounds_every_table(store: Store):
    head = Command("configure-1", 1, "x", "configure", "{}")
    store.append_counts(head, 0)
    store.append_findings([head], 0)
    for i in range(20):
        store.append_folded(folded(1, first=2 * i), b"", i)
        store.append_findings([Tick(i)], i)
        store.append_decided([step("a", i)], [], i)
    keep = Retention(
        counts_rows_max=4, findings_rows_max=4, transitions_rows_max=5, rejected_rows_max=3, digests_per_raw=10, journal_age_s=10**9
    )
    assert prune(store, 100, keep) == 0, "there is no snapshot to go on from"
    store.put_snapshot(Snapshot(10, 10, 12, b""), 20)
    prune(store, 100, keep)
    assert [seq for seq, _ in store.counts_after(0, 3)] == [1, 11, 12], "the configuration stays, and all behind the snapshot"
    assert [seq for seq, _ in store.findings_after(0, 2)] == [1, 11]
    assert [seq for seq, _ in store.rejected_after(0, 1)] == [13]
    assert store.rows("alerts") == 5
    assert sum(len(data) // 8 for _, _, data in store.intake()[2]) <= 12
    assert not store.reaches("counts", 0)
    assert store.reaches("counts", 10)


def test_old_records_go_by_age_and_one_snapshot_a_day_stays(store: Store):
    for i in range(10):
        store.append_folded(folded(1, first=2 * i), b"", i * 40_000)
        store.put_snapshot(Snapshot(2 * i + 2, 0, i + 1, b"%d" % i), i * 40_000)
    prune(store, 400_000, Retention(journal_age_s=200_000, snapshots_max=3))
    assert [seq for seq, _ in store.counts_after(1, 1)] == [11]
    newest, oldest = store.newest_snapshot(), store.oldest_snapshot()
    assert newest is not None
    assert oldest is not None
    assert (newest.record, store.rows("snapshots")) == (b"9", 3)
    assert store.reaches("counts", oldest.counts_seq)


def test_rejections_hold_words_and_digests_only(store: Store):
    store.append_folded(folded(1), b"", 1)
    [(_, row)] = store.rejected_after(0, 10)
    assert isinstance(row, Rejected)
    assert row.reason == "not_json"
    assert len(row.digest) == 16


def test_a_journal_record_is_what_was_appended(store: Store):
    command = Command("configure-1", 1, "x", "configure", "{}")
    store.append_counts(command, 3)
    assert store.counts_after(0, 5) == [(1, encode(command))]
