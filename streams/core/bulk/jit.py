"""Compiled functions: numba's, kept on disk where there is a place for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as machine code, made when it is first called; without a folder to keep it in, made again in each process."""
    try:
        made: Callable[..., Any] = numba.njit(cache=True, **_OPTIONS)(function)
    except RuntimeError:  # no folder of numba's choice can be written
        made = numba.njit(**_OPTIONS)(function)
    return made


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same, put into those that call it."""
    made: Callable[..., Any] = numba.njit(inline="always", **_OPTIONS)(function)
    return made
