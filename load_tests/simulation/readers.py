"""The two other consumers of the shells over the model of the log: kafka-python's, as the sink uses it, and Faust's, as assess does."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import CommitFailedError, FencedInstanceIdError, KafkaTimeoutError
from kafka.structs import MemberState

from load_tests.simulation.groups import Membership, Place, Stale, Unstable
from load_tests.simulation.world import Away, World

FETCH_RECORDS_MAX = 8


class Record(NamedTuple):
    """Of a poll of kafka-python."""

    offset: int
    timestamp: int
    value: bytes | None


class Standing(NamedTuple):
    """What kafka-python says of its place in a group."""

    state: MemberState


class KafkaConsumer:
    """kafka-python's consumer: rebalances within ``poll``, commits only when told to."""

    def __init__(self, world: World, settings: dict[str, Any]) -> None:
        self._world = world
        self._group: str = settings["group_id"]
        self._name: str = settings["group_instance_id"]
        self._topics: list[str] = []
        self._listener: Any = None
        self._number = 0
        self._held: Membership | None = None
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()

    def subscribe(self, topics: list[str], listener: Any) -> None:
        """Join; the listener is told within ``poll``."""
        self._topics, self._listener = topics, listener
        self._number = self._world.log.groups.join(self._group, self._name, topics)

    def topics(self) -> set[str]:
        """What there is."""
        return set(self._world.log.topics)

    def close(self, *, autocommit: bool, timeout_ms: int) -> None:
        """Static members stay in the group."""
        del autocommit, timeout_ms

    def assignment(self) -> set[TopicPartition]:
        """What it has been given."""
        return set(self._positions)

    def pause(self, *places: TopicPartition) -> None:
        """Nothing of these until the next assignment."""
        self._paused |= set(places)

    def group_metadata(self) -> Standing:
        """Whether it has its part."""
        held = self._held
        stable = held is not None and held.generation == self._world.log.groups.of(self._group).generation
        return Standing(MemberState.STABLE if stable else MemberState.REBALANCING)

    def poll(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Record]]:
        """Some records, and changes of the group.

        Raises:
            FencedInstanceIdError: another process has taken its name.
        """
        try:
            self._world.asks("poll")
        except Away:
            self._world.now_s += timeout_ms / 1000
            return {}
        self._beat()
        found: dict[TopicPartition, list[Record]] = {}
        rng, left = self._world.rng, max_records
        for place in sorted(self._positions):
            if place in self._paused or rng.random() < 0.3:
                continue
            most = min(left, rng.choice((1, 4, 50)))
            for entry in self._world.log.at(*place).since(self._positions[place]):
                if most <= 0:
                    break
                found.setdefault(place, []).append(Record(entry.offset, entry.at_ms, entry.value))
                self._positions[place] = entry.offset + 1
                most, left = most - 1, left - 1
        if not found:
            self._world.now_s += timeout_ms / 1000
        return found

    def _beat(self) -> None:
        groups = self._world.log.groups
        try:
            member = groups.beat(self._group, self._name, self._number)
        except Stale as stale:
            if stale.fenced:
                raise FencedInstanceIdError from None
            self._number = groups.join(self._group, self._name, self._topics)
            member = groups.beat(self._group, self._name, self._number)
        generation = groups.of(self._group).generation
        if member.joined < generation:
            self._listener.on_partitions_revoked([])
            self._positions = {}
            member.joined = generation
        part = groups.part(self._group, self._name) if member.given < generation else None
        if part is not None:
            self._paused = set()
            member.given = generation
            self._held = Membership(self._group, self._name, self._number, generation)
            self._positions = dict.fromkeys((TopicPartition(*place) for place in part), 0)
            self._listener.on_partitions_assigned([])

    def committed(self, place: TopicPartition, timeout_ms: int) -> int | None:
        """The committed offset of a partition."""
        self._asks("committed", timeout_ms)
        try:
            found = self._world.log.groups.committed(self._group, (place.topic, place.partition))
        except Unstable:
            raise KafkaTimeoutError from None
        return found[0] if found else None

    def seek(self, place: TopicPartition, offset: int) -> None:
        """Read from here on."""
        self._positions[place] = offset

    def position(self, place: TopicPartition, timeout_ms: int) -> int:
        """What it reads next."""
        del timeout_ms
        return self._positions.get(place, 0)

    def beginning_offsets(self, places: list[TopicPartition], timeout_ms: int) -> dict[TopicPartition, int]:
        """Oldest offsets."""
        self._asks("beginnings", timeout_ms)
        return dict.fromkeys(places, 0)

    def end_offsets(self, places: list[TopicPartition], timeout_ms: int) -> dict[TopicPartition, int]:
        """Where committed records end."""
        self._asks("ends", timeout_ms)
        return {place: self._world.log.at(*place).stable for place in places}

    def commit(self, offsets: dict[TopicPartition, OffsetAndMetadata], timeout_ms: int) -> None:
        """Write down offsets.

        Raises:
            CommitFailedError: it is no longer a member of this generation.
            KafkaTimeoutError: no answer.
        """
        self._asks("commit", timeout_ms)
        assert self._held is not None, "nothing can have been read before"
        try:
            self._world.log.groups.check(self._held)
        except Stale as stale:
            if stale.fenced:
                raise FencedInstanceIdError from None
            raise CommitFailedError from None
        places = {(at.topic, at.partition): (given.offset, "") for at, given in offsets.items()}
        self._world.log.groups.commit(self._group, places)
        self._world.note("committed", self._group, sorted(places.items()))
        self._world.effect("commit answered")
        if self._world.answer_lost():
            raise KafkaTimeoutError

    def _asks(self, what: str, timeout_ms: int) -> None:
        try:
            self._world.asks(what)
        except Away:
            self._world.now_s += min(timeout_ms / 1000, 5.0)
            raise KafkaTimeoutError from None


class Fetched(NamedTuple):
    """A record on its way to an agent."""

    topic: str
    partition: int
    offset: int
    value: bytes
    generation: int


class FaustConsumer:
    """What Faust does for assess: fetches ahead, brings record by record, commits offsets of what was taken, now and then.

    Nothing of assess hangs on these offsets: they only spare reading.
    """

    def __init__(self, world: World, group: str, name: str, topics: list[str]) -> None:
        self._world, self._group, self._name, self._topics = world, group, name, topics
        self._number = world.log.groups.join(group, name, topics)
        self._held: Membership | None = None
        self._positions: dict[Place, int] = {}
        self._taken: dict[Place, int] = {}
        self.buffer: deque[Fetched] = deque()

    def poll(self) -> list[Place] | None:
        """Fetch some; what it has been given, when that is news.

        Raises:
            Stale: another process has taken its name.
        """
        try:
            self._world.asks("fetch")
        except Away:
            self._world.now_s += 0.2
            return None
        groups = self._world.log.groups
        try:
            member = groups.beat(self._group, self._name, self._number)
        except Stale as stale:
            if stale.fenced:
                raise
            self._number = groups.join(self._group, self._name, self._topics)
            member = groups.beat(self._group, self._name, self._number)
        generation = groups.of(self._group).generation
        if member.joined < generation:
            self.commit()
            self.buffer.clear()
            self._positions, self._taken = {}, {}
            member.joined = generation
        part = groups.part(self._group, self._name) if member.given < generation else None
        if part is not None:
            member.given = generation
            self._held = Membership(self._group, self._name, self._number, generation)
            self._positions = {place: (groups.committed(self._group, place) or (0, ""))[0] for place in part}
        self._fetch()
        return part

    def took(self, record: Fetched) -> None:
        """Its agent is through with it."""
        self._taken[record.topic, record.partition] = record.offset + 1

    def commit(self) -> None:
        """Say how far the agents are; refused and forgotten where it has been expelled meanwhile."""
        try:
            self._world.asks("commit")
            if self._held is not None:
                self._world.log.groups.check(self._held)
                self._world.log.groups.commit(self._group, {place: (offset, "") for place, offset in self._taken.items()})
        except (Away, Stale):
            return

    def at_end(self) -> bool:
        """Whether it has its part, and has fetched and brought all of it."""
        ends = all(position >= self._world.log.at(*place).stable for place, position in self._positions.items())
        return self._held is not None and bool(self._positions) and ends and not self.buffer

    def _fetch(self) -> None:
        rng = self._world.rng
        if len(self.buffer) >= FETCH_RECORDS_MAX or self._held is None:
            return
        generation = self._held.generation
        found = False
        for place in sorted(self._positions):
            most = rng.choice((0, 1, 3, FETCH_RECORDS_MAX))
            for entry in self._world.log.at(*place).since(self._positions[place]):
                if most <= 0:
                    break
                self.buffer.append(Fetched(*place, entry.offset, entry.value or b"", generation))
                self._positions[place] = entry.offset + 1
                most, found = most - 1, True
            else:
                self._positions[place] = max(self._positions[place], self._world.log.at(*place).stable)
        if not found:
            self._world.now_s += 0.2
