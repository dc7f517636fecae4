"""``tocsin up --embedded``: one process that takes records in over HTTP or from files, and serves the feed.

It is crash-only: whatever fails for good ends the process, and the next start goes on from the journals.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import structlog
import typer

from sinks.base import Sink, SinkError
from sinks.metrics import Metrics
from streams.settings import City
from streams.shells.access import NO_USERS, invitation, open_access
from streams.shells.cockpit import build_app
from streams.shells.doors import Doors
from streams.shells.follow import Follower
from streams.shells.keys import load_token, token_file
from streams.shells.opening import Opened
from streams.shells.outputs import RunWriter
from streams.shells.receivers import Receivers, receivers_of
from streams.shells.retention import Retention, prune
from streams.shells.serve import Server

IDLE_WAIT_S = 0.05
BEHIND_MAX = 1_000
"""Journal records that may wait before followed files are left alone."""

log = structlog.get_logger()


class Options(NamedTuple):
    """What the command line asked for."""

    state: Path
    port: int
    follow: Sequence[tuple[str, Path]] = ()
    out: Path | None = None
    clickhouse: bool = True
    checkpoint_every_s: int = 120
    doors: Doors = Doors()
    deployment: Path | None = None


def run(city: City, options: Options) -> int:
    """Run until SIGTERM or SIGINT; 0 after a graceful stop, 1 after a failure."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    metrics = Metrics()
    metrics.config(city.name, city.config_version)
    with contextlib.ExitStack() as ending:
        receivers = Receivers(receivers_of(city, options.deployment), city, options.state, _now_s)
        ending.callback(receivers.stop)
        sinks = [*_sinks(city, options), *([receivers.sink] if receivers.sink else [])]
        opened = Opened(city, options.state, durability="full", now_s=_now_s(), sinks=sinks, metrics=metrics)
        ending.callback(opened.close)
        token = load_token(options.state)
        access = open_access(options.state, city.areas, options.doors)
        ending.callback(access.close)
        followers = [Follower(opened.engine.desk, opened.store, source, path, opened.key) for source, path in options.follow]
        app = build_app(opened, access, token=token, now_s=_now_s, deliveries=receivers.deliveries)
        server = Server(app, options.port, options.doors.host)
        log.info("up", url=server.url, city=city.name, configuration=city.config_version, token_file=str(token_file(options.state)))
        receivers.start(opened.feed, opened.store.newest("alerts"))
        if access.link:
            typer.echo(invitation(server.url, access, NO_USERS))
        try:
            status = _loop(opened, followers, stop, options)
        finally:
            server.stop()
        if status == 0:
            _settle(opened)
        log.info("down", status=status)
        return status


def _loop(opened: Opened, followers: Sequence[Follower], stop: threading.Event, options: Options) -> int:
    engine = opened.engine
    checkpoint_at = time.monotonic() + options.checkpoint_every_s
    looked_s, waiting = 0, False
    while not stop.is_set():
        now_s = _now_s()
        try:
            busy = False
            if engine.behind < BEHIND_MAX:
                busy = sum(follower.poll(now_s) for follower in followers) > 0
            if now_s != looked_s:  # the clock's part, once a second
                looked_s = now_s
                if engine.behind < BEHIND_MAX:  # what we put off ourselves is not idle
                    engine.desk.idle(now_s, unread={follower.source for follower in followers if not follower.at_end})
                engine.tick(now_s)
            busy |= engine.pump(now_s)
            if time.monotonic() >= checkpoint_at:
                engine.checkpoint(now_s)
                prune(opened.store, now_s, Retention())
                checkpoint_at = time.monotonic() + options.checkpoint_every_s
        except SinkError as error:
            log.error("sink_refused", reason=str(error), remedy="the journals keep everything: mend the sink and start again")
            return 1
        except Exception:
            log.error("engine_failed", exc_info=True, remedy="the journals keep everything: start again")
            return 1
        if engine.waiting != waiting:
            waiting = engine.waiting
            log.warning("sink_away" if waiting else "sink_back", behind=engine.behind)
        if not busy:
            stop.wait(IDLE_WAIT_S)
    return 0


def _settle(opened: Opened) -> None:
    """Before a graceful stop: pump what is there and keep a snapshot, so that the next start is quick."""
    with contextlib.suppress(SinkError):
        opened.engine.drain(_now_s())
        opened.engine.checkpoint(_now_s())


def _sinks(city: City, options: Options) -> list[Sink]:
    sinks: list[Sink] = []
    if options.clickhouse:
        from sinks.clickhouse.chdb_sink import ChdbSink  # noqa: PLC0415 - 300 MB that not everyone wants

        sinks.append(ChdbSink(options.state / "chdb", areas=city.areas, signals=city.signals, suppress_below=city.suppress_below))
    if options.out is not None:
        sinks.append(RunWriter(options.out, city, resume=True))
    return sinks


def _now_s() -> int:
    return int(time.time())
