"""Records of topics on their way into tables: decoded one by one, held until they are enough, offered as one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from sinks.base import Batch, SinkError
from sinks.clickhouse.rows import blocks
from sinks.clickhouse.server_sink import BLOCK_ROWS_MAX
from streams.core.configure import KIND, city_of
from streams.core.journal import CodecError, Record, decode
from streams.model import Alert, Command, Counts, Outcome, Rejected, Scores, Transition
from streams.settings import City

ALERTS = "alerts"
TOPICS = ("counts", "scores", ALERTS, "dead-letters")
_HOLDS: dict[str, tuple[type, ...]] = {
    "counts": (Counts, Command),
    "scores": (Scores,),
    ALERTS: (Alert, Transition, Outcome),
    "dead-letters": (Rejected,),
}
_dead_letter = msgspec.json.Decoder(Rejected)


class Place(NamedTuple):
    """A partition; ``topic`` is without the prefix."""

    topic: str
    partition: int


class Taken(NamedTuple):
    """A record that was read. ``at_ms``: when the log took it."""

    place: Place
    offset: int
    at_ms: int
    record: Record | Rejected


class Unreadable(ValueError):
    """Why bytes are no record of their topic."""


def read(topic: str, data: bytes) -> Record | Rejected:
    """The record of these bytes.

    Raises:
        Unreadable: they are none that this topic holds.
    """
    if topic == "dead-letters":
        try:
            return _dead_letter.decode(data)
        except msgspec.MsgspecError:
            raise Unreadable("is no dead letter") from None
    try:
        record = decode(data)
    except CodecError as error:
        raise Unreadable(str(error)) from None
    if not isinstance(record, _HOLDS[topic]):
        raise Unreadable(f"is a {type(record).__name__}, which this topic does not hold")
    return record


def rows_of(record: Record | Rejected) -> int:
    """How many rows of tables it becomes, about."""
    if isinstance(record, Counts):
        return len(record.n) // 4 + len(record.quality)
    return len(record.p) if isinstance(record, Scores) else 1


def batch_of(taken: Sequence[Taken]) -> Batch:
    """All of them as one batch. Of the states of an alert the newest is in it: by number, and between two steps by time."""
    found: dict[type, list[Any]] = {kind: [] for kinds in _HOLDS.values() for kind in kinds}
    alerts: dict[str, Alert] = {}
    for each in taken:
        record = each.record
        if isinstance(record, Alert):
            known = alerts.get(record.id)
            if known is None or (record.seq, record.updated_s) >= (known.seq, known.updated_s):
                alerts[record.id] = record
        else:
            found[type(record)].append((each.offset, record))
    return Batch(
        counts=tuple(found[Counts]),
        scores=tuple(scores for _, scores in found[Scores]),
        transitions=tuple(found[Transition]),
        alerts=tuple(alerts.values()),
        commands=tuple(outcome.command for _, outcome in found[Outcome]),
        rejected=tuple(rejected for _, rejected in found[Rejected]),
        outcomes=tuple(found[Outcome]),
    )


class Held:
    """Records that wait to be written. They are due when they are many, or when the first has waited long enough."""

    def __init__(self, *, rows_max: int, bytes_max: int, wait_s: float) -> None:
        self._rows_max, self._bytes_max, self._wait_s = rows_max, bytes_max, wait_s
        self.clear()

    def clear(self) -> None:
        """Written, or not ours any more."""
        self.taken: list[Taken] = []
        self.city: City | None = None  # the newest configuration among them
        self.rows = self._bytes = 0
        self._since = 0.0

    def add(self, taken: Taken, size: int, now: float) -> None:
        """``size``: bytes as read; ``now``: monotonic.

        Raises:
            Unreadable: it is a configuration that cannot be read.
        """
        self.city = _city_in(taken) or self.city
        if not self.taken:
            self._since = now
        self.taken.append(taken)
        self.rows += rows_of(taken.record)
        self._bytes += size

    def full(self) -> bool:
        """Enough for one write."""
        return self.rows >= self._rows_max or self._bytes >= self._bytes_max

    def due(self, now: float) -> bool:
        """Whether to write them."""
        return bool(self.taken) and (self.full() or now - self._since >= self._wait_s)


def next_offsets(taken: Sequence[Taken]) -> dict[Place, int]:
    """Where each partition is once these are written."""
    return {each.place: each.offset + 1 for each in taken}


def first_refused(taken: Sequence[Taken]) -> tuple[int, str] | None:
    """Index of the first that no table can hold, and why; None when each of them is well."""
    for index, each in enumerate(taken):
        try:
            for _ in blocks(batch_of([each]), rows_max=BLOCK_ROWS_MAX):
                pass
        except SinkError as error:
            return index, str(error)
    return None


def _city_in(taken: Taken) -> City | None:
    """The configuration that a record of the first counts partition brings; every partition carries the same.

    Raises:
        Unreadable: it cannot be read.
    """
    record = taken.record
    if taken.place != Place("counts", 0) or not isinstance(record, Command) or record.kind != KIND:
        return None
    try:
        return city_of(record)
    except ValueError as error:
        raise Unreadable(str(error)) from None
