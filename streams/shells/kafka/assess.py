"""``tocsin assess``: score over the counts journal and decide over the findings journal, as two Faust agents.

Faust says which partitions this process has and brings their records; all state is in hosts. Crash-only: whatever goes wrong ends
the process, and the next start goes on from the snapshots.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import structlog

from sinks.metrics import Metrics
from streams.model import Command
from streams.shells.errors import ShellError
from streams.shells.kafka.clients import wait_for_broker
from streams.shells.kafka.faust_app import Assess, build
from streams.shells.kafka.host import Host, Voice
from streams.shells.kafka.lane import Lane
from streams.shells.kafka.layout import Layout, read_layout
from streams.shells.kafka.machines import Judge, Machine, Score
from streams.shells.kafka.metrics_port import serve_metrics
from streams.shells.kafka.settings import Deployment, KafkaSettings
from streams.shells.kafka.snapshots import DECIDE, topic_partition
from streams.shells.kafka.watchdog import Watchdog
from streams.shells.meter import Meter

log = structlog.get_logger()

LOOK_S = 1.0
STOP_S = 10.0


class Options(NamedTuple):
    """What the command line said. ``keep_every_s``: a snapshot of each such span is kept as long as the journals are."""

    instance: str
    snapshot_every_s: int
    keep_every_s: int
    metrics_port: int


def run(deployment: Deployment, options: Options) -> int:
    """Until SIGTERM or SIGINT; status 1 when something failed, and a start goes on from the snapshots.

    Raises:
        LayoutError: there are no topics.
    """
    kafka, stop = deployment.kafka, threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    metrics = Metrics()
    serve_metrics(metrics, options.metrics_port)
    if not wait_for_broker(kafka, stop):
        return 0
    layout = read_layout(kafka)
    metrics.config(layout.city, layout.configuration)
    log.info("up", process="assess", instance=options.instance, city=layout.city, configuration=layout.configuration)
    status = asyncio.run(Worker(kafka, layout, options, Meter(metrics), stop).work())
    log.info("down", process="assess", instance=options.instance, status=status)
    return status


class Worker:
    """One process: two lanes under one Faust app."""

    def __init__(self, kafka: KafkaSettings, layout: Layout, options: Options, meter: Meter, stop: threading.Event) -> None:
        self._kafka, self._layout, self._options, self._meter, self._stop = kafka, layout, options, meter, stop
        self._score = Lane("counts", Voice(kafka), self._open_score)
        self._decide = Lane("findings", Voice(kafka), self._open_decide)
        self._lanes: Sequence[Lane] = (self._score, self._decide)
        self._status = 0

    def _open_score(self, partition: int) -> Host:
        hosted = self._layout.hosted(partition)

        def machine(configure: Command) -> Machine:
            return Score(configure, hosted, partition, self._meter)

        return Host(self._kafka, "counts", partition, partition, machine, self._score.voice, keep_every_s=self._options.keep_every_s)

    def _open_decide(self, partition: int) -> Host:
        slot = topic_partition(DECIDE, self._layout.partitions)

        def machine(configure: Command) -> Machine:
            return Judge(configure, self._meter)

        return Host(self._kafka, "findings", partition, slot, machine, self._decide.voice, keep_every_s=self._options.keep_every_s)

    async def work(self) -> int:
        """Until stopped; the exit status."""
        app = build(self._kafka, self._options.instance)
        for lane in self._lanes:
            self._agent(app, lane)
        app.on_partitions_assigned.connect(self._assigned, weak=False)  # type: ignore[arg-type]
        watchdog = Watchdog(self._kafka, self._lanes, self._meter.behind)
        try:
            await app.start()
            watchdog.start()
            await self._until_stopped(app)
        except Exception:
            log.error("assess_failed", exc_info=True, remedy="started again, it goes on from its snapshots")
            self._status = 1
        watchdog.stop()
        await self._end(app)
        return self._status

    def _agent(self, app: Assess, lane: Lane) -> None:
        async def agent(stream: Any) -> None:
            async for event in stream.events():
                try:
                    message = event.message
                    await lane.take(message.partition, message.offset, message.value or b"", message.generation_id)
                except Exception as error:  # noqa: BLE001 - whatever it is, Faust would go on with the next record
                    self._fail(error)
                    await asyncio.Event().wait()  # the record must not pass for taken

        topic = app.topic(self._kafka.topic(lane.topic), value_serializer="raw", key_serializer="raw")
        app.agent(topic, name=lane.topic, concurrency=1)(agent)

    async def _assigned(self, _app: Any, assigned: Any, **_: Any) -> None:
        """Not waited for: records may come before it is through, and the lane takes up what they need."""
        given = {lane.topic: [tp.partition for tp in assigned if tp.topic == self._kafka.topic(lane.topic)] for lane in self._lanes}
        log.info("assigned", **{name: sorted(partitions) for name, partitions in given.items()})
        for lane in self._lanes:
            self._later(lane.hold(given[lane.topic]))

    def _later(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        task.add_done_callback(lambda done: self._fail(done.exception()) if not done.cancelled() and done.exception() else None)

    def _fail(self, error: BaseException | None) -> None:
        if self._status == 0:
            self._status = 1
            if isinstance(error, ShellError):
                log.error("assess_failed", reason=str(error))
            else:
                log.error("assess_failed", exc_info=error, remedy="started again, it goes on from its snapshots")
        self._stop.set()

    async def _until_stopped(self, app: Assess) -> None:
        saved = time.monotonic()
        while not self._stop.is_set():
            if app.should_stop:
                self._fail(app.crash_reason)
                return
            await self._decide.tick(int(time.time()))
            if time.monotonic() - saved >= self._options.snapshot_every_s:
                saved = time.monotonic()
                for lane in self._lanes:
                    await lane.checkpoint()
            await asyncio.sleep(LOOK_S)

    async def _end(self, app: Assess) -> None:
        """Snapshots, so that the next start is quick; then Faust's own end, which may take no longer than ``STOP_S``."""
        if self._status == 0:
            for lane in self._lanes:
                await lane.checkpoint()
        try:
            async with asyncio.timeout(STOP_S):
                await app.stop()
        except (TimeoutError, asyncio.CancelledError):
            log.warning("slow_stop", remedy="none needed: nothing hangs on it")
        for lane in self._lanes:
            lane.close()
