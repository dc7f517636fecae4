"""What a sink is. Every sink has the same anatomy: open, ``write`` a batch, flush or raise, close.

``write`` is idempotent: each row carries a deterministic key, so a batch may be written again after a crash. When
``write`` returns, the batch is durable; when it raises ``SinkError``, the caller keeps the batch and, if
``retryable``, offers it again. A sink holds no queue of its own.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

from msgspec import Struct

from streams.model import Alert, Command, Counts, Rejected, Scores, Transition


class Batch(Struct, frozen=True):
    """What the core put out since the last write.

    ``counts`` carry the position of their journal record, ``transitions`` the position in the alerts journal, which
    is also the event id of the feed: strictly increasing, kept over restarts.
    """

    counts: tuple[tuple[int, Counts], ...] = ()
    scores: tuple[Scores, ...] = ()
    transitions: tuple[tuple[int, Transition], ...] = ()
    alerts: tuple[Alert, ...] = ()  # the newest state of each alert that changed
    commands: tuple[Command, ...] = ()
    rejected: tuple[Rejected, ...] = ()


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
