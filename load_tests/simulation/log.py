"""A model of the log: partitions, transactions, and readers of committed records. It has no clock; times come with the calls."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

from load_tests.simulation.groups import Groups, Place

TRANSACTION_S = 3.0
"""As ``streams.shells.kafka.intake.TRANSACTION_MS``: an open transaction that is older is aborted by the broker."""

State = Literal["open", "kept", "aborted", "mark"]


class Fenced(Exception):
    """A producer whose name has been taken by a newer one, or whose transaction the broker has given up."""


class Entry:
    """A record in a partition. ``mark``: what a transaction leaves behind at its end; it takes an offset and is shown to nobody."""

    __slots__ = ("at_ms", "headers", "key", "offset", "state", "value")

    def __init__(self, offset: int, at_ms: int, key: bytes | None, value: bytes | None, headers: Any, state: State) -> None:
        self.offset, self.at_ms, self.key, self.value, self.headers, self.state = offset, at_ms, key, value, headers, state


class Partition:
    """One partition of a topic. Offsets may have gaps, by compaction."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.end = 0
        self._offsets: list[int] = []
        self.open: dict[int, int] = {}  # producer -> first offset of its open transaction

    @property
    def stable(self) -> int:
        """Readers of committed records come so far: to the first record of the oldest open transaction."""
        return min(self.open.values(), default=self.end)

    def add(self, at_ms: int, key: bytes | None, value: bytes | None, headers: Any, state: State) -> Entry:
        """The log's time never goes back within a partition."""
        if self.entries:
            at_ms = max(at_ms, self.entries[-1].at_ms)
        entry = Entry(self.end, at_ms, key, value, headers, state)
        self.entries.append(entry)
        self._offsets.append(self.end)
        self.end += 1
        return entry

    def since(self, position: int, end: int | None = None) -> Iterator[Entry]:
        """Committed records from a position to ``end``, at most to where committed records end."""
        end = self.stable if end is None else min(end, self.stable)
        for at in range(bisect_left(self._offsets, position), len(self.entries)):
            entry = self.entries[at]
            if entry.offset >= end:
                return
            if entry.state == "kept":
                yield entry

    def compact(self, end: int) -> int:
        """Drop records below ``end`` that a later one of the same key replaces; returns how many."""
        newest = {entry.key: entry.offset for entry in self.entries if entry.state == "kept"}
        kept = [e for e in self.entries if e.offset >= end or (e.state == "kept" and newest[e.key] == e.offset)]
        dropped = len(self.entries) - len(kept)
        self.entries, self._offsets = kept, [entry.offset for entry in kept]
        return dropped


class Transaction:
    """What one transactional name has open."""

    def __init__(self, producer: int) -> None:
        self.producer = producer  # its epoch: a newer one has a higher number
        self.began_s: float | None = None
        self.entries: list[tuple[Partition, Entry]] = []
        self.offsets: tuple[str, dict[Place, tuple[int, str]]] | None = None


class Change(NamedTuple):
    """What was written, for those who look on."""

    topic: str
    partition: int
    entry: Entry


class Log:
    """All topics, and the groups that read them."""

    def __init__(self, topics: dict[str, int]) -> None:
        self.topics = {name: [Partition() for _ in range(count)] for name, count in topics.items()}
        self.groups = Groups()
        self._names: dict[str, Transaction] = {}
        self._producers = 0

    def at(self, topic: str, partition: int) -> Partition:
        """A partition."""
        return self.topics[topic][partition]

    def append(
        self, now_s: float, topic: str, partition: int, value: bytes | None, key: bytes | None = None, headers: Any = None
    ) -> Change:
        """Outside of transactions."""
        return Change(topic, partition, self.at(topic, partition).add(int(now_s * 1000), key, value, headers, "kept"))

    # transactions

    def begin(self, name: str) -> int:
        """A producer takes a transactional name: whoever had it is fenced, and what it had open is aborted."""
        if name in self._names:
            self._end(self._names[name], keep=False)
        self._producers += 1
        self._names[name] = Transaction(self._producers)
        return self._producers

    def write(self, now_s: float, name: str, producer: int, to: Place, record: tuple[bytes | None, bytes | None, Any]) -> None:
        """Append within the open transaction; ``record``: key, value, headers.

        Raises:
            Fenced: it is no longer this producer's.
        """
        transaction = self._mine(name, producer)
        if transaction.began_s is None:
            transaction.began_s = now_s
        place = self.at(*to)
        key, value, headers = record
        entry = place.add(int(now_s * 1000), key, value, headers, "open")
        place.open.setdefault(producer, entry.offset)
        transaction.entries.append((place, entry))

    def promise(self, now_s: float, name: str, producer: int, group: str, offsets: dict[Place, tuple[int, str]]) -> None:
        """Offsets that are committed with the transaction.

        Raises:
            Fenced: it is no longer this producer's.
        """
        transaction = self._mine(name, producer)
        if transaction.began_s is None:
            transaction.began_s = now_s
        transaction.offsets = (group, offsets)
        self.groups.pending(group, producer, offsets)

    def end(self, name: str, producer: int, *, keep: bool) -> None:
        """Commit or abort.

        Raises:
            Fenced: it is no longer this producer's.
        """
        self._end(self._mine(name, producer), keep=keep)

    def time_out(self, now_s: float) -> None:
        """Abort what has been open for too long; its producer is fenced."""
        for transaction in self._names.values():
            if transaction.began_s is not None and now_s - transaction.began_s > TRANSACTION_S:
                self._end(transaction, keep=False)
                self._producers += 1
                transaction.producer = self._producers

    def _mine(self, name: str, producer: int) -> Transaction:
        transaction = self._names[name]
        if transaction.producer != producer:
            raise Fenced
        return transaction

    def _end(self, transaction: Transaction, *, keep: bool) -> None:
        touched: list[Partition] = []
        for place, entry in transaction.entries:
            entry.state = "kept" if keep else "aborted"
            if place not in touched:
                touched.append(place)
        for place in touched:
            place.open.pop(transaction.producer, None)
            place.add(0, None, None, None, "mark")
        if transaction.offsets is not None:
            group, offsets = transaction.offsets
            self.groups.settled(group, transaction.producer)
            if keep:
                self.groups.commit(group, offsets)
        transaction.began_s, transaction.entries, transaction.offsets = None, [], None

    # those who look on

    def kept(self, topic: str, partition: int) -> list[Entry]:
        """All committed records that are still there."""
        return list(self.at(topic, partition).since(0))

    def records(self, topic: str) -> Iterable[tuple[int, Entry]]:
        """(partition, record) of a topic's committed records."""
        return ((at, entry) for at in range(len(self.topics[topic])) for entry in self.kept(topic, at))
