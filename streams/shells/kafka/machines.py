"""Score and decide as machines over one partition of a journal: bytes of a record in, records for other topics out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from streams.core.configure import city_of
from streams.core.decide import Decide
from streams.core.journal import CodecError, decode, encode
from streams.core.pipeline import Scorer
from streams.core.shard import shards_of
from streams.model import Alert, Closed, Command, Counts, Finding, Outcome, Tick, Transition
from streams.shells.meter import Meter


class Put(NamedTuple):
    """A record that a machine has to say. ``topic`` is without the prefix."""

    topic: str
    partition: int
    data: bytes


class Machine(Protocol):
    """A deterministic state machine over the records of one partition."""

    def take(self, data: bytes) -> list[Put]:
        """Take the next record; raises ``CodecError`` for bytes that are none of this journal's."""
        ...

    def snapshot(self) -> bytes: ...

    def restore(self, state: bytes) -> None:
        """Raises ``ValueError`` for a state of another version."""
        ...

    def next_deadline_s(self) -> int | None:
        """The earliest time at which a ``Tick`` would change something."""
        ...


class Score:
    """The shards that a partition of the counts journal hosts. ``configure``: the configuration's journal record."""

    def __init__(self, configure: Command, hosted: Sequence[str], partition: int, meter: Meter) -> None:
        self._scorer = Scorer(city_of(configure), hosted)
        self._partition, self._meter = partition, meter

    def take(self, data: bytes) -> list[Put]:
        record = decode(data)
        if isinstance(record, Command):  # the configuration that the journal begins with
            return []
        if not isinstance(record, Counts):
            raise CodecError(f"counts journal holds a {type(record).__name__}; was it written by another release?")
        scored = self._scorer.apply(record)
        said: list[Finding | Closed] = [*scored.findings, *scored.closed]
        self._meter.scored(1, said, 0)
        self._meter.bound("open_windows", self._scorer.tally().forced, of=str(self._partition))
        found = [Put("findings", 0, encode(one)) for one in said]
        return found + [Put("scores", self._partition, encode(scores)) for scores in scored.scores]

    def snapshot(self) -> bytes:
        return self._scorer.snapshot()

    def restore(self, state: bytes) -> None:
        self._scorer.restore(state)

    def next_deadline_s(self) -> int | None:
        return None


class Judge:
    """decide over the findings journal."""

    def __init__(self, configure: Command, meter: Meter) -> None:
        city = city_of(configure)
        self._decide, self._meter = Decide(city, shards_of(city)), meter

    def take(self, data: bytes) -> list[Put]:
        record = decode(data)
        if not isinstance(record, Finding | Closed | Command | Tick):
            raise CodecError(f"findings journal holds a {type(record).__name__}; was it written by another release?")
        decided = self._decide.apply(record)
        self._meter.decided(decided.transitions)
        tally = self._decide.tally()
        self._meter.bound("open_alerts", tally.dropped)
        self._meter.bound("ended_series", tally.forgotten)
        said: list[Alert | Transition | Outcome] = [*decided.alerts, *decided.transitions, *decided.outcomes]
        return [Put("alerts", 0, encode(one)) for one in said]

    def snapshot(self) -> bytes:
        return self._decide.snapshot()

    def restore(self, state: bytes) -> None:
        self._decide.restore(state)

    def next_deadline_s(self) -> int | None:
        return self._decide.next_deadline_s()
