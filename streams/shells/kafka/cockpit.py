"""``tocsin cockpit`` serves the page, the API and the feed from the alerts topic; commands of people go into the findings topic.

One thread reads the topic into the feed, the web server has its own. It keeps nothing: every start reads the topic whole, and
every cockpit of a city tells the same events under the same ids.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from pathlib import Path
from typing import NamedTuple

import structlog
import typer
from fastapi import FastAPI

from sinks.archive import Archive
from sinks.base import Batch, SinkError
from sinks.clickhouse.archive import TablesArchive
from sinks.clickhouse.server_reader import ServerReader
from sinks.cockpit.feed import Feed
from sinks.cockpit.views import View
from sinks.metrics import Metrics
from streams.settings import City
from streams.shells.access import NO_USERS, Access, invitation, open_access, users_file
from streams.shells.cockpit import cockpit_app, measure_feed, take_commands
from streams.shells.doors import Doors
from streams.shells.errors import ShellError
from streams.shells.kafka.alerts_topic import AlertsTopic
from streams.shells.kafka.clients import clickhouse_driver, wait_for_broker
from streams.shells.kafka.commands import CommandsTopic
from streams.shells.kafka.layout import check_city, read_layout
from streams.shells.kafka.settings import Deployment
from streams.shells.keys import key_id, load_key
from streams.shells.meter import Meter
from streams.shells.outward import Behind, add_outward
from streams.shells.receivers import Receivers, ReceiversFile, receivers_of
from streams.shells.serve import Server, check_host
from streams.shells.words import beside

log = structlog.get_logger()

AHEAD_S = 5.0
"""How long a reader is waited for whom another cockpit has told more than this one has read yet."""
BEHIND_MAX = 10_000
"""Records that may wait before the process calls itself not ready."""


class CockpitError(ShellError):
    """The cockpit cannot go on; the message says what to do."""

    status = 1


class Options(NamedTuple):
    """What the command line said."""

    state: Path
    port: int
    doors: Doors = Doors()
    deployment: Path | None = None


class Cockpit:
    """The parts of one process."""

    def __init__(self, city: City, topic: AlertsTopic, metrics: Metrics, access: Access, receivers: ReceiversFile, folder: Path) -> None:
        self.city, self.topic, self.metrics, self.access = city, topic, metrics, access
        self.meter = Meter(metrics)
        view = View(city.areas, city.signals, suppress_below=city.suppress_below, beside=beside(city))
        self.feed = Feed(view, history=topic.history, ahead_s=AHEAD_S)
        self.feed.follow(topic.first - 1)
        self.receivers = Receivers(receivers, city, folder, _now_s)

    def app(self, submit: CommandsTopic, tables: Archive) -> FastAPI:
        """The web application."""
        app = cockpit_app(self.city, self.feed, self.health, self.exposition, self.access, _now_s)
        add_outward(app, self.city, self.feed, _now_s, Behind(tables, self.topic.history, self.receivers.deliveries))
        take_commands(app, self.feed, submit)
        return app

    def step(self) -> None:
        """Read for a moment, and show what came.

        Raises:
            AlertsTopicError: the topic cannot be followed any further.
            CockpitError: the feed refused what it says.
        """
        began = time.monotonic()
        batch = self.topic.read()
        if batch.alerts or batch.transitions or batch.outcomes:
            try:
                self.feed.write(batch)
            except SinkError as error:
                raise CockpitError(
                    f"the feed refuses the records before offset {self.topic.position} of the alerts topic: {error}"
                ) from None
            self.meter.sink_write(self.feed.name, time.monotonic() - began, batch)
            self._tell(batch)
        if self.topic.caught_up and not self.feed.loaded:
            self.feed.caught_up()
            self.receivers.start(self.feed, self.topic.position - 1)
            log.info("loaded", position=self.topic.position, open_alerts=self.feed.stats().open_alerts)

    def _tell(self, batch: Batch) -> None:
        """Into the outbox of webhooks."""
        if self.receivers.sink is None:
            return
        try:
            self.receivers.sink.write(batch)
        except SinkError as error:
            raise CockpitError(f"{error}; make room for it and start again: the topic keeps what it had not taken") from None

    def health(self) -> dict[str, bool | int]:
        """What must be true before people can rely on what they see."""
        topic = self.topic
        return {"log": topic.answers, "caught_up": topic.caught_up and topic.behind < BEHIND_MAX, "behind": topic.behind}

    def exposition(self) -> bytes:
        """Gauges are brought up to date when they are asked for."""
        self.metrics.behind(self.topic.behind)
        measure_feed(self.feed, self.metrics, self.meter)
        self.access.measure(self.metrics, self.meter)
        self.metrics.deliveries(self.receivers.deliveries.counts())
        return self.metrics.text()


def run(city: City, deployment: Deployment, options: Options) -> int:
    """Until SIGTERM or SIGINT.

    Raises:
        ServeError: host or port cannot be used.
        AccessError: the users file or the audit cannot be used.
        LayoutError: the topics are not those of this city.
        AlertsTopicError: the topic cannot be followed.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    host = check_host(options.doors.host, users_file(options.state, options.doors.users))
    if not wait_for_broker(deployment.kafka, stop):
        return 0
    options.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    check_city(read_layout(deployment.kafka), city, key_id(load_key(options.state)))
    metrics = Metrics()
    metrics.config(city.name, city.config_version)
    receivers = receivers_of(city, options.deployment)
    access = open_access(options.state, city.areas, options.doors)
    reader = ServerReader(clickhouse_driver(deployment.clickhouse), database=deployment.clickhouse.file.database)
    with contextlib.closing(access), contextlib.closing(reader), AlertsTopic(deployment.kafka) as topic:
        cockpit = Cockpit(city, topic, metrics, access, receivers, options.state)
        submit = CommandsTopic(deployment.kafka, _now_s, lambda: topic.answers)
        server = Server(cockpit.app(submit, TablesArchive(reader.query)), options.port, host)
        log.info("up", process="cockpit", url=server.url, city=city.name)
        if access.link:
            typer.echo(invitation(server.url, access, NO_USERS))
        try:
            while not stop.is_set():
                cockpit.step()
                submit.poll()
                if not server.running:
                    raise CockpitError("the web server has ended; start again")
        finally:
            cockpit.feed.close()
            server.stop()
            submit.close()
            cockpit.receivers.stop()
    log.info("down", process="cockpit")
    return 0


def _now_s() -> int:
    return int(time.time())
