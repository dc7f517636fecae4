from __future__ import annotations

import csv
import gzip
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import orjson
import pytest

from sinks.base import Batch
from streams.core.decide import Decide
from streams.core.journal import decode
from streams.core.pipeline import Scorer
from streams.loading import find_city, load
from streams.model import DAY_S, HOUR_S, Evidence, Finding, Scores
from streams.settings import City
from streams.shells.backfill import ACTOR, REPORT, BackfillError, Report, backfill, words
from streams.shells.csvcounts import CountsFileError
from streams.shells.engine import Engine, State
from streams.shells.explain_state import explain, listed
from streams.shells.history import History, of_counts, of_records
from streams.shells.keys import key_file, load_key
from streams.shells.opening import Opened
from streams.shells.play import play
from streams.shells.records import Record, recorded_stretch
from streams.shells.replay import replay
from streams.shells.store import DATABASE, FINISHED, Store, StoreError
from tests.shells.small import AREAS, SETTINGS, START_S, days, small_city

BURST = 60
DAYS = 5
CITY = small_city(("hotline",))
Said = list[tuple[str, str, int, float, tuple[Evidence, ...]]]


class Kept:
    """A sink that remembers scores."""

    name = "kept"

    def __init__(self) -> None:
        self.scores: list[Scores] = []

    def write(self, batch: Batch) -> None:
        self.scores += batch.scores

    def close(self) -> None: ...


def lines(path: Path, records: list[tuple[int, bytes]]) -> Path:
    path.write_bytes(b"\n".join(data for _, data in records) + b"\n")
    return path


def past(path: Path, *, bursts: tuple[int, ...] = (BURST, BURST + 1, 24 * DAYS - 2)) -> Path:
    """Five days of calls; the last flood has not ended when they do."""
    return lines(path, days(DAYS, bursts=bursts))


def findings(folder: Path) -> Said:
    store = Store(folder, identity={}, must_exist=True)
    try:
        records = [decode(data) for _, data in store.findings_after(0, 1_000_000)]
    finally:
        store.close()
    return sorted((f.area, f.signal, f.window_end_s, f.recurrence_s, f.evidence) for f in records if isinstance(f, Finding) and not f.early)


def fill(tmp_path: Path, name: str = "state") -> tuple[Path, Report]:
    history = of_records(CITY, past(tmp_path / "calls.ndjson"), "hotline")
    return tmp_path / name, backfill(CITY, tmp_path / name, history, tables=False)


def test_the_report_says_what_was_learned(tmp_path: Path):
    folder, report = fill(tmp_path)
    assert (report.days, report.series, report.series_ready) == (pytest.approx(DAYS, abs=0.05), 8, 8)
    assert (report.city, report.end_s, report.rejected, report.already) == ("small", START_S + DAYS * DAY_S, {}, False)
    assert report.judged_days == pytest.approx(DAYS - 1, abs=0.05)
    assert 0 < report.alerts_per_day == pytest.approx(report.alerts / report.judged_days, abs=0.01)
    assert report.threshold_s > 0
    said = words(report, folder, "small")
    assert "8 of 8 series have history enough" in said
    assert f"tocsin up --embedded --city small --state {folder}" in said
    assert not (tmp_path / ".state.backfill").exists()


def test_nothing_of_the_past_stays_open_and_it_can_be_explained(tmp_path: Path):
    folder, report = fill(tmp_path)
    store = Store(folder, identity={}, must_exist=True)
    alerts = store.alerts_now()
    store.close()
    assert report.closed_alerts >= 1
    assert {alert.state for alert in alerts} <= set(FINISHED)
    assert Counter(alert.reason == "resolved" for alert in alerts)[True] == report.closed_alerts
    [open_then] = [alert.id for alert in listed(folder) if alert.onset_s >= START_S + (24 * DAYS - 2) * HOUR_S and alert.state == "cleared"]
    last = explain(folder, open_then).timeline[-1]
    assert (last.to_state, last.reason, last.actor, last.notify) == ("cleared", "resolved", ACTOR, False)


def test_a_replay_of_the_folder_comes_out_as_recorded(tmp_path: Path):
    folder, report = fill(tmp_path)
    done = replay(folder, tmp_path / "again")
    assert done.from_the_beginning
    assert done.counts == report.counts - 1


def go_on(city: City, folder: Path, end_s: int, next_day: Iterator[Record]) -> tuple[list[Scores], list[Finding], float]:
    """What an engine that is opened on the folder makes of the day that follows: scores, findings and the threshold it began with."""
    kept = Kept()
    opened = Opened(city, folder, durability="off", now_s=end_s, sinks=[kept])
    try:
        assert opened.engine.behind == 0, "the newest snapshot holds all of the past"
        assert opened.engine._decide.open_alerts() == ()
        threshold_s = opened.engine._decide.threshold_s
        before = opened.store.newest("findings")
        for _ in play(opened.engine, next_day, end_s, end_s + DAY_S):
            pass
        records = [decode(data) for _, data in opened.store.findings_after(before, 1_000_000)]
    finally:
        opened.close()
    return kept.scores, [f for f in records if isinstance(f, Finding)], threshold_s


def undisturbed(city: City, folder: Path, records: Iterator[Record], first_s: int, end_s: int) -> tuple[list[Scores], list[Finding], float]:
    """The same without a break; the threshold as it stood at ``end_s``."""
    kept, store = Kept(), Store(folder, identity={}, durability="off")
    engine = Engine(city, store, bytes(32), [kept])
    engine.recover(first_s)
    threshold_s = 0.0
    for step in play(engine, records, first_s, end_s + DAY_S):
        if step.now_s <= end_s:
            threshold_s = engine._decide.threshold_s
    made = [decode(data) for _, data in store.findings_after(0, 1_000_000)]
    store.close()
    return (
        [scores for scores in kept.scores if scores.window_end_s > end_s],
        [f for f in made if isinstance(f, Finding) and f.window_end_s > end_s],
        threshold_s,
    )


def test_the_next_day_is_scored_as_if_there_had_been_no_break(tmp_path: Path):
    end_s = START_S + DAYS * DAY_S
    every = [Record("hotline", at_s, data) for at_s, data in days(DAYS + 1, bursts=(BURST, BURST + 1, 24 * DAYS + 5))]
    lines(tmp_path / "calls.ndjson", [(r.at_s, r.payload) for r in every if r.at_s < end_s])
    backfill(CITY, tmp_path / "state", of_records(CITY, tmp_path / "calls.ndjson", "hotline"), tables=False)
    scores, found, threshold_s = go_on(CITY, tmp_path / "state", end_s, iter([r for r in every if r.at_s >= end_s]))
    assert len(found) > 5
    assert (scores, found, threshold_s) == undisturbed(CITY, tmp_path / "whole", iter(every), every[0].at_s, end_s)


def test_boston_goes_on_as_if_there_had_been_no_break(tmp_path: Path):
    city = load(find_city("boston"))
    assert city.demo is not None
    stretch = recorded_stretch(city, Path(city.demo.events), days=17.2)
    every = [(r, orjson.loads(r.payload)) for r in stretch.records]
    end_s = int(datetime(2015, 1, 17, 5, tzinfo=UTC).timestamp())
    with gzip.open(tmp_path / "past.csv.gz", "wt", newline="") as file:
        rows = csv.DictWriter(file, list(every[0][1]))
        rows.writeheader()
        rows.writerows(row for record, row in every if record.at_s < end_s)
    report = backfill(city, tmp_path / "state", of_records(city, tmp_path / "past.csv.gz", ""), tables=False)
    assert report.end_s == end_s
    assert report.series == len(city.areas) * len(city.signals)
    assert 0 < report.series_ready <= report.series
    tail = [record for record, _ in every if end_s <= record.at_s < end_s + DAY_S]
    scores, found, threshold_s = go_on(city, tmp_path / "state", end_s, iter(tail))
    assert len(scores) > 10
    whole = iter([record for record, _ in every if record.at_s < end_s + DAY_S])
    assert (scores, found, threshold_s) == undisturbed(city, tmp_path / "whole", whole, stretch.first_s, end_s)


def test_once_more_changes_nothing(tmp_path: Path):
    folder, report = fill(tmp_path)
    before = (folder / DATABASE).read_bytes()
    _, again = fill(tmp_path)
    assert again == msgspec.structs.replace(report, already=True)
    assert (folder / DATABASE).read_bytes() == before
    assert "holds this history already" in words(again, folder, "small")


def test_newer_or_other_data_is_left_alone(tmp_path: Path):
    folder, report = fill(tmp_path)
    other = of_records(CITY, past(tmp_path / "other.ndjson", bursts=()), "hotline")
    with pytest.raises(BackfillError, match="history cannot be put before it: give an empty folder to --state") as refused:
        backfill(CITY, folder, other, tables=False)
    assert refused.value.status == 2
    go_on(CITY, folder, report.end_s, iter([Record("hotline", at_s + DAYS * DAY_S, data) for at_s, data in days(1)]))
    with pytest.raises(BackfillError, match="and what came after already"):
        fill(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    with pytest.raises(BackfillError, match=r"holds 'letter.txt', which is no part of a new state folder"):
        fill(tmp_path, "full")


def test_a_key_that_is_there_already_is_kept(tmp_path: Path):
    (tmp_path / "state").mkdir()
    key = load_key(tmp_path / "state")
    folder, _ = fill(tmp_path)
    assert key_file(folder).read_bytes() == key
    with pytest.raises(StoreError, match="made with"):
        Store(folder, identity={"key": "another"})


def broken(history: History) -> History:
    """The same, but it breaks off half-way."""

    def feed(engine: Engine) -> Iterator[int]:
        for i, now_s in enumerate(history.feed(engine)):
            if i == 40:
                raise KeyboardInterrupt
            yield now_s

    return history._replace(feed=feed)


def test_what_is_broken_off_begins_anew(tmp_path: Path):
    history = of_records(CITY, past(tmp_path / "calls.ndjson"), "hotline")
    with pytest.raises(KeyboardInterrupt):
        backfill(CITY, tmp_path / "state", broken(history), tables=False)
    assert not (tmp_path / "state").exists()
    folder, report = fill(tmp_path)
    _, calm = fill(tmp_path, "calm")
    assert report == calm
    assert findings(folder) == findings(tmp_path / "calm")


def test_a_kill_before_the_move_loses_nothing(tmp_path: Path):
    folder, report = fill(tmp_path)
    folder.rename(tmp_path / ".state.backfill")  # as if it had been killed right before
    before = (tmp_path / ".state.backfill" / DATABASE).stat().st_ino
    _, again = fill(tmp_path)
    assert again == report
    assert (folder / DATABASE).stat().st_ino == before, "moved, not made again"


def test_kill_9_half_way(tmp_path: Path):
    (tmp_path / "tocsin.yaml").write_text(SETTINGS[: SETTINGS.index("  app:")])
    (tmp_path / "areas.csv").write_text(AREAS)
    lines(tmp_path / "calls.ndjson", days(20))
    command = [sys.executable, "-m", "streams.shells.cli", "backfill", "--city", str(tmp_path / "tocsin.yaml"), "--state", str(tmp_path / "state"),
               "--events", str(tmp_path / "calls.ndjson"), "--source", "hotline", "--no-clickhouse", "--json"]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    child = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wal = tmp_path / ".state.backfill" / f"{DATABASE}-wal"
    deadline = time.monotonic() + 60
    while not (wal.exists() and wal.stat().st_size > 300_000) and time.monotonic() < deadline:
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    assert child.wait(30) == -signal.SIGKILL
    assert not (tmp_path / "state").exists()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    report = orjson.loads(done.stdout)
    assert report["days"] == pytest.approx(20, abs=0.1)
    assert orjson.loads((tmp_path / "state" / REPORT).read_bytes()) == report


# tables of counts


def table(path: Path, records: list[tuple[int, bytes]], zone: bool = True) -> Path:
    signals = {"Flood": "flooding", "Noise": "noise"}
    cells: Counter[tuple[int, str, str]] = Counter()
    for at_s, data in records:
        row = orjson.loads(data)
        cells[at_s // HOUR_S * HOUR_S, row["where"], signals[row["what"]]] += 1
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("time", "area", "signal", "count"))
        for (at_s, area, signal_), n in sorted(cells.items()):
            rows.writerow((datetime.fromtimestamp(at_s, UTC).isoformat()[: None if zone else 19], area, signal_, n))
    return path


def test_counts_teach_what_their_records_do(tmp_path: Path):
    folder, report = fill(tmp_path)
    history = of_counts(CITY, table(tmp_path / "counts.csv", days(DAYS, bursts=(BURST, BURST + 1, 24 * DAYS - 2))))
    by_counts = backfill(CITY, tmp_path / "counted", history, tables=False)
    assert findings(tmp_path / "counted") == findings(folder)
    assert (by_counts.end_s, by_counts.series_ready, by_counts.threshold_s) == (report.end_s, report.series_ready, report.threshold_s)
    every = [Record("hotline", at_s, data) for at_s, data in days(DAYS + 1, bursts=(BURST, BURST + 1, 24 * DAYS - 2, 24 * DAYS + 5))]
    tail = [record for record in every if record.at_s >= report.end_s]
    _, found, _ = go_on(CITY, tmp_path / "counted", report.end_s, iter(tail))
    _, as_found, _ = go_on(CITY, folder, report.end_s, iter(tail))
    kept, as_kept = ({(f.area, f.signal, f.window_end_s): f.evidence for f in made if not f.early} for made in (found, as_found))
    assert kept == as_kept
    assert any(f.signal == "flooding" for f in found)


def test_times_without_a_zone_are_the_city_s_own(tmp_path: Path):
    far = msgspec.structs.replace(CITY, timezone="Asia/Shanghai")
    path = table(tmp_path / "counts.csv", days(2), zone=False)
    assert of_counts(CITY, path).first_s - of_counts(far, path).first_s == 8 * HOUR_S


def test_a_table_without_areas_is_the_whole_city_s(tmp_path: Path):
    (tmp_path / "c.csv").write_text("time,signal,count\n2015-01-01T00:00Z,noise,3\n2015-01-01T01:00Z,noise,4\n2015-01-01T02:30Z,noise,4\n")
    report = backfill(CITY, tmp_path / "state", of_counts(CITY, tmp_path / "c.csv"), tables=False)
    assert (report.first_s, report.end_s) == (START_S, START_S + 3 * HOUR_S)
    store = Store(tmp_path / "state", identity={}, must_exist=True)
    snapshot = store.newest_snapshot()
    store.close()
    assert snapshot is not None
    scorer = Scorer(CITY)
    scorer.restore(State.unpacked(snapshot.record).scorer)
    Decide(CITY, scorer.shards).restore(State.unpacked(snapshot.record).decide)
    assert scorer.tally().foreign == 0


@pytest.mark.parametrize(
    "rows, message",
    [
        ("2015-01-01T00:00Z,A9,noise,3", "area 'A9' is none that small counts; write its code, such as 'A1'"),
        ("2015-01-01T00:00Z,A1,nois,3", "signal 'nois' is none that small counts; write its code, such as 'noise'"),
        ("2015-01-01,A1,noise,3\n2015-01-02,A1,noise,3", "its times are 86400 s apart, small has windows of 3600 s"),
        ("2015-01-01T00:00Z,A1,noise,3", "has one time only"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path: Path, rows: str, message: str):
    (tmp_path / "c.csv").write_text(f"time,area,signal,count\n{rows}\n")
    with pytest.raises(CountsFileError, match=message):
        of_counts(CITY, tmp_path / "c.csv")
