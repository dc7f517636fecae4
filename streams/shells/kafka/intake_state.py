"""What intake remembers of a raw partition, as records of the compacted topic ``intake-state``, in the transaction of the counts they led to.

One partition of the topic for each raw partition. Keys:

    c<digest>   a counter: its last reading; the order of the log is the order in which counters were last heard of
    e           the newest moments of entry
    d<offset>   digests from this offset on, eight bytes each

How far it has come and how far time has come there stands in the metadata of the committed offset: others ask for that, too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from streams.core.raw_partition import Delta, Saved
from streams.shells.errors import ShellError

TOPIC = "intake-state"
VERSION = 1
Record = tuple[bytes, bytes | None]
"""Key and value; None: gone."""


class StateError(ShellError):
    """What was kept cannot be used."""

    status = 1


class Mark(NamedTuple):
    """How far one raw partition has come. ``at_end``: there was nothing more to read then."""

    position: int
    watermark_s: int = 0
    newest_s: int = 0
    since_s: int = 0
    idle: bool = False
    at_end: bool = False

    def text(self) -> str:
        """For the metadata of a committed offset."""
        return " ".join(str(int(field)) for field in (VERSION, *self))

    @classmethod
    def of(cls, text: str | None) -> Mark | None:
        """Back from there; None where nothing was committed.

        Raises:
            StateError: it was written by something else.
        """
        if not text:
            return None
        words = text.split()
        if words[:1] != [str(VERSION)] or len(words) != 1 + len(cls._fields) or not all(word.lstrip("-").isdigit() for word in words):
            raise StateError(
                f"the committed offset of a raw topic has metadata {text[:40]!r}, which intake did not write; use another kafka.prefix"
            )
        position, watermark_s, newest_s, since_s, idle, at_end = (int(word) for word in words[1:])
        return cls(position, watermark_s, newest_s, since_s, bool(idle), bool(at_end))


class Remembered(NamedTuple):
    """The state of a raw partition, and the runs of digests it has in the topic: (first offset, digests), ascending."""

    saved: Saved
    runs: list[tuple[int, bytes]]


class Memory:
    """The runs of digests of one raw partition that stand in the topic; tells which may go."""

    def __init__(self, offsets: int, runs: Iterable[tuple[int, int]] = ()) -> None:
        """``offsets``: how far back digests are asked for; ``runs``: (first offset, length) of those there, ascending."""
        self._offsets = offsets
        self._runs = deque(runs)

    def records(self, delta: Delta, digests: Iterable[tuple[int, bytes]]) -> Iterator[Record]:
        """What a flush changes. ``digests``: its runs."""
        for counter in delta.counters:
            if isinstance(counter, int):
                yield _counter_key(counter), None
            else:
                yield _counter_key(counter[0]), msgspec.msgpack.encode(counter[1:])
        if delta.saved.entries:
            yield b"e", msgspec.msgpack.encode(delta.saved.entries)
        for first, column in digests:
            self._runs.append((first, len(column) // 8))
            yield _run_key(first), column
        while self._runs and sum(self._runs[0]) <= delta.saved.position - self._offsets:
            yield _run_key(self._runs.popleft()[0]), None


def remembered(source: str, partition: int, mark: Mark, records: Iterable[tuple[bytes, bytes | None]]) -> Remembered:
    """The state after all records of a raw partition's log.

    Raises:
        StateError: a record that intake did not write.
    """
    counters: dict[int, tuple[int, int]] = {}
    runs: dict[int, bytes] = {}
    entries: list[tuple[str, int, int]] = []
    try:
        for key, value in records:
            number = int.from_bytes(key[1:], "big")
            if key[:1] == b"c":
                counters.pop(number, None)
                if value is not None:
                    counters[number] = msgspec.msgpack.decode(value, type=tuple[int, int])
            elif key[:1] == b"d":
                runs.pop(number, None)
                if value is not None:
                    runs[number] = value
            elif key == b"e" and value is not None:
                entries = msgspec.msgpack.decode(value, type=list[tuple[str, int, int]])
            else:
                raise StateError(f"intake-state holds a record with the key {key[:1]!r}; it was written by another release")
    except msgspec.MsgspecError:
        raise StateError(
            f"what intake-state holds of raw.{source}/{partition} is damaged; restore the topic, or use another kafka.prefix"
        ) from None
    rows = [(counter, *last) for counter, last in counters.items()]
    saved = Saved(source, partition, mark.position, mark.watermark_s, mark.newest_s, mark.idle, rows, entries, mark.since_s)
    return Remembered(saved, sorted(runs.items()))


def _counter_key(counter: int) -> bytes:
    return b"c" + counter.to_bytes(8, "big")


def _run_key(first: int) -> bytes:
    return b"d" + first.to_bytes(8, "big")
