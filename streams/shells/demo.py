"""``tocsin demo``: plays a stretch of a city's life through the whole pipeline, says each alert in a line, and what was caught."""

from __future__ import annotations

import contextlib
import gc
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import ClassVar, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import orjson
from rich.console import Console
from rich.markup import escape

from sinks.base import Batch, Sink
from streams.core.areas import AreaTree
from streams.core.explain import recurrence_words
from streams.model import Area, Transition
from streams.settings import City
from streams.shells.access import Access, demo_access, invitation
from streams.shells.bar import bar
from streams.shells.cockpit import build_app
from streams.shells.gather import Gathered
from streams.shells.keys import load_token
from streams.shells.opening import Opened
from streams.shells.outputs import RunWriter
from streams.shells.play import Pace, play
from streams.shells.records import RecordsError, Stretch, demo_stretch
from streams.shells.serve import ServeError, Server
from streams.shells.summary import Caught, Played, Summary, Told, summarise

PORT = 8311
GARBAGE_THRESHOLD = 100_000
"""Objects between two looks for cycles: a play makes millions of objects and hardly a cycle, and the usual 700 cost it a tenth of its time."""
COLOURS = {"red": "bold red", "orange": "dark_orange", "yellow": "yellow", "blue": "cyan"}


class Options(NamedTuple):
    """What the command line asked for. ``speed``: times real time, 0 as fast as possible, None: so that all takes ``duration_s``."""

    once: bool = False
    json: bool = False
    speed: float | None = None
    duration_s: float = 60.0
    port: int | None = None
    days: float | None = None
    seed: int = 1
    serve: bool = True
    state: Path | None = None
    out: Path | None = None


class Lines:
    """A sink that says each notifying transition in one line."""

    name: ClassVar[str] = "lines"

    def __init__(self, city: City, console: Console) -> None:
        self._zone = ZoneInfo(city.timezone)
        self._tree = AreaTree(city.areas)
        self._titles = {signal.name: signal.title for signal in city.signals}
        self._console = console

    def write(self, batch: Batch) -> None:
        for _, step in batch.transitions:
            if step.notify:
                self._console.print(self.line(step), soft_wrap=True, highlight=False)

    def close(self) -> None:
        """Nothing to close."""

    def line(self, step: Transition) -> str:
        """Local time, band, place, signals, why, and how rarely chance alone does this."""
        at = datetime.fromtimestamp(step.at_s, self._zone).strftime("%Y-%m-%d %H:%M")
        band = f"[{COLOURS.get(step.band, 'default')}]{step.band:<6}[/]"
        titles = [self._titles.get(name, name) for name in step.signals]
        others = [title for title in titles if not step.why.startswith(f"{title}, ")]  # the sentence names its own signal
        also = f" Also: {', '.join(others)}." if others else ""
        chance = "" if "by chance" in step.why else f" By chance {recurrence_words(step.recurrence_s)}."
        reason = "" if step.reason == "raised" else f" ({step.reason.replace('_', ' ')})"
        return f"{at}  {band}  {escape(self._tree.path_name(step.area))}  {escape(step.why + chance + also)}{reason}"


def run(city: City, options: Options) -> int:
    """Play, report, and go on serving until interrupted unless asked not to.

    Raises:
        RecordsError: nothing to play.
        StoreError, ServeError, KeyFileError: folder, port or key cannot be used.
    """
    gc.set_threshold(GARBAGE_THRESHOLD)
    stretch = demo_stretch(city, days=options.days, seed=options.seed)
    console = Console(stderr=options.json)
    told = Told()
    with ExitStack() as stack:
        folder = options.state or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tocsin-demo-")))
        sinks: list[Sink] = [told]
        if not options.json:
            sinks.append(Lines(city, console))
        if options.out is not None:
            sinks.append(RunWriter(options.out, city))
        tables = _tables(city, folder)
        opened = Opened(city, folder, durability="off", now_s=stretch.first_s, sinks=[*sinks, tables])
        stack.callback(opened.close)
        if opened.store.newest("counts") > 1:
            raise RecordsError(f"{folder}: holds a run already; give an empty folder to --state")
        access = demo_access(folder, city.areas)
        stack.callback(access.audit.close)
        server = _serve(opened, access, folder, stretch, options)
        if server is not None:
            stack.callback(server.stop)
            console.print(invitation(server.url, access, f"{city.title}: the feed is at {server.url}"), soft_wrap=True, highlight=False)
        summary = _play(city, opened, stretch, options, told, console)
        tables.flush()
        if options.state is not None:
            opened.engine.checkpoint(stretch.end_s)
        _report(city, summary, options, console)
        if server is not None and not options.once:
            console.print(f"Still serving {server.url}; Ctrl-C ends it.", soft_wrap=True, highlight=False)
            with contextlib.suppress(KeyboardInterrupt):
                Event().wait()
    return 0


def _tables(city: City, folder: Path) -> Gathered:
    """The ClickHouse tables, embedded."""
    from sinks.clickhouse.chdb_sink import ChdbSink  # noqa: PLC0415 - a large library that --help need not load

    return Gathered(ChdbSink(folder / "chdb", areas=city.areas, signals=city.signals, suppress_below=city.suppress_below))


def _serve(opened: Opened, access: Access, folder: Path, stretch: Stretch, options: Options) -> Server | None:
    """The feed's server; without a port asked for, a free one when the usual one is taken."""
    if not options.serve or (options.once and options.json):
        return None
    app = build_app(opened, access, token=load_token(folder), now_s=lambda: stretch.end_s, ingest=False)
    if options.port is not None:
        return Server(app, options.port)
    try:
        return Server(app, PORT)
    except ServeError:
        return Server(app, 0)


def _play(city: City, opened: Opened, stretch: Stretch, options: Options, told: Told, console: Console) -> Summary:
    started = time.monotonic()
    pace = _pace(stretch, options)
    fed = 0
    with bar("playing", stretch.end_s - stretch.first_s, console) as moved:
        for step in play(opened.engine, stretch.records, stretch.first_s, stretch.end_s):
            fed = step.fed
            moved(step.now_s - stretch.first_s)
            if pace is not None and (wait_s := pace.wait_s(step.now_s)) > 0:
                Event().wait(wait_s)
    meter = opened.engine.meter
    played = Played(
        fed, stretch.first_s, stretch.end_s, meter.duplicate.total(), meter.late.total(), meter.rejected(), time.monotonic() - started
    )
    return summarise(city, played, told, stretch.expected)


def _pace(stretch: Stretch, options: Options) -> Pace | None:
    speed = options.speed
    if speed is None and options.once and options.json:
        speed = 0.0
    if speed == 0.0:
        return None
    if speed is not None:
        return Pace(stretch.first_s, stretch.end_s, (stretch.end_s - stretch.first_s) / speed, (), time.monotonic)
    storms = [(event.start_s, event.end_s) for event in stretch.expected]
    return Pace(stretch.first_s, stretch.end_s, options.duration_s, storms, time.monotonic)


def _report(city: City, summary: Summary, options: Options, console: Console) -> None:
    if options.json:
        Console().out(orjson.dumps(msgspec.to_builtins(summary)).decode(), highlight=False)
        return
    for line in report_lines(summary, city.areas):
        console.print(escape(line), soft_wrap=True, highlight=False)


def _news(hit: Caught) -> str:
    if hit.delay_news_h is None:
        return ": reminders of what was open before, no news"
    return "" if hit.delay_news_h == hit.delay_h else f": a reminder of what was open before; news after {hit.delay_news_h:g} h"


def report_lines(summary: Summary, areas: Sequence[Area] = ()) -> Sequence[str]:
    """The summary in words; codes of ``areas`` become names."""
    names = {area.code: area.name for area in areas}
    lines = [
        f"{summary.events} records of {summary.days:g} days in {summary.seconds:g} s: {summary.alerts} alerts in {summary.incidents} incidents, "
        f"{summary.alerts_per_day:g} a day over the {summary.days_judged:g} days after the start ({summary.cold_start_alerts} before that).",
    ]
    lines += [
        f"caught {hit.event} {hit.delay_h:g} h after its start, in {names.get(hit.area, hit.area)}{_news(hit)}" for hit in summary.caught
    ]
    lines += [f"missed {event}" for event in summary.missed]
    if summary.rejected:
        lines.append("not counted: " + ", ".join(f"{n} {reason}" for reason, n in summary.rejected.items()))
    return lines
