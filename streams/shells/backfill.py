"""Learns from a city's history before it goes live, into a state folder that the embedded shell goes on with.

    history ─► engine in a folder beside ─► alerts of the past closed ─► report ─► the folder is moved into place, whole

What is killed on the way leaves the state folder as it was: the next run begins anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from sinks.base import Sink
from streams.core.areas import AreaTree
from streams.core.decide import Decide
from streams.core.explain import recurrence_words
from streams.core.lifecycle import minute_words
from streams.core.pipeline import Scorer
from streams.core.watch import Watch, Watched
from streams.model import DAY_S, Command
from streams.settings import City
from streams.shells.bar import bar
from streams.shells.engine import Engine, State
from streams.shells.errors import ShellError
from streams.shells.gather import Gathered
from streams.shells.history import History
from streams.shells.opening import Opened
from streams.shells.reading import Journals
from streams.shells.retention import Retention, prune
from streams.shells.store import DATABASE, FINISHED, Store
from streams.shells.summary import Told

REPORT = "backfill.json"
ACTOR = "backfill"
"""Who has resolved the alerts that were open when the history ended."""
LAST_DAYS = 30
SECRETS = ("key", "token")


class BackfillError(ShellError):
    """The state folder cannot be filled; the message says what is there and what to do."""


class Report(Struct, frozen=True):
    """What was learned. Alerts are steps that people would have been told of; ``alerts_per_day``: over the last ``judged_days``."""

    city: str
    configuration: str
    history: str  # digest
    first_s: int
    end_s: int
    days: float
    series: int
    series_ready: int
    threshold_s: float  # raise threshold: the recurrence interval of one series
    alerts: int
    judged_days: float  # of the last 30, those with history enough before them
    alerts_per_day: float
    closed_alerts: int
    counts: int  # records of the counts journal
    rejected: dict[str, int] = {}
    already: bool = False  # nothing was done: the folder holds this already


def backfill(city: City, folder: Path, history: History, *, tables: bool) -> Report:
    """Fill ``folder``, or find that it was filled with the same history and has taken in nothing since.

    Raises:
        BackfillError: the folder holds other data, or another process is filling it.
        StoreError, KeyFileError: the folder belongs to another release, or its key cannot be used.
    """
    done = _done(city, folder, history)
    if done is not None:
        return done
    building = folder.with_name(f".{folder.name}.backfill")
    report = _finished(building)
    if report is None or not _same(report, city, history):
        _prepare(building, folder)
        report = _build(city, building, history, tables=tables)
    _move(building, folder)
    return report


def words(report: Report, folder: Path, city: str) -> str:
    """The report for people; ``city`` as it was asked for."""
    lines = [
        f"{report.days:g} days to {minute_words(report.end_s)}: {report.series_ready} of {report.series} series have history enough",
        f"a series raises what chance alone brings {recurrence_words(report.threshold_s)}: {report.alerts_per_day:g} alerts a day"
        f" over the last {report.judged_days:g} days judged",
        f"{report.closed_alerts} alerts were open when the history ended, and are closed: resolved by {ACTOR}",
        *(f"rejected: {n} {reason}" for reason, n in sorted(report.rejected.items())),
        f"{folder} {'holds this history already' if report.already else 'is ready'}: tocsin up --embedded --city {city} --state {folder}",
    ]
    return "\n".join(lines)


def _done(city: City, folder: Path, history: History) -> Report | None:
    """The report of a folder that holds this history and nothing else; None where there is none yet."""
    if not (folder / DATABASE).exists():
        others = [path.name for path in folder.iterdir() if path.name not in (*SECRETS, "lock")] if folder.is_dir() else []
        if others:
            raise BackfillError(f"{folder}: holds {others[0]!r}, which is no part of a new state folder; give an empty one to --state")
        return None
    report = _finished(folder)
    journals = Journals(folder)
    try:
        counts = journals.counts()
    finally:
        journals.close()
    if report is None or not _same(report, city, history) or counts != report.counts:
        what = f"a history that ends at {report.end_s} and what came after" if report else "a run"
        raise BackfillError(f"{folder}: holds {what} already; history cannot be put before it: give an empty folder to --state")
    return structs.replace(report, already=True)


def _finished(folder: Path) -> Report | None:
    try:
        return msgspec.json.decode((folder / REPORT).read_bytes(), type=Report)
    except (OSError, msgspec.MsgspecError):
        return None


def _same(report: Report, city: City, history: History) -> bool:
    return (report.city, report.configuration, report.history) == (city.name, city.config_version, history.digest)


def _prepare(building: Path, folder: Path) -> None:
    """An empty folder beside; with the key and token that the state folder may have already."""
    if building.exists():
        with _owned(building):
            shutil.rmtree(building)
    building.mkdir(parents=True, mode=0o700)
    for name in SECRETS:
        if (folder / name).exists():
            shutil.copy2(folder / name, building / name)


@contextlib.contextmanager
def _owned(building: Path) -> Iterator[None]:
    """Nobody else is filling it."""
    descriptor = os.open(building / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise BackfillError(f"{building}: another process is filling it; wait for that one to end") from None
    finally:
        os.close(descriptor)


def _build(city: City, building: Path, history: History, *, tables: bool) -> Report:
    told = Told()
    sinks: list[Sink] = [told]
    if tables:
        from sinks.clickhouse.chdb_sink import ChdbSink  # noqa: PLC0415 - 300 MB that not everyone wants

        sinks.append(Gathered(ChdbSink(building / "chdb", areas=city.areas, signals=city.signals, suppress_below=city.suppress_below)))
    opened = Opened(city, building, durability="off", now_s=history.first_s, sinks=sinks)
    try:
        kept_s = history.first_s
        with bar("learning", history.end_s - history.first_s) as moved:
            for now_s in history.feed(opened.engine):
                moved(now_s - history.first_s)
                if now_s >= kept_s + DAY_S and opened.engine.checkpoint(now_s):
                    kept_s = now_s
                    prune(opened.store, now_s, Retention())
        closed = _close_alerts(opened.engine, opened.store, history.end_s)
        opened.engine.checkpoint(history.end_s)
        report = _report(city, opened, history, told, closed)
    finally:
        opened.close()
    os.sync()  # the journals were written without waiting for the disk
    (building / REPORT).write_bytes(msgspec.json.encode(report))
    return report


def _close_alerts(engine: Engine, store: Store, end_s: int) -> int:
    """Resolve what is open when the history ends, as a person would: it is no news, and comes back only if it gets ten times rarer or was calm."""
    open_now = [alert.id for alert in store.alerts_now() if alert.state not in FINISHED]
    commands = [Command(f"{ACTOR}-{alert}", end_s, ACTOR, "resolve", msgspec.json.encode({"alert": alert}).decode()) for alert in open_now]
    store.append_findings(commands, end_s)
    engine.drain(end_s)
    left = [alert.id for alert in store.alerts_now() if alert.state not in FINISHED]
    assert not left, f"alerts {left} stay open"
    return len(open_now)


def _report(city: City, opened: Opened, history: History, told: Told, closed: int) -> Report:
    snapshot = opened.store.newest_snapshot()
    assert snapshot is not None, "a history has at least one window"
    state = State.unpacked(snapshot.record)
    hosts: list[Watched] = []
    nothing = Watch((), (), moment_s=0, from_s=0, until_s=0)

    def host(city: City, names: tuple[str, ...], tree: AreaTree) -> Watched:
        hosts.append(Watched(city, names, tree, nothing))
        return hosts[-1]

    scorer = Scorer(city, host=host)
    scorer.restore(state.scorer)
    decide = Decide(city, scorer.shards)
    decide.restore(state.decide)
    days = (history.end_s - history.first_s) / DAY_S
    judged = max(0.0, min(LAST_DAYS, days - city.detection.history_s / DAY_S))
    last = sum(1 for step in told.steps if step.at_s > history.end_s - judged * DAY_S)
    return Report(
        city=city.name,
        configuration=city.config_version,
        history=history.digest,
        first_s=history.first_s,
        end_s=history.end_s,
        days=round(days, 2),
        series=len(city.areas) * len(city.signals),
        series_ready=sum(shards.ready() for shards in hosts),
        threshold_s=round(decide.threshold_s, 1),
        alerts=len(told.steps),
        judged_days=round(judged, 2),
        alerts_per_day=round(last / judged, 3) if judged else 0.0,
        closed_alerts=closed,
        counts=opened.store.newest("counts"),
        rejected=dict(sorted(opened.engine.meter.rejected().items())),
    )


def _move(building: Path, folder: Path) -> None:
    """Put the finished folder where the state is to be. What stood there was copied: a kill in between loses nothing."""
    if folder.is_dir():
        for name in (*SECRETS, "lock"):
            (folder / name).unlink(missing_ok=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    building.rename(folder)
