"""Damage: what cannot be read back is refused with one kind of error that says what to do, whatever is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

REBUILD = "rebuild it from the journal"
_SIGNS = (
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


@contextmanager
def refused(what: str, remedy: str = REBUILD) -> Iterator[None]:
    """Reads bytes that may be damaged.

    Raises:
        ValueError: they are. What was half read is not to be used.

    >>> with refused("snapshot of score"):
    ...     {}["version"]
    Traceback (most recent call last):
    ...
    ValueError: snapshot of score is damaged (KeyError): rebuild it from the journal
    """
    try:
        yield
    except _SIGNS as error:
        raise ValueError(f"{what} is damaged ({type(error).__name__}): {remedy}") from None
