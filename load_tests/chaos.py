"""``tocsin bench chaos``: what the Kafka shell comes to while its processes and services are killed, stopped, doubled and out of disk.

Three counts that know nothing of each other must agree: SQL over the raw records that were given; the counts journal; the tables.
Alerts, their steps and scores must be those that the embedded engine makes of the journal without any trouble. And a reader
of the feed must have had each step of an alert once.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from msgspec import Struct

from load_tests.cells import CellDiff, diff, of_clickhouse, of_journal
from load_tests.chaos_run import Away, ChaosRun, Frozen, Plan, Troubled
from load_tests.end_to_end import against_embedded, by_role, recoveries, rejected_equal, unequal
from load_tests.harry import Kill
from load_tests.journals import whole
from load_tests.kafka_run import PASSWORD, TOPIC_PARTITIONS, Ran
from load_tests.raw_records import RAW, prepare
from load_tests.recount import CELLS, REJECTED
from load_tests.services.clickhouse import ClickHouse
from load_tests.services.kafka import Kafka
from streams.loading import load

FROZEN = ("intake", "assess", "sink-clickhouse", "cockpit", "clickhouse", "broker")
DAYS = 12
"""Of the simulation, over all records: alerts need a history of a day."""
KILL_S, FREEZE_S, FULL_S, SPARE_S = 14.0, 60.0, 120.0, 120.0
"""How long each takes, generously: so many records are made as they last, and what is not needed is not given."""
RECOVERY_S_MAX, BACKLOG_S_MAX = 15.0, 300.0

Say = Callable[[str], None]


class Feed(Struct):
    """What the reader of the feed had. ``waits_away_s``: median and longest wait for a step while ClickHouse was away; ``breaks_away``: of its
    stream in that time.
    """

    steps: int
    missed: int
    repeated: int
    resets: int
    breaks: int
    breaks_away: int | None = None
    waits_away_s: list[float] | None = None


class Report(Struct):
    """What came of it all. ``kills``: how many, ``killed``: of which; ``hit_again``: killed once more before they had gone on.
    ``recovery_p99_s``: of those that were hit while all others went on, ``alone`` of them; ``recovery_among_p99_s``: of the others.
    """

    kills: int
    lost: int
    duplicated: int
    wrong_alerts: int
    recovery_p99_s: float | None
    recovery_among_p99_s: float | None
    alone: int
    alerts_lost: int
    records: int
    rate: float
    loaded: bool
    killed: dict[str, int]
    hit_again: int
    recover_s: dict[str, list[float]]
    frozen: list[Frozen]
    twin: Frozen | None
    full_s: dict[str, float]
    away: Away | None
    feed: Feed
    ended: dict[str, list[int]]
    cells_equal: bool
    rejected_equal: bool
    scores_equal: bool
    alerts: int
    transitions: int
    scores: int
    differences: dict[str, list[str]]
    seconds: float

    @property
    def ok(self) -> bool:
        """Nothing lost, doubled or wrong, wherever one looks; all went on soon, under load; only what was stopped or doubled ended by itself."""
        well = self.lost == self.duplicated == self.wrong_alerts == self.alerts_lost == self.feed.missed == self.feed.repeated == 0
        soon = (self.recovery_p99_s or 0.0) < RECOVERY_S_MAX and (self.away is None or self.away.backlog_s < BACKLOG_S_MAX)
        equal = self.cells_equal and self.rejected_equal and self.scores_equal
        return well and soon and equal and self.loaded and not self.feed.breaks_away


def run(folder: Path, plan: Plan, *, seed: int, say: Say) -> Report:
    """Records, troubles, counts."""
    began = time.monotonic()
    planned_s = plan.kills * KILL_S + len(plan.frozen) * FREEZE_S + (plan.twins + plan.full) * FULL_S + SPARE_S
    planned_s += plan.away_s + BACKLOG_S_MAX if plan.away_s else 0.0
    number = int(planned_s * plan.rate)
    say(f"making {number} records")
    settings, _ = prepare(folder, number, seed, DAYS)
    with Kafka(folder / "kafka") as kafka, ClickHouse(folder / "clickhouse", user="tocsin", password=PASSWORD) as clickhouse:
        say(f"{plan.kills} kills, and what else was asked for")
        troubled = ChaosRun(folder, "chaos", settings, (kafka, clickhouse), plan, seed=seed)
        ran = troubled.go()
        say("counting again")
        given = _given_only(folder, troubled.given)
        subprocess.run([sys.executable, "-m", "load_tests.recount", str(folder)], cwd=Path(__file__).parents[1], check=True)
        say("comparing")
        return _report(clickhouse, settings, folder, troubled, ran, plan, given, time.monotonic() - began)


def _given_only(folder: Path, number: int) -> int:
    """Leave in the file what was given."""
    path = folder / RAW
    with path.open("rb") as file:
        kept = list(islice(file, number))
    path.write_bytes(b"".join(kept))
    return len(kept)


def _report(server: ClickHouse, settings: Path, folder: Path, run_: ChaosRun, ran: Ran, plan: Plan, given: int, seconds: float) -> Report:
    cells, rejected = pq.read_table(folder / CELLS), pq.read_table(folder / REJECTED)
    counts = {"journal": _of_journal(ran, cells), "tables": diff(cells, of_clickhouse(server, ran.database))}
    pairs = against_embedded(settings, ran, folder / "embedded", load(settings).detection.window_s)
    wrong = sum(each.missing + each.extra + each.other for name, each in pairs.items() if name != "scores")
    went_on = [kill for kill in ran.kills if kill.recover_s is not None]
    trouble = run_.troubled
    return Report(
        kills=len(ran.kills),
        lost=sum(each.lost for each in counts.values()),
        duplicated=sum(each.duplicated for each in counts.values()),
        wrong_alerts=wrong,
        recovery_p99_s=_longest([kill for kill in went_on if kill.alone]),
        recovery_among_p99_s=_longest([kill for kill in went_on if not kill.alone]),
        alone=sum(kill.alone for kill in went_on),
        alerts_lost=len(run_.told.keys() - _in_tables(server, ran.database)),
        records=given,
        rate=plan.rate,
        loaded=trouble.loaded,
        killed=by_role(ran.kills),
        hit_again=trouble.hit_again,
        recover_s=recoveries(ran.kills),
        frozen=trouble.frozen,
        twin=trouble.twin,
        full_s=trouble.full_s,
        away=trouble.away,
        feed=_feed(run_, trouble),
        ended=trouble.ended,
        cells_equal=all(each.equal for each in counts.values()),
        rejected_equal=rejected_equal(server, ran.database, rejected),
        scores_equal=pairs["scores"].equal,
        alerts=pairs["alerts"].rows,
        transitions=pairs["transitions"].rows,
        scores=pairs["scores"].rows,
        differences=unequal(counts) | unequal(pairs),
        seconds=round(seconds, 1),
    )


def _longest(kills: list[Kill]) -> float | None:
    """The 99th percentile; of fewer than a hundred the longest."""
    waits = [kill.recover_s for kill in kills if kill.recover_s is not None]
    return round(float(np.quantile(waits, 0.99, method="higher")), 2) if waits else None


def _of_journal(ran: Ran, cells: pa.Table) -> CellDiff:
    return diff(cells, of_journal(whole(ran.place, TOPIC_PARTITIONS["counts"])))


def _in_tables(server: ClickHouse, database: str) -> set[tuple[str, int]]:
    rows = server.query(f"SELECT DISTINCT alert_id, toUInt32(seq) FROM {database}.transitions")  # noqa: S608 - a name of this module's making
    return {(str(alert), int(str(seq))) for alert, seq in rows}


def _feed(run_: ChaosRun, trouble: Troubled) -> Feed:
    reader, told, away = run_.follower, run_.told, trouble.away
    feed = Feed(len(told), len(told.keys() - reader.got.keys()), reader.repeated, reader.resets, len(reader.breaks))
    if away is not None:
        waits = [reader.got[at] - said for at, said in told.items() if at in reader.got and away.since <= said <= away.until]
        feed.breaks_away = sum(away.since <= at <= away.until for at in reader.breaks)
        feed.waits_away_s = [round(float(each), 3) for each in np.quantile(waits, (0.5, 1.0))] if waits else None
    return feed
