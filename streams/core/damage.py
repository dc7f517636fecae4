"""Damage: what cannot be read back is refused with one kind of error that says what to do, whatever is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

REBUILD = "rebuild it from the journal"
_SIGNS: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
    msgspec.MsgspecError,
)


class SnapshotRefused(ValueError):
    """A snapshot that cannot be gone on from: of another version, under another configuration, or damaged."""


@contextmanager
def refused(what: str, remedy: str = REBUILD, *, of: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Reads bytes that may be damaged. ``of``: further signs of it.

    Raises:
        SnapshotRefused: they are. What was half read is not to be used.

    >>> with refused("snapshot of score"):
    ...     {}["version"]
    Traceback (most recent call last):
    ...
    streams.core.damage.SnapshotRefused: snapshot of score is damaged (KeyError): rebuild it from the journal
    """
    try:
        yield
    except _SIGNS + of as error:
        raise SnapshotRefused(f"{what} is damaged ({type(error).__name__}): {remedy}") from None
