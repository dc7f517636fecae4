"""What a sink is. Every sink has the same anatomy: open, ``write`` a batch, flush or raise, close.

``write`` is idempotent: each row carries a deterministic key, so a batch may be written again after a crash. When
``write`` returns, the batch is durable; when it raises ``SinkError``, the caller keeps the batch and, if
``retryable``, offers it again. A sink holds no queue of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import ClassVar, Protocol

from msgspec import Struct

from streams.model import Alert, Command, Counts, Evidence, Outcome, Rejected, Scores, Transition


class Batch(Struct, frozen=True):
    """What the core put out since the last write.

    ``counts`` carry the position of their journal record, ``transitions`` the position in the alerts journal, which
    is also the event id of the feed: strictly increasing, kept over restarts. ``outcomes`` carry theirs likewise, None where
    that journal does not hold outcomes.
    """

    counts: tuple[tuple[int, Counts], ...] = ()
    scores: tuple[Scores, ...] = ()
    transitions: tuple[tuple[int, Transition], ...] = ()
    alerts: tuple[Alert, ...] = ()  # the newest state of each alert that changed
    commands: tuple[Command, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    outcomes: tuple[tuple[int | None, Outcome], ...] = ()  # what became of ``commands``


class SinkError(Exception):
    """A batch was not written. ``retryable``: the same batch may be taken later."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class Sink(Protocol):
    """A place where outputs go."""

    name: ClassVar[str]

    def write(self, batch: Batch) -> None:
        """Write and flush; raises ``SinkError``."""
        ...

    def close(self) -> None: ...


def refuse_not_finite(batch: Batch) -> None:
    """Every sink calls this first: JSON would turn such a number into ``null``, and a table would keep it for ever.

    The float columns of ``counts`` are left to the sinks that read them (there NaN means "no reading").

    Raises:
        SinkError: not retryable; names the noun that holds a NaN or an infinity.
    """
    for noun, numbers in _numbers(batch):
        if not all(map(isfinite, numbers)):
            raise SinkError(f"{noun} holds a number that is not finite; the batch was refused whole", retryable=False)


def _numbers(batch: Batch) -> Iterator[tuple[str, list[float]]]:
    for scores in batch.scores:
        for column in (scores.observed, scores.expected, scores.p, scores.recurrence_s, scores.risk):
            yield "a score", column
    for _, transition in batch.transitions:
        yield "a transition", [transition.risk, transition.recurrence_s]
    for alert in batch.alerts:
        yield "an alert", [alert.risk, alert.initial_risk, alert.recurrence_s]
        for member in alert.members:
            yield "an alert's member", [member.risk, member.recurrence_s]
            yield "an alert's evidence", [number for evidence in member.evidence for number in _evidence(evidence)]


def _evidence(evidence: Evidence) -> tuple[float, float, float, float, float]:
    return evidence.observed, evidence.expected, evidence.lower, evidence.upper, evidence.p
