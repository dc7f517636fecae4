"""``tocsin bench``: speed as ratios to a peer measured in the same run, never as a bare number to believe.

tocsin bench all --write docs   all of them but accuracy, and docs/performance.md
tocsin bench scale --json       cost as series, areas and processes grow
tocsin bench assess --json      series-windows a second of the counts bank, of the same tail asked for one series at a time, and of river
tocsin bench fuzz --json        records bent out of shape, through intake: none stops it, each is accounted for
tocsin bench simulate --json    the whole pipeline over a model of the log, under faults drawn from seeds: a failing one replays exactly
tocsin bench fanout --json      how soon an alert reaches a thousand readers of the feed, some of them stuck
tocsin bench attention --json   how many things people must look at, against a plain threshold; a shift at four levels
tocsin bench cockpit --json     the cockpit's page in a browser: first view, frames and memory while alerts come, and how soon one is seen
tocsin bench accuracy --json    outbreaks found at a fixed rate of false alarms, and by detectors of others

And what the Kafka shell does on a real broker and a real ClickHouse server, which the bench starts:

tocsin bench intake --json      records a second through intake, through a bare consumer, Faust and Quix Streams
tocsin bench end-to-end --json  nothing lost, doubled or changed, whatever is killed
tocsin bench chaos --json       nothing lost, doubled or wrong, and all goes on soon, whatever is killed, stopped, doubled or out of disk
tocsin bench loop --json        commands of a person, each applied once, in order and shown, whatever is killed
tocsin bench outage --json      nothing lost, no restart loop, while the broker and ClickHouse are away
tocsin bench latency --json     from a record that crosses an alarm count to its alert at a reader of the cockpit
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, NoReturn, Protocol

import msgspec
import numpy as np
import orjson
import typer
from river import anomaly
from scipy import stats

from detectors.base import Observed, Setup, Window
from detectors.counts import Counts
from streams.model import DAY_S, HOUR_S, Signal

DURATIONS = (1, 3, 12, 24, 72)
PEER_SERIES = 200
RIVER_ITEMS = 5_000


class Judged(Protocol):
    """A report that says whether all was well."""

    @property
    def ok(self) -> bool: ...


app = typer.Typer(help="Measure speed against a peer in the same run.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Report as JSON.")]


@app.command(epilog="Example: tocsin bench intake --records 1000000 --json")
def intake(
    json: Json = False,
    records: Annotated[int, typer.Option(min=200_000, max=20_000_000, help="Raw records of a hotline in one partition.")] = 1_000_000,
    seed: Annotated[int, typer.Option(help="Of the records.")] = 1,
) -> None:
    """Records a second of CPU time through intake on a real broker; beside the bare consumer, Faust record by record, and Quix Streams."""
    from load_tests.intake_bench import run

    with TemporaryDirectory(prefix="tocsin-bench-", ignore_cleanup_errors=True) as folder:
        _report(json, **msgspec.to_builtins(run(Path(folder), records=records, seed=seed, say=_say)))


@app.command(epilog="Example: tocsin bench assess --series 10000 --json")
def assess(
    json: Json = False,
    series: Annotated[int, typer.Option(min=1, max=1_000_000, help="Series in the bank.")] = 100_000,
    windows: Annotated[int, typer.Option(min=24, max=100_000, help="Hours to score and learn.")] = 48,
) -> None:
    """Series-windows a second of the counts bank, every series scored at every window; beside one series at a time, and river's items a second."""
    rng = np.random.default_rng(1)
    rates = rng.gamma(0.5, 2.0, series)
    counts = [rng.poisson(rates).astype(float) for _ in range(min(windows, 48))]
    bank = Counts(Setup((Signal("x", "X", "fire"),), np.zeros(series, int), np.ones(series, int), HOUR_S, DURATIONS, {}))
    present = np.ones(series, bool)

    def run() -> None:
        for i in range(windows):
            n = counts[i % len(counts)]
            window = Window(i, i * HOUR_S, i % 24, i // 24 % 7, i * HOUR_S / (365 * DAY_S))
            observed = Observed(n, n, n, n, present)
            bank.learn(window, observed, bank.score(window, observed).p.min(axis=1))

    scored = series * windows * len(DURATIONS)
    bank_rate = scored / _seconds(run)
    peer_rate = PEER_SERIES * len(DURATIONS) / _seconds(lambda: _one_by_one(rates[:PEER_SERIES]))
    size = sum(array.nbytes for array in bank.snapshot().values()) / series
    _report(
        json,
        series=series,
        durations=len(DURATIONS),
        series_windows_per_s=round(bank_rate),
        one_by_one_per_s=round(peer_rate),
        ratio=round(bank_rate / peer_rate, 1),
        bytes_per_series=round(size),
        river_per_s=_river(np.concatenate([n[:RIVER_ITEMS] for n in counts])[:RIVER_ITEMS].tolist()),
    )


@app.command(name="accuracy", epilog="Example: tocsin bench accuracy --series 100 --json")
def accuracy_bench(
    json: Json = False,
    series: Annotated[int, typer.Option(min=2, max=1_000, help="Simulated series of each of the 28 scenarios.")] = 100,
    seed: Annotated[int, typer.Option(help="Of the simulation and of the outbreaks put into real counts.")] = 1,
    data: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Folder with more real counts: Chicago, Melbourne.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Folder to write accuracy.md and its pictures to.")
    ] = None,
) -> None:
    """How many outbreaks are found, how soon, and how often a false alert is raised; beside detectors of others on the same counts."""
    from load_tests import accuracy

    report = accuracy.run(series=series, seed=seed, data=data, say=_say)
    if write is not None:
        try:
            accuracy.write(report, write, _say)
        except ModuleNotFoundError as error:
            sys.stderr.write(f"{error.name} is not installed: the page was written without pictures; pip install matplotlib\n")
    sys.stdout.write(orjson.dumps(report, option=0 if json else orjson.OPT_INDENT_2).decode() + "\n")


@app.command(epilog="Example: tocsin bench fuzz --records 1000000 --json")
def fuzz(
    json: Json = False,
    records: Annotated[int, typer.Option(min=1, max=100_000_000, help="Records of the simulated Hangzhou, most of them bent.")] = 1_000_000,
    seed: Annotated[int, typer.Option(help="Of how they are bent.")] = 1,
) -> None:
    """Records bent out of shape, through intake: none stops it, each is accounted for; status 1: one was not."""
    from load_tests.fuzz import run

    _finish(run(records, seed), json=json)


@app.command(epilog="Example: tocsin bench simulate --seeds 5000 --json; a failing seed again: tocsin bench simulate --seed 4711 --json")
def simulate(
    json: Json = False,
    seeds: Annotated[int, typer.Option(min=1, max=10_000_000, help="How many, each a run of the whole pipeline under faults.")] = 1_000,
    first: Annotated[int, typer.Option(min=0, help="The first of them.")] = 0,
    seed: Annotated[int | None, typer.Option(min=0, help="Only this one, with the digest of its trace.")] = None,
    plant: Annotated[str, typer.Option(help="With --seed: a bug that is planted in the run.")] = "",
    planted: Annotated[bool, typer.Option(help="Then look how soon each planted bug is found.")] = True,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Processes that share the seeds.")] = 1,
) -> None:
    """The whole pipeline over a model of the log, while processes are killed, stand still and start twice; status 1: an invariant does not hold."""
    from load_tests.simulation.planted import PLANTED
    from load_tests.simulation.seeds import many, one

    if plant and (plant not in PLANTED or seed is None):
        raise typer.BadParameter(f"{plant!r} goes with --seed, and is one of {', '.join(PLANTED)}")
    if seed is not None:
        _finish(one(seed, plant), json=json)
    _finish(many(first, seeds, planted=PLANTED if planted else (), jobs=jobs, say=_say), json=json)


@app.command(epilog="Example: tocsin bench fanout --readers 1000 --stuck 10 --json")
def fanout(
    json: Json = False,
    readers: Annotated[int, typer.Option(min=2, max=1_000, help="Open streams, the stuck ones among them.")] = 1_000,
    stuck: Annotated[int, typer.Option(min=0, max=100, help="Readers that have stopped reading.")] = 10,
    events: Annotated[int, typer.Option(min=1, max=10_000, help="Alerts, four a second.")] = 400,
) -> None:
    """How soon an alert reaches a thousand readers of the feed, some of them stuck; status 1: one had not all, or waited a second."""
    from load_tests.fanout import run

    if stuck >= readers:
        raise typer.BadParameter(f"{stuck} of {readers} leaves nobody who reads; give fewer to --stuck")
    _finish(run(readers=readers, stuck=stuck, events=events), json=json)


@app.command(epilog="Example: tocsin bench attention --json")
def attention(
    json: Json = False, seed: Annotated[int, typer.Option(help="Of what people do in the shift, and of the weeks it lies in.")] = 1
) -> None:
    """Things to look at in Boston's year against a plain threshold, and escalation over the levels of Hangzhou; status 1: too many, or wrong."""
    from load_tests import attention as bench

    _finish(bench.run(seed), json=json)


@app.command(epilog="Example: tocsin bench cockpit --rate 200 --seconds 60 --json")
def cockpit(
    json: Json = False,
    rate: Annotated[int, typer.Option(min=1, max=6_000, help="Alerts a minute.")] = 200,
    seconds: Annotated[float, typer.Option(min=1, max=3_600, help="How long they come.")] = 60.0,
) -> None:
    """The cockpit's page in Chromium, driven by Playwright; status 1: it comes late, moves in jerks, or grows."""
    from load_tests.cockpit_bench import run

    try:
        report = run(rate=rate, seconds=seconds, say=_say)
    except (ModuleNotFoundError, FileNotFoundError) as error:
        sys.stderr.write(
            f"tocsin bench cockpit needs Chromium and Playwright: apt-get install chromium, pip install playwright ({error})\n"
        )
        raise typer.Exit(2) from None
    _finish(report, json=json)


@app.command(name="end-to-end", epilog="Example: tocsin bench end-to-end --records 1000000 --kill 3 --json")
def end_to_end(
    json: Json = False,
    records: Annotated[int, typer.Option(min=1_000, max=20_000_000, help="Raw records of the simulated Hangzhou.")] = 1_000_000,
    kill: Annotated[int, typer.Option(min=0, max=100, help="A second run, in which every process is killed so many times.")] = 0,
    seed: Annotated[int, typer.Option(help="Of records and of the moments of the kills.")] = 1,
    keep: Annotated[Path | None, typer.Option(help="Keep records, journals, tables and logs here.")] = None,
) -> None:
    """Raw records through all processes of the Kafka shell, against a second count of them; status 1: something differs."""
    from load_tests.end_to_end import run

    with TemporaryDirectory(prefix="tocsin-bench-", ignore_cleanup_errors=True) as folder:
        _finish(run(keep or Path(folder), records=records, kill=kill, seed=seed, say=_say), json=json)


@app.command(epilog="Example: tocsin bench chaos --kills 100 --json")
def chaos(
    json: Json = False,
    kills: Annotated[int, typer.Option(min=0, max=1_000, help="kill -9 over all roles, broker and ClickHouse among them.")] = 100,
    away: Annotated[float, typer.Option(min=0, max=3_600, help="Seconds that ClickHouse is away, under load.")] = 0.0,
    more: Annotated[bool, typer.Option(help="Stop each for longer than its session, two intakes under one name, full disks.")] = True,
    rate: Annotated[float, typer.Option(min=10, max=20_000, help="Raw records a second, all the while.")] = 300.0,
    seed: Annotated[int, typer.Option(help="Of records and of the moments of the kills.")] = 1,
    keep: Annotated[Path | None, typer.Option(help="Keep records, journals, tables and logs here.")] = None,
) -> None:
    """All processes and services killed, stopped, doubled and out of disk under load; status 1: something was lost, doubled, wrong or late."""
    from load_tests.chaos import FROZEN, run
    from load_tests.chaos_run import Plan

    plan = Plan(kills, FROZEN if more else (), more, more, away, rate)
    with TemporaryDirectory(prefix="tocsin-bench-", ignore_cleanup_errors=True) as folder:
        _finish(run(keep or Path(folder), plan, seed=seed, say=_say), json=json)


@app.command(epilog="Example: tocsin bench loop --commands 1000 --kills 30 --json")
def loop(
    json: Json = False,
    commands: Annotated[int, typer.Option(min=1, max=99_999, help="Of one person, one after the other.")] = 1_000,
    kills: Annotated[int, typer.Option(min=0, max=1_000, help="kill -9 over all roles meanwhile.")] = 30,
    seed: Annotated[int, typer.Option(help="Of records and of the moments of the kills.")] = 1,
    keep: Annotated[Path | None, typer.Option(help="Keep topics, tables and logs here.")] = None,
) -> None:
    """Commands of a person while everything dies; status 1: one was lost, applied twice or out of order, or not shown once."""
    from load_tests.loop import run

    with TemporaryDirectory(prefix="tocsin-bench-", ignore_cleanup_errors=True) as folder:
        _finish(run(keep or Path(folder), commands=commands, kills=kills, seed=seed), json=json)


@app.command(epilog="Example: tocsin bench outage --seconds 300 --json")
def outage(
    json: Json = False,
    seconds: Annotated[float, typer.Option(min=1, max=3_600, help="How long the broker, and then ClickHouse, is away.")] = 300.0,
    records: Annotated[int, typer.Option(min=3_000, max=1_000_000, help="Raw records of a made-up town.")] = 12_000,
    seed: Annotated[int, typer.Option(help="Of the records.")] = 1,
    keep: Annotated[Path | None, typer.Option(help="Keep journals, tables and logs here.")] = None,
) -> None:
    """All processes while the broker and ClickHouse are away, at the start and in between; status 1: something was lost or kept ending."""
    from load_tests.outage import run

    with TemporaryDirectory(prefix="tocsin-bench-", ignore_cleanup_errors=True) as folder:
        _finish(run(keep or Path(folder), away_s=seconds, records=records, seed=seed, say=_say), json=json)


@app.command(epilog="Example: tocsin bench latency --rate 2000 --seconds 60 --json")
def latency(
    json: Json = False,
    rate: Annotated[int, typer.Option(min=10, max=50_000, help="Ordinary records a second.")] = 2_000,
    seconds: Annotated[float, typer.Option(min=5.0, max=3_600.0, help="How long they are sent.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Of records and of the moments of the bursts.")] = 1,
    keep: Annotated[Path | None, typer.Option(help="Keep topics and logs here.")] = None,
) -> None:
    """How long it takes from a record that crosses an alarm count to its alert at a reader of the cockpit, under traffic."""
    from load_tests.latency import run

    with TemporaryDirectory(prefix="tocsin-bench-", ignore_cleanup_errors=True) as folder:
        found = run(keep or Path(folder), rate=rate, seconds=seconds, seed=seed)
    _report(json, **msgspec.to_builtins(found))


@app.command(epilog="Example: tocsin bench scale --records 1000000 --json")
def scale(
    json: Json = False,
    records: Annotated[int, typer.Option(min=100_000, max=20_000_000, help="Raw records for each number of processes.")] = 1_000_000,
    series: Annotated[int, typer.Option(min=1_000, max=1_000_000, help="At most so many.")] = 1_000_000,
) -> None:
    """CPU time a changed cell as series grow, a record as areas and processes grow; what idle series cost."""
    from load_tests.scale import run

    with TemporaryDirectory(prefix="tocsin-bench-", ignore_cleanup_errors=True) as folder:
        _report(json, **msgspec.to_builtins(run(Path(folder), records=records, largest=series, say=_say)))


@app.command(name="all", epilog="Example: tocsin bench all --only intake --only scale --write docs")
def every(
    json: Json = False,
    only: Annotated[list[str] | None, typer.Option(help="Run this one; the figures of the others stay as they are.")] = None,
    write: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Folder of performance.json, performance.md and its pictures.")
    ] = None,
) -> None:
    """Every benchmark of speed and of faults, about an hour and a half; and the page of performance made of them."""
    from load_tests import every_bench

    def keep(report: Mapping[str, Any]) -> None:
        if write is not None:
            try:
                every_bench.write(report, write)
            except ModuleNotFoundError as error:
                sys.stderr.write(f"{error.name} is not installed: the page was written without pictures; pip install matplotlib\n")

    try:
        report = every_bench.run(only or (), every_bench.read(write), _say, keep)
    except KeyError as error:
        raise typer.BadParameter(str(error.args[0]), param_hint="--only") from None
    sys.stdout.write(orjson.dumps(report, option=0 if json else orjson.OPT_INDENT_2).decode() + "\n")
    raise typer.Exit(1 if every_bench.failed(report) else 0)


def _finish(report: Judged, *, json: bool) -> NoReturn:
    """Print a report; the exit status says whether all was well."""
    row = {**msgspec.to_builtins(report), "ok": report.ok}
    sys.stdout.write(orjson.dumps(row).decode() + "\n" if json else "".join(f"{name}: {value}\n" for name, value in row.items()))
    raise typer.Exit(0 if report.ok else 1)


def _one_by_one(rates: np.ndarray[Any, Any]) -> None:
    for rate in rates.tolist():
        for duration in DURATIONS:
            stats.nbinom.sf(3, rate * duration / 0.5, 1 / 1.5)


def _river(counts: list[float]) -> dict[str, int]:
    """Items a second of river's detectors, each scored and learned, by name; those of vectors get one feature within [0, 1]."""
    gaussian, trees = anomaly.GaussianScorer(), anomaly.HalfSpaceTrees(seed=1)
    vectors = [{"n": n / (n + 1.0)} for n in counts]

    def through_gaussian() -> None:
        for n in counts:
            gaussian.score_one(None, n)
            gaussian.learn_one(None, n)

    def through_trees() -> None:
        for vector in vectors:
            trees.score_one(vector)
            trees.learn_one(vector)

    runs = {"GaussianScorer": through_gaussian, "HalfSpaceTrees": through_trees}
    return {name: round(len(counts) / _seconds(run)) for name, run in runs.items()}


def _seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this process, so that others on the machine count for little."""
    started = time.process_time()
    work()
    return time.process_time() - started


def _say(text: str) -> None:
    """Progress, for who looks at a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"{text} ...\n")


def _report(json: bool, **figures: object) -> None:
    text = orjson.dumps(figures).decode() if json else "\n".join(f"{name}: {value}" for name, value in figures.items())
    sys.stdout.write(text + "\n")
