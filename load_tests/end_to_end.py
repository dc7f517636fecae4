"""Raw records through intake, assess, the sink and a ClickHouse server, and what comes out held against a second count of the records.

Scores and alerts must be those that the embedded engine makes of the same counts. With kills, they must be those of a second run over
the same records, in which every process is killed again and again.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
from msgspec import Struct

from load_tests import outcomes
from load_tests.cells import CellDiff, diff, of_clickhouse
from load_tests.harry import Kill
from load_tests.journals import embedded, said, whole
from load_tests.kafka_run import PASSWORD, TOPIC_PARTITIONS, Ran, Run
from load_tests.outcomes import Diff
from load_tests.raw_records import prepare
from load_tests.recount import CELLS, REJECTED
from load_tests.services.clickhouse import ClickHouse
from load_tests.services.kafka import Kafka
from streams.loading import load

Say = Callable[[str], None]


class RunReport(Struct):
    """One run: its cells against the second count, its dead letters, and how long it took."""

    cells: CellDiff
    rejected: int
    rejected_equal: bool
    alerts_raised_early: int
    produced_s: float
    counted_s: float
    done_s: float
    records_per_s: int


class Report(Struct):
    """What came of it all. ``lost`` and ``duplicated``: over all runs. ``against``: what scores and alerts were held against."""

    records: int
    by_source: dict[str, int]
    counted: int
    expected: int
    lost: int
    duplicated: int
    cells_equal: bool
    rejected_equal: bool
    alerts_equal: bool
    transitions_equal: bool
    scores_equal: bool
    against: str
    alerts: int
    transitions: int
    scores: int
    kills: dict[str, int]
    recover_s: dict[str, list[float]]
    runs: dict[str, RunReport]
    differences: dict[str, list[str]]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether nothing was lost, doubled or changed."""
        parts = (self.cells_equal, self.rejected_equal, self.alerts_equal, self.transitions_equal, self.scores_equal)
        return self.lost == self.duplicated == 0 and all(parts)


def run(folder: Path, *, records: int, kill: int, seed: int, say: Say) -> Report:
    """Everything: records, second count, one run or two, comparison."""
    began = time.monotonic()
    say(f"making {records} records")
    settings, by_source = prepare(folder, records, seed)
    window_s = load(settings).detection.window_s
    counting = subprocess.Popen([sys.executable, "-m", "load_tests.recount", str(folder)], cwd=Path(__file__).parents[1])
    ran: dict[str, Ran] = {}
    with Kafka(folder / "kafka") as kafka, ClickHouse(folder / "clickhouse", user="tocsin", password=PASSWORD) as clickhouse:
        for name, kills in (("calm", 0), *((("harried", kill),) if kill else ())):
            say(f"{name} run" + (f", {kills} kills of each process" if kills else ""))
            ran[name] = Run(folder, name, settings, (kafka, clickhouse), kill=kills, seed=seed).go()
        assert counting.wait() == 0, "the second count failed"
        say("comparing")
        cells, rejected = pq.read_table(folder / CELLS), pq.read_table(folder / REJECTED)
        runs = {name: _run_report(clickhouse, each, cells, rejected, records) for name, each in ran.items()}
        if kill:
            pairs = _pairs(clickhouse, ran["calm"].database, ran["harried"].database, window_s)
        else:
            pairs = against_embedded(settings, ran["calm"], folder / "embedded", window_s)
    last = list(runs.values())[-1]
    return Report(
        records=records,
        by_source=dict(by_source),
        counted=last.cells.counted,
        expected=last.cells.expected,
        lost=sum(each.cells.lost for each in runs.values()),
        duplicated=sum(each.cells.duplicated for each in runs.values()),
        cells_equal=all(each.cells.equal for each in runs.values()),
        rejected_equal=all(each.rejected_equal for each in runs.values()),
        alerts_equal=pairs["alerts"].equal,
        transitions_equal=pairs["transitions"].equal,
        scores_equal=pairs["scores"].equal,
        against="a run with kills" if kill else "the embedded engine",
        alerts=pairs["alerts"].rows,
        transitions=pairs["transitions"].rows,
        scores=pairs["scores"].rows,
        kills=by_role([kill for each in ran.values() for kill in each.kills]),
        recover_s=recoveries([kill for each in ran.values() for kill in each.kills]),
        runs=runs,
        differences=unequal(pairs),
        seconds=round(time.monotonic() - began, 1),
    )


def _run_report(server: ClickHouse, ran: Ran, cells: pa.Table, rejected: pa.Table, records: int) -> RunReport:
    return RunReport(
        cells=diff(cells, of_clickhouse(server, ran.database)),
        rejected=len(rejected),
        rejected_equal=rejected_equal(server, ran.database, rejected),
        alerts_raised_early=outcomes.early(server, ran.database),
        produced_s=round(ran.seconds.produced, 1),
        counted_s=round(ran.seconds.counted, 1),
        done_s=round(ran.seconds.done, 1),
        records_per_s=round(records / ran.seconds.done),
    )


def rejected_equal(server: ClickHouse, database: str, rejected: pa.Table) -> bool:
    """Whether the dead letters are those of the second count."""
    columns = (rejected[name].to_pylist() for name in ("topic", "partition", "offset", "reason"))
    expected = {(f"{topic}/{partition}", offset, reason) for topic, partition, offset, reason in zip(*columns, strict=True)}
    return outcomes.rejected(server, database) == expected


def unequal(pairs: Mapping[str, Diff] | Mapping[str, CellDiff]) -> dict[str, list[str]]:
    """Examples of what differs, by name."""
    return {name: each.examples for name, each in pairs.items() if not each.equal}


def _pairs(server: ClickHouse, first: str, second: str, window_s: int) -> dict[str, Diff]:
    return {
        "alerts": outcomes.alerts(server, first, second, window_s),
        "transitions": outcomes.transitions(server, first, second, window_s),
        "scores": outcomes.scores(server, first, second),
    }


def against_embedded(settings: Path, ran: Ran, folder: Path, window_s: int) -> dict[str, Diff]:
    """What stands in the topics, and what the embedded engine makes of the same counts."""
    partitions = TOPIC_PARTITIONS["counts"]
    there, here = said(ran.place, partitions), embedded(settings, whole(ran.place, partitions), folder)
    return {
        "alerts": outcomes.diff(there.states(window_s), here.states(window_s)),
        "transitions": outcomes.diff(there.closed(window_s), here.closed(window_s)),
        "scores": outcomes.diff(*({key: tuple(each) for key, each in outputs.scores.items()} for outputs in (there, here))),
    }


def by_role(kills: list[Kill]) -> dict[str, int]:
    """How often each was killed."""
    return {role: sum(kill.role == role for kill in kills) for role in sorted({kill.role for kill in kills})}


def recoveries(kills: list[Kill]) -> dict[str, list[float]]:
    """By role: median and longest."""
    found = {role: [kill.recover_s for kill in kills if kill.role == role and kill.recover_s is not None] for role in by_role(kills)}
    return {role: [statistics.median(each), max(each)] for role, each in found.items() if each}
