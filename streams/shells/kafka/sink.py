"""The ClickHouse sink: what stands in the topics, into tables.

Records are read, gathered, written, and only then marked as read: whatever is killed, they are written again, which the tables
take as once. While ClickHouse is away, nothing more is read and what was read is offered again; the topics keep the rest.

A record that cannot be read, or that no table can hold, ends the process: it is from another release, and going on would leave it
out for good. What stands before it is written first, and the message says how to step over it.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import structlog
from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import CommitFailedError, FencedInstanceIdError, KafkaError, KafkaTimeoutError, RebalanceInProgressError
from kafka.structs import MemberState

from sinks.base import SinkError
from sinks.metrics import Metrics
from streams.shells.errors import ShellError
from streams.shells.kafka.clients import MESSAGE_BYTES_MAX, kafka_python, wait_for_broker
from streams.shells.kafka.configuration import configured
from streams.shells.kafka.layout import read_layout
from streams.shells.kafka.metrics_port import serve_metrics
from streams.shells.kafka.outlet import Outlet
from streams.shells.kafka.settings import Deployment, KafkaSettings
from streams.shells.kafka.sink_records import ALERTS, TOPICS, Held, Place, Taken, Unreadable, batch_of, first_refused, next_offsets, read

log = structlog.get_logger()

GROUP = "sink-clickhouse"
NAME = "clickhouse"
POLL_MS, AWAY_POLL_MS = 100, 500
POLL_RECORDS = 50
"""A record may have thousands of rows."""
FETCH_BYTES = 512 << 10
"""Of one answer over all partitions, as they stand in the log: alerts wait behind no more than so much of the others."""
ROWS_MAX, BYTES_MAX, WAIT_S = 50_000, 16 << 20, 1.0
ALERTS_WAIT_S = 0.3
LOOK_S = 5.0
LOOK_MS = 2_000
SESSION_MS, HEARTBEAT_MS = 10_000, 3_000
POLL_GAP_MS = 300_000
JOIN_S = 30.0
COMMIT_MS = 10_000
CLOSE_MS = 5_000
BACKOFF_S = (0.2, 10.0)


class ProcessError(ShellError):
    """The sink cannot go on; the message says what to do."""

    status = 1


class RecordError(ProcessError):
    """A record that this release cannot put into a table; the message names its place."""


class Options(NamedTuple):
    """What the command line said."""

    instance: str
    metrics_port: int


def run(deployment: Deployment, options: Options) -> int:
    """Until SIGTERM or SIGINT.

    Raises:
        LayoutError: there are no topics.
        RecordError: a record cannot be put into a table.
        ProcessError: ClickHouse refuses for good, or another process has taken this one's name.
    """
    stop, kafka = threading.Event(), deployment.kafka
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    metrics = Metrics()
    serve_metrics(metrics, options.metrics_port)
    if not wait_for_broker(kafka, stop):
        return 0
    layout = read_layout(kafka)
    metrics.config(layout.city, layout.configuration)
    outlet = Outlet(deployment.clickhouse, configured(kafka, layout.partitions), metrics)
    log.info("up", process="sink", instance=options.instance, city=layout.city, configuration=layout.configuration)
    try:
        _keep_going(kafka, options.instance, outlet, metrics, stop)
    except SinkError as error:
        raise ProcessError(f"{error}; mend it and start again: it goes on from what is committed") from None
    finally:
        outlet.close()
    log.info("down", process="sink", instance=options.instance)
    return 0


def _keep_going(kafka: KafkaSettings, instance: str, outlet: Outlet, metrics: Metrics, stop: threading.Event) -> None:
    """One session after the other, each from what is committed."""
    backoff_s = BACKOFF_S[0]
    while not stop.is_set():
        began = time.monotonic()
        try:
            with Session(kafka, instance, outlet, metrics) as session:
                while not stop.is_set() and not session.over:
                    session.step()
                session.finish()
            if session.over:
                continue
        except FencedInstanceIdError:
            raise ProcessError(
                f"another process runs as sink {instance!r}: it has taken over, and this one ends; give each its own --instance"
            ) from None
        except KafkaError as error:
            log.warning("sink_interrupted", reason=type(error).__name__, remedy="goes on from what is committed")
        else:
            return
        if time.monotonic() - began > 60.0:
            backoff_s = BACKOFF_S[0]
        stop.wait(backoff_s)
        backoff_s = min(2 * backoff_s, BACKOFF_S[1])
        wait_for_broker(kafka, stop)


class _Changes(ConsumerRebalanceListener):  # type: ignore[misc]
    """Notes that partitions were given up or taken up. Called in the client's own thread, while ``poll`` waits for it."""

    def __init__(self) -> None:
        self.happened = self.assigned = False

    def on_partitions_revoked(self, _revoked: Any) -> None:
        self.happened = True

    def on_partitions_assigned(self, _assigned: Any) -> None:
        self.happened = self.assigned = True


class Session:
    """One consumer, and what it has read and not yet written. It is ``over`` when ClickHouse has come back: a consumer whose partitions
    were paused may not read some of them again.
    """

    def __init__(self, kafka: KafkaSettings, instance: str, outlet: Outlet, metrics: Metrics) -> None:
        self._kafka, self._outlet, self._metrics = kafka, outlet, metrics
        self.over = False
        self._alerts = Held(rows_max=ROWS_MAX, bytes_max=BYTES_MAX, wait_s=ALERTS_WAIT_S)
        self._others = Held(rows_max=ROWS_MAX, bytes_max=BYTES_MAX, wait_s=WAIT_S)
        self._level_ms: dict[str, int] = {}  # topic -> what is older than this has been written, by the log's clock
        self._looked = 0.0
        self._bad: RecordError | None = None  # raised once what stands before it is written
        self._changes = _Changes()
        self._consumer = KafkaConsumer(**_consumer_settings(kafka, instance))
        self._consumer.subscribe([kafka.topic(name) for name in TOPICS], listener=self._changes)
        self._consumer.topics()  # what partitions there are is known before it joins, or it is given none at first, and may be stuck so
        self._joined = time.monotonic()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close(autocommit=False, timeout_ms=CLOSE_MS)

    def step(self) -> None:
        """Read for a moment, and write what is due.

        Raises:
            KafkaError: the session is over.
            SinkError: the tables refuse for good.
            RecordError: so does a record.
        """
        if self._outlet.away or not self._outlet.open():
            self._wait()
        elif self._bad is None:
            self._read(POLL_MS)
            self._write(due_only=True)
        elif self._write(due_only=False):
            raise self._bad
        self._look()

    def finish(self) -> None:
        """Write what is held, unless ClickHouse is away; it is read again then."""
        if not self._outlet.away:
            self._write(due_only=False)

    def _wait(self) -> None:
        """While ClickHouse is away: stay in the group, read nothing, and offer what is held when it is time."""
        self._consumer.pause(*self._consumer.assignment())
        self._read(AWAY_POLL_MS)
        if self._outlet.usable:
            self.over = self._write(due_only=False) if self._alerts.taken or self._others.taken else self._outlet.reach()

    def _read(self, wait_ms: int) -> None:
        polled = self._consumer.poll(timeout_ms=wait_ms, max_records=POLL_RECORDS)
        if self._consumer.group_metadata().state == MemberState.STABLE:
            self._joined = time.monotonic()
        elif time.monotonic() - self._joined > JOIN_S:
            raise KafkaTimeoutError(f"not in the group for {JOIN_S:g} s")
        if self._changes.happened:
            self._begin_anew()
            return
        for at, records in polled.items():
            self._take(Place(at.topic.removeprefix(self._kafka.file.prefix), at.partition), records)

    def _begin_anew(self) -> None:
        """Partitions were given up or taken up: everything is read again from what is committed. The client would go on behind what
        it has handed out, though that may not be written yet.
        """
        self._changes.happened, self._bad = False, None
        self._alerts.clear()
        self._others.clear()
        if not self._changes.assigned:
            return
        self._changes.assigned = False
        given = sorted(self._consumer.assignment())
        for at, low in self._consumer.beginning_offsets(given, timeout_ms=COMMIT_MS).items() if given else ():
            offset = self._consumer.committed(at, timeout_ms=COMMIT_MS)
            if offset is not None and offset < low:
                remedy = "they were deleted before they were read: raise retention.ms"
                log.error("records_gone", topic=at.topic, partition=at.partition, records=low - offset, remedy=remedy)
            self._consumer.seek(at, max(low, offset or 0))
        log.info("assigned", partitions=[f"{at.topic}/{at.partition}" for at in given])

    def _take(self, place: Place, records: Sequence[Any]) -> None:
        held, now = self._alerts if place.topic == ALERTS else self._others, time.monotonic()
        for record in records:
            if self._bad is not None:
                return  # read again by the next one: nothing from here on is committed
            data = record.value or b""
            try:
                held.add(Taken(place, record.offset, record.timestamp, read(place.topic, data)), len(data), now)
            except Unreadable as error:
                self._bad = self._refused(place, record.offset, str(error))

    def _write(self, *, due_only: bool) -> bool:
        """Alerts first. False: ClickHouse is away, and what is held stays."""
        for held in (self._alerts, self._others):
            if held.taken and (not due_only or held.due(time.monotonic())):
                if not self._written(held):
                    return False
                held.clear()
        return True

    def _written(self, held: Held) -> bool:
        if held.city is not None and not self._outlet.describe(held.city):
            return False
        try:
            if not self._outlet.write(batch_of(held.taken), held.rows):
                return False
        except SinkError:
            bad = first_refused(held.taken)
            if bad is None:
                raise
            index, reason = bad
            if index and not self._outlet.write(batch_of(held.taken[:index]), index):
                return False
            self._commit(held.taken[:index])
            raise self._refused(held.taken[index].place, held.taken[index].offset, reason) from None
        self._commit(held.taken)
        return True

    def _commit(self, taken: Sequence[Taken]) -> None:
        """Say how far the tables are."""
        offsets = {TopicPartition(self._kafka.topic(at.topic), at.partition): next_ for at, next_ in next_offsets(taken).items()}
        try:
            self._consumer.commit({at: OffsetAndMetadata(offset, "", -1) for at, offset in offsets.items()}, timeout_ms=COMMIT_MS)
        except (CommitFailedError, RebalanceInProgressError):
            log.info("handed_over", remedy="none needed: whoever reads it now writes it again")
        for each in taken:
            self._level_ms[each.place.topic] = max(self._level_ms.get(each.place.topic, 0), each.at_ms)

    def _refused(self, place: Place, offset: int, reason: str) -> RecordError:
        topic, group = self._kafka.topic(place.topic), self._kafka.topic(GROUP)
        return RecordError(
            f"{topic}/{place.partition} at {offset}: {reason}. It was written by another release: run that one, or newer. To leave the record"
            f" out: kafka-consumer-groups --group {group} --topic {topic}:{place.partition} --reset-offsets --to-offset {offset + 1} --execute"
        )

    def _look(self) -> None:
        """How far behind each topic is."""
        if time.monotonic() - self._looked < LOOK_S:
            return
        self._looked = time.monotonic()
        given = self._consumer.assignment()
        waiting = dict.fromkeys(TOPICS, 0)
        try:
            ends = self._consumer.end_offsets(list(given), timeout_ms=LOOK_MS) if given else {}
            for at, end in ends.items():
                waiting[at.topic.removeprefix(self._kafka.file.prefix)] += max(
                    0, end - (self._consumer.position(at, timeout_ms=LOOK_MS) or 0)
                )
        except KafkaError:
            return  # the broker is away, which is told elsewhere
        oldest_ms: dict[str, int] = {}
        for taken in (*self._alerts.taken, *self._others.taken):
            waiting[taken.place.topic] += 1
            oldest_ms.setdefault(taken.place.topic, taken.at_ms)
        now_ms = int(time.time() * 1000)
        for topic, records in waiting.items():
            if not records:
                self._level_ms[topic] = now_ms
            since_ms = oldest_ms.get(topic) or self._level_ms.setdefault(topic, now_ms)
            self._metrics.sink_behind(NAME, topic, records, max(0, now_ms - since_ms) / 1000)


def _consumer_settings(kafka: KafkaSettings, instance: str) -> dict[str, Any]:
    return kafka_python(
        kafka,
        group_id=kafka.topic(GROUP),
        group_instance_id=f"{GROUP}-{instance}",
        partition_assignment_strategy=[RangePartitionAssignor],
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        allow_auto_create_topics=False,
        session_timeout_ms=SESSION_MS,
        heartbeat_interval_ms=HEARTBEAT_MS,
        max_poll_interval_ms=POLL_GAP_MS,
        max_poll_records=POLL_RECORDS,
        fetch_max_wait_ms=POLL_MS,
        fetch_max_bytes=FETCH_BYTES,
        max_partition_fetch_bytes=FETCH_BYTES,
        receive_message_max_bytes=4 * MESSAGE_BYTES_MAX,
        request_timeout_ms=30_000,
        reconnect_backoff_max_ms=2_000,
        metrics_enabled=False,
    )
