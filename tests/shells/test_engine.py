from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from sinks.base import Batch, SinkError
from streams.core.journal import decode, unpack
from streams.model import DAY_S, HOUR_S, Closed, Command, Counts, Finding, Tick
from streams.settings import City
from streams.shells.desk import Ingested
from streams.shells.engine import Engine
from streams.shells.store import FilePosition, Store, StoreError
from tests.shells.small import START_S, days, payload, small_city

KEY = bytes(range(32))
BURSTS = (60, 61, 90)
NOW_S = START_S + 4 * DAY_S


class Memory:
    """A sink that keeps everything, and refuses when told to."""

    name = "memory"

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.refuse: SinkError | None = None

    def write(self, batch: Batch) -> None:
        if self.refuse is not None:
            raise self.refuse
        self.batches.append(batch)

    def close(self) -> None: ...

    def transitions(self) -> list[tuple[int, object]]:
        return sorted({at: step for batch in self.batches for at, step in batch.transitions}.items())


class World:
    """An engine over a folder, which may be killed and opened again."""

    def __init__(self, folder: Path, city: City) -> None:
        self.folder, self.city, self.sink, self.clock = folder, city, Memory(), 0.0
        self.open()

    def open(self) -> None:
        self.store = Store(self.folder, identity={}, durability="off")
        self.engine = Engine(self.city, self.store, KEY, [self.sink], monotonic=lambda: self.clock)
        self.engine.recover(START_S)

    def kill(self) -> None:
        self.store.close()
        self.open()

    def feed(self, records: Sequence[tuple[int, bytes]], source: str = "hotline", size: int = 7) -> Ingested:
        total = Ingested()
        for i in range(0, len(records), size):
            chunk = records[i : i + size]
            taken = self.engine.desk.ingest(source, [data for _, data in chunk], max(at for at, _ in chunk))
            total = Ingested(total.accepted + taken.accepted, total.duplicate + taken.duplicate, total.late + taken.late)
        return total

    def journal(self) -> list[object]:
        return [decode(data) for _, data in self.store.findings_after(0, 100_000)]


@pytest.fixture
def one(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, small_city(("hotline",)))
    yield world
    world.store.close()


@pytest.fixture
def two(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path, small_city())
    yield world
    world.store.close()


def test_records_become_alerts(one: World):
    taken = one.feed(days(4, bursts=BURSTS))
    one.engine.drain(NOW_S)
    assert taken.accepted > 300
    journal = one.journal()
    assert isinstance(journal[0], Command)
    assert any(isinstance(record, Finding) and record.signal == "flooding" for record in journal)
    told = [step for _, step in one.sink.transitions() if step.notify and "flooding" in step.signals]  # type: ignore[attr-defined]
    assert told
    assert abs(told[0].onset_s - (START_S + BURSTS[0] * HOUR_S)) <= DAY_S
    assert [decode(data) for _, data in one.store.counts_after(0, 1)] == [journal[0]]


def test_duplicates_and_rejections_are_counted_without_their_content(one: World):
    good = payload(1, START_S)
    taken = one.engine.desk.ingest("hotline", [good, good, b"[1]", payload(2, START_S, what="Petition"), b"{"], START_S)
    assert taken == Ingested(1, 1, 0, {"excluded_category": 1, "not_an_object": 1, "not_json": 1})
    assert one.engine.meter.rejected() == taken.rejected
    with pytest.raises(KeyError):
        one.engine.desk.ingest("nobody", [good], START_S)
    assert one.engine.desk.ingest("hotline", [], START_S) == Ingested()


def test_an_interrupted_run_ends_as_an_undisturbed_one(tmp_path: Path):
    records = days(4, bursts=BURSTS)
    calm = World(tmp_path / "calm", small_city(("hotline",)))
    calm.feed(records)
    calm.engine.drain(NOW_S)
    killed = World(tmp_path / "killed", small_city(("hotline",)))
    # fed in seven parts: killed with outputs pending, before and after a checkpoint, in the middle of a pump
    for part in range(7):
        lo, hi = (len(records) * at // 7 // 7 * 7 for at in (part, part + 1))
        killed.feed(records[lo : hi if part < 6 else None])
        for _ in range(part):
            killed.engine.pump(NOW_S)
        if part % 2:
            killed.engine.checkpoint(NOW_S)
        killed.kill()
    killed.engine.drain(NOW_S)
    assert killed.journal() == calm.journal()
    assert killed.sink.transitions() == calm.sink.transitions()
    assert killed.store.alerts_now() == calm.store.alerts_now()
    assert killed.engine.meter.conflicting_findings == 0
    # outputs that came out twice are the same, by their keys
    scores = {(s.shard, s.window_end_s): s for batch in calm.sink.batches for s in batch.scores}
    assert scores == {(s.shard, s.window_end_s): s for batch in killed.sink.batches for s in batch.scores}
    calm.store.close()
    killed.store.close()


def test_a_failed_commit_leaves_intake_as_it_was(one: World, monkeypatch: pytest.MonkeyPatch):
    first, second = payload(1, START_S), payload(2, START_S)
    one.engine.desk.ingest("hotline", [first], START_S)
    real = one.store.append_folded
    monkeypatch.setattr(one.store, "append_folded", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        one.engine.desk.ingest("hotline", [second], START_S)
    monkeypatch.setattr(one.store, "append_folded", real)
    assert one.engine.desk.ingest("hotline", [second, first], START_S) == Ingested(1, 1)
    counts = [decode(data) for _, data in one.store.counts_after(1, 10)]
    spans = [record.spans[0] for record in counts if isinstance(record, Counts) and not record.rollup]
    assert [(span.from_offset, span.to_offset) for span in spans] == [(0, 1), (1, 3)], "no offset is skipped and none is taken twice"


def test_while_a_sink_is_away_the_journal_keeps_and_the_wait_grows_to_a_bound(one: World):
    one.feed(days(3, bursts=BURSTS))
    one.sink.refuse = SinkError("away", retryable=True)
    one.engine.pump(NOW_S)
    assert one.engine.waiting
    tries = []
    for _ in range(4000):
        before = one.engine.meter.sink_errors["memory"]
        assert not one.engine.pump(NOW_S)
        if one.engine.meter.sink_errors["memory"] > before:
            tries.append(one.clock)
        one.clock += 0.05
    gaps = [b - a for a, b in pairwise(tries)]
    assert all(b > a - 0.1 for a, b in pairwise(gaps))
    assert gaps[0] < 1 < gaps[5]
    assert max(gaps) <= 30.1
    assert not one.engine.checkpoint(NOW_S), "nothing is checkpointed before its outputs are in the sinks"
    one.sink.refuse = None
    one.clock += 60
    one.engine.drain(NOW_S)
    assert not one.engine.waiting
    rows = one.store.newest("counts")
    assert [seq for batch in one.sink.batches for seq, _ in batch.counts] == list(range(2, rows + 1))


def test_a_refusal_for_good_stops_the_pump(one: World):
    one.feed(days(1))
    one.sink.refuse = SinkError("never", retryable=False)
    with pytest.raises(SinkError):
        one.engine.drain(NOW_S)


def test_ticks_only_while_a_deadline_has_come(one: World):
    one.feed(days(4, bursts=BURSTS))
    one.engine.drain(NOW_S)
    assert one.engine._decide.next_deadline_s() is None
    assert not one.engine.tick(NOW_S)
    silence = Command("s1", NOW_S, "p", "silence", f'{{"area": "C", "until_s": {NOW_S + 600}}}')
    one.store.append_findings([silence], NOW_S)
    one.engine.drain(NOW_S)
    assert not one.engine.tick(NOW_S + 599)
    assert one.engine.tick(NOW_S + 601)
    one.engine.drain(NOW_S + 601)
    assert not one.engine.tick(NOW_S + 602)
    assert [record for record in one.journal() if isinstance(record, Tick)] == [Tick(NOW_S + 601)]


def closed_to(world: World) -> int:
    world.engine.drain(NOW_S)
    return max((record.window_end_s for record in world.journal() if isinstance(record, Closed)), default=0)


def test_live_an_idle_source_does_not_hold_windows_back(two: World):
    now_s = START_S + 6 * HOUR_S
    two.engine.desk.ingest("hotline", [payload(0, START_S + 60), payload(1, now_s - 60)], now_s)
    assert closed_to(two) == 0, "the app has said nothing yet"
    assert two.engine.desk.idle(now_s) == 1
    assert closed_to(two) == now_s - HOUR_S, "the hotline's own lateness still holds the last window"
    assert two.engine.desk.idle(now_s + 30) == 0
    assert two.engine.desk.ingest("app", [payload(9, now_s - 30)], now_s).late == 0


def test_loading_history_a_source_that_pauses_is_not_made_late(two: World):
    clock = START_S + 400 * DAY_S
    two.engine.recover(clock)
    hotline, app = days(2, seed=1), days(2, seed=2)
    half = len(app) // 2
    late = 0
    late += two.feed(hotline).late
    for wait in range(0, 600, 50):  # the app's file comes ten minutes after the hotline's
        two.engine.desk.idle(clock + wait)
    late += two.engine.desk.ingest("app", [data for _, data in app[:half]], clock + 600).late
    for wait in range(600, 1400, 50):  # and pauses in the middle
        two.engine.desk.idle(clock + wait)
    late += two.engine.desk.ingest("app", [data for _, data in app[half:]], clock + 1400).late
    assert late == 0
    assert closed_to(two) > START_S + DAY_S


def test_loading_history_a_source_that_never_comes_is_given_up(two: World):
    clock = START_S + 400 * DAY_S
    two.engine.recover(clock)
    two.feed(days(2))
    assert closed_to(two) == 0
    two.engine.desk.idle(clock + 901)
    assert START_S + 2 * DAY_S - 3 * HOUR_S <= closed_to(two) <= START_S + 2 * DAY_S, "only as far as the hotline has come, not to now"


def test_a_source_whose_first_records_are_rubbish_does_not_begin_in_1970(one: World):
    one.engine.desk.ingest("hotline", [b"rubbish"], START_S)
    one.engine.drain(NOW_S)
    one.feed(days(1))
    one.engine.drain(NOW_S)
    ends = [record.window_end_s for record in one.journal() if isinstance(record, Closed)]
    assert min(ends) > START_S - DAY_S


def test_a_file_position_is_committed_with_its_lines(one: World):
    position = FilePosition("digest", 1, b"", 10)
    one.engine.desk.ingest("hotline", [payload(1, START_S)], START_S, position=position)
    assert one.store.file_position("digest") == position
    one.kill()
    assert one.store.file_position("digest") == position


def test_after_a_start_a_source_has_its_time_before_it_is_idle(two: World):
    now_s = START_S + 6 * HOUR_S
    two.engine.desk.ingest("hotline", [payload(1, now_s)], now_s)
    two.engine.desk.ingest("app", [payload(2, now_s - 5 * HOUR_S)], now_s - 5 * HOUR_S)
    two.store.close()
    two.open()
    two.engine.recover(now_s + HOUR_S)  # down for an hour, and the app has more waiting in its file
    assert two.engine.desk.idle(now_s + HOUR_S + 60) == 0
    assert two.engine.desk.idle(now_s + HOUR_S + 130, unread={"app", "hotline"}) == 0
    assert two.engine.desk.idle(now_s + HOUR_S + 130, unread={"app"}) == 1


def test_many_threads_may_bring_records_while_the_pump_runs(one: World):
    records = days(2, per_hour=20)
    parts = [records[i::8] for i in range(8)]
    done = threading.Event()

    def bring(part: Sequence[tuple[int, bytes]]) -> int:
        return sum(one.engine.desk.ingest("hotline", [data], NOW_S).accepted for _, data in part)

    def pump() -> None:
        while not done.is_set() or one.engine.behind:
            one.engine.pump(NOW_S)

    with ThreadPoolExecutor(9) as pool:
        pumping = pool.submit(pump)
        brought = sum(pool.map(bring, parts))
        done.set()
        pumping.result(timeout=30)
    assert brought == len(records)
    counts = [record for _, data in one.store.counts_after(1, 100_000) if isinstance(record := decode(data), Counts)]
    assert sum(int(unpack(record).n.sum()) for record in counts if not record.rollup) == len(records)
    spans = sorted((record.spans[0].from_offset, record.spans[0].to_offset) for record in counts if not record.rollup)
    assert spans == [(i, i + 1) for i in range(len(records))]


def test_a_snapshot_of_another_release_is_told_in_a_line(one: World):
    one.feed(days(1))
    one.engine.drain(NOW_S)
    one.engine.checkpoint(NOW_S)
    one.store.delete("UPDATE snapshots SET record = x'00'")
    with pytest.raises(StoreError, match=r"cannot be used .* start the release that wrote it"):
        one.engine.recover(NOW_S)
