"""librdkafka's clients, as far as the shells use them, over the model of the log. Same names, same errors, same moments of callbacks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError, KafkaException, TopicPartition

from load_tests.simulation.groups import Membership, Place, Stale, Unstable
from load_tests.simulation.log import Entry, Fenced
from load_tests.simulation.world import Away, Full, World
from streams.shells.kafka.clients import PARTITION_EOF

WAIT_S_MAX = 5.0
"""A wait in vain takes no longer in the model: others are to act meanwhile."""


class Waiting(NamedTuple):
    """A record in a producer's queue."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Any
    told: Callable[[Any, Any], None] | None


class Message:
    """A record that was read, or a sign."""

    def __init__(self, topic: str, partition: int, entry: Entry | None, sign: KafkaError | None = None, offset: int = -1) -> None:
        self._topic, self._partition, self._entry, self._sign = topic, partition, entry, sign
        self._offset = entry.offset if entry is not None else offset

    def topic(self) -> str:
        return self._topic

    def partition(self) -> int:
        return self._partition

    def offset(self) -> int:
        return self._offset

    def key(self) -> bytes | None:
        return self._entry.key if self._entry else None

    def value(self) -> bytes | None:
        return self._entry.value if self._entry else None

    def headers(self) -> Any:
        return self._entry.headers if self._entry else None

    def timestamp(self) -> tuple[int, int]:
        return TIMESTAMP_LOG_APPEND_TIME, self._entry.at_ms if self._entry else 0

    def error(self) -> KafkaError | None:
        return self._sign


class Producer:
    """A queue, and what of it has come into the log. Transactional when its settings name one."""

    def __init__(self, world: World, settings: dict[str, Any]) -> None:
        self._world = world
        self._name: str = settings.get("transactional.id", "")
        self._gives_up = settings.get("message.timeout.ms", 1) != 0
        self._number = 0
        self._failed = self._fenced = False
        self._queue: deque[Waiting] = deque()
        if world.process is not None:
            world.process.producers.append(self)

    def __len__(self) -> int:
        return len(self._queue)

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: str | bytes | None = None,
        partition: int = 0,
        headers: Any = None,
        on_delivery: Callable[[Any, Any], None] | None = None,
    ) -> None:
        """Queue it; some of the queue may be on its way at once."""
        named = key.encode() if isinstance(key, str) else key
        rows = [(name, str(text).encode()) for name, text in headers.items()] if headers else None
        self._queue.append(Waiting(topic, partition, named, value, rows, on_delivery))
        if self._world.chance(0.3):
            self.deliver(self._world.rng.randrange(len(self._queue) + 1))

    def poll(self, _timeout_s: float = 0.0) -> int:
        """Some of the queue is on its way."""
        if self._queue:
            self.deliver(self._world.rng.randrange(len(self._queue) + 1))
        return 0

    def flush(self, timeout_s: float = 0.0) -> int:
        """Wait for all of it; returns how many are left."""
        self.deliver(len(self._queue))
        if self._queue:
            self._world.now_s += min(timeout_s, WAIT_S_MAX)
            if self._gives_up and self._world.rng.random() < 0.5:
                self.give_up()
        return len(self._queue)

    def deliver(self, many: int) -> None:
        """Append from the head of the queue, in order, as far as the broker takes it."""
        for _ in range(many):
            if not self._queue:
                return
            try:
                self._world.writes("produce")
                if not self._queue:
                    return
                self._append(self._queue[0])
            except (Away, Full) as refusal:
                self._failed |= isinstance(refusal, Full)
                return
            except Fenced:
                self._fenced = True
                return
            record = self._queue.popleft()
            if record.told is not None:
                record.told(None, None)

    def give_up(self) -> None:
        """What waits has waited for too long."""
        while self._queue:
            record = self._queue.popleft()
            if record.told is not None:
                record.told(KafkaError(KafkaError._MSG_TIMED_OUT), Message(record.topic, record.partition, None))  # noqa: SLF001 - librdkafka's own code

    def drop(self) -> None:
        """Its process has ended."""
        self._queue.clear()

    def _append(self, record: Waiting) -> None:
        world = self._world
        if self._name:
            world.log.write(
                world.now_s, self._name, self._number, (record.topic, record.partition), (record.key, record.value, record.headers)
            )
        else:
            world.wrote(world.log.append(world.now_s, record.topic, record.partition, record.value, record.key, record.headers))

    # transactions

    def init_transactions(self, _timeout_s: float) -> None:
        """Take the name."""
        self._asked("init_transactions", lambda: None)
        self._number = self._world.log.begin(self._name)

    def begin_transaction(self) -> None:
        """Nothing that anybody else could see."""
        self._failed = False

    def send_offsets_to_transaction(self, offsets: list[TopicPartition], held: Membership, _timeout_s: float) -> None:
        """Promise offsets for when it is committed."""
        places = {(at.topic, at.partition): (at.offset, at.metadata or "") for at in offsets}

        def send() -> None:
            self._drain()
            self._world.log.groups.check(held)
            self._world.log.promise(self._world.now_s, self._name, self._number, held.group, places)

        self._asked("send_offsets", send)

    def commit_transaction(self, _timeout_s: float) -> None:
        """All of it is there, for everyone, or nothing. That it is may not be heard of."""

        def commit() -> None:
            self._drain()
            self._world.effect("commit")
            self._world.log.end(self._name, self._number, keep=True)

        self._asked("commit_transaction", commit)
        self._world.note("committed", self._name)
        if self._world.answer_lost():
            raise _error(KafkaError._TIMED_OUT, retriable=True)  # noqa: SLF001 - librdkafka's own code

    def abort_transaction(self, _timeout_s: float) -> None:
        """Nothing of it is there."""
        self._queue.clear()
        self._asked("abort_transaction", lambda: self._world.log.end(self._name, self._number, keep=False))

    def _drain(self) -> None:
        self.deliver(len(self._queue))
        if self._fenced:
            raise Fenced
        if self._failed:
            raise Full
        if self._queue:
            raise Away

    def _asked(self, what: str, work: Callable[[], None]) -> None:
        try:
            self._world.asks(what)
            work()
            self._world.effect(f"{what} answered")
        except Away:
            self._world.now_s += WAIT_S_MAX
            raise _error(KafkaError._TIMED_OUT, retriable=True) from None  # noqa: SLF001 - librdkafka's own code
        except Full:
            raise _error(KafkaError.KAFKA_STORAGE_ERROR, txn_requires_abort=True) from None
        except Fenced:
            self._world.fault("refused")
            raise _error(KafkaError._FENCED, fatal=True) from None  # noqa: SLF001 - librdkafka's own code
        except Stale as stale:
            self._world.fault("refused")
            code = KafkaError.FENCED_INSTANCE_ID if stale.fenced else KafkaError.ILLEGAL_GENERATION
            raise _error(code, txn_requires_abort=True) from None


class Metadata(NamedTuple):
    """Of a cluster."""

    topics: Any


class Consumer:
    """Reads committed records, as a member of a group or from where it is told to."""

    def __init__(self, world: World, settings: dict[str, Any]) -> None:
        self._world = world
        self._group: str = settings["group.id"]
        self._name: str = settings.get("group.instance.id", "")
        self._number = 0
        self._joined: Membership | None = None
        self._owned: list[Place] = []
        self._positions: dict[Place, int] = {}
        self._paused: set[Place] = set()
        self._ended: dict[Place, int] = {}  # where the end was last told
        self._calls: dict[str, Callable[..., None]] = {}
        self._topics: list[str] = []

    # membership

    def subscribe(
        self, topics: list[str], on_assign: Callable[..., None], on_revoke: Callable[..., None], on_lost: Callable[..., None]
    ) -> None:
        """Join; callbacks are called within ``consume``."""
        self._topics = topics
        self._calls = {"assign": on_assign, "revoke": on_revoke, "lost": on_lost}
        self._number = self._world.log.groups.join(self._group, self._name, topics)

    def consumer_group_metadata(self) -> Membership:
        """What goes with offsets in a transaction."""
        assert self._joined is not None, "nothing can have been read before"
        return self._joined

    def _beat(self) -> KafkaError | None:
        groups = self._world.log.groups
        try:
            member = groups.beat(self._group, self._name, self._number)
        except Stale as stale:
            if stale.fenced:
                return KafkaError(KafkaError.FENCED_INSTANCE_ID, "another one", fatal=True)
            lost, self._owned, self._positions = self._owned, [], {}
            self._number = groups.join(self._group, self._name, self._topics)
            self._calls["lost"](self, [TopicPartition(*place) for place in lost])
            return None
        generation = groups.of(self._group).generation
        if member.joined < generation:
            taken, self._owned, self._positions = self._owned, [], {}
            if taken:
                self._calls["revoke"](self, [TopicPartition(*place) for place in taken])
            member.joined = generation
        part = groups.part(self._group, self._name) if member.given < generation else None
        if part is not None:
            self._owned = part
            member.given = generation
            self._joined = Membership(self._group, self._name, self._number, generation)
            self._calls["assign"](self, [TopicPartition(*place) for place in part])
        return None

    def committed(self, places: list[TopicPartition], _timeout_s: float) -> list[TopicPartition]:
        """Offsets and their metadata; an offset below 0 where there is none."""
        try:
            self._world.asks("committed")
            found = [self._world.log.groups.committed(self._group, (at.topic, at.partition)) for at in places]
        except (Away, Unstable):
            self._world.now_s += WAIT_S_MAX
            raise _error(KafkaError._TIMED_OUT, retriable=True) from None  # noqa: SLF001 - librdkafka's own code
        return [
            TopicPartition(at.topic, at.partition, *known) if known else TopicPartition(at.topic, at.partition)
            for at, known in zip(places, found, strict=True)
        ]

    # positions

    def assign(self, places: list[TopicPartition]) -> None:
        """Read from here on."""
        self._positions = {(at.topic, at.partition): max(0, at.offset) for at in places}
        self._ended, self._paused = {}, set()

    def unassign(self) -> None:
        """Read nothing."""
        self._positions = {}

    def pause(self, places: list[TopicPartition]) -> None:
        """Nothing of these for now."""
        self._paused |= {(at.topic, at.partition) for at in places}

    def resume(self, places: list[TopicPartition]) -> None:
        """Go on."""
        self._paused -= {(at.topic, at.partition) for at in places}

    def close(self) -> None:
        """Static members stay in the group."""
        self._positions = {}

    # reading

    def list_topics(self, timeout: float) -> Metadata:
        """Names of topics; ``timeout`` is waited for when there is no answer."""
        self._asked("list_topics", timeout)
        return Metadata(self._world.log.topics)

    def get_watermark_offsets(self, at: TopicPartition, timeout: float) -> tuple[int, int]:
        """Oldest offset, and where committed records end."""
        self._asked("watermarks", timeout)
        return 0, self._world.log.at(at.topic, at.partition).stable

    def consume(self, many: int, timeout_s: float) -> list[Message]:
        """Some records of some partitions, and signs of their ends."""
        try:
            self._world.asks("consume")
            fatal = self._beat() if self._topics else None
        except Away:
            fatal, found = None, []
        else:
            found = self._fetched(many)
        if fatal is not None:
            return [Message(self._topics[0], 0, None, fatal)]
        if not found:
            self._world.now_s += timeout_s
        return found

    def _fetched(self, many: int) -> list[Message]:
        found: list[Message] = []
        rng = self._world.rng
        for place in sorted(self._positions):
            if place in self._paused or (self._topics and rng.random() < 0.3):
                continue
            partition = self._world.log.at(*place)
            limit = min(many - len(found), rng.choice((1, 3, 10, 1000)) if self._topics else 1000)
            for entry in partition.since(self._positions[place]):
                if limit <= 0:
                    break
                found.append(Message(*place, entry))
                self._positions[place] = entry.offset + 1
                limit -= 1
            else:
                self._positions[place] = end = max(self._positions[place], partition.stable)
                if self._ended.get(place) != end:
                    self._ended[place] = end
                    found.append(Message(*place, None, KafkaError(PARTITION_EOF), end))
        return found

    def _asked(self, what: str, timeout_s: float) -> None:
        try:
            self._world.asks(what)
        except Away:
            self._world.now_s += min(timeout_s, WAIT_S_MAX)
            raise _error(KafkaError._TRANSPORT, retriable=True) from None  # noqa: SLF001 - librdkafka's own code


def _error(code: int, **how: bool) -> KafkaException:
    return KafkaException(KafkaError(code, "simulated", **how))
