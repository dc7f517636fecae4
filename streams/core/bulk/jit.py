"""Compiled functions: numba's, kept on disk where there is a place for them.

They are kept in a folder of their own for each version of what they are compiled from: numba itself looks at the time of one file only,
and would go on with old constants of another. What is damaged or cannot be written there is compiled without being kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
_kept: list[Any] = []
_config: Any = numba.config


def _version() -> str:
    """Of everything that compiled code may have taken in."""
    core = Path(__file__).parents[1]
    files = sorted([*core.glob("bulk/*.py"), *core.glob("*.py")])
    return hashlib.blake2b(numba.__version__.encode() + b"".join(path.read_bytes() for path in files), digest_size=8).hexdigest()


def _folder() -> str:
    """Where they are kept, below numba's own folder or this one; empty where nothing can be written."""
    base = Path(_config.CACHE_DIR) if _config.CACHE_DIR else Path(__file__).parent / "__pycache__"
    for place in (base, Path.home() / ".cache" / "tocsin"):
        folder = place / f"compiled-{_version()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "writable").write_bytes(b"")
        except OSError:
            continue
        return str(folder)
    return ""


_FOLDER = _folder()


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as machine code, made when it is first called."""
    if not _FOLDER:
        plain: Callable[..., Any] = numba.njit(**_OPTIONS)(function)
        return plain
    before, _config.CACHE_DIR = _config.CACHE_DIR, _FOLDER
    try:
        made: Callable[..., Any] = numba.njit(cache=True, **_OPTIONS)(function)
    finally:
        _config.CACHE_DIR = before
    _kept.append(made)
    return made


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same, put into those that call it."""
    made: Callable[..., Any] = numba.njit(inline="always", **_OPTIONS)(function)
    return made


def warmed(use: Callable[[], object]) -> None:
    """Compile what ``use`` calls. Where what is kept is damaged or cannot be written, without keeping it."""
    try:
        use()
    except Exception:  # noqa: BLE001 - whatever a damaged file may lead to; what is wrong with the code itself comes again below
        for function in _kept:
            function._cache.disable()  # noqa: SLF001 - numba has no other way
        use()
