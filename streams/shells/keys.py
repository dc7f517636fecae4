"""Secrets of a state folder: the key of the keyed hashes and the token of the ingest endpoint, made at first start."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from streams.shells.errors import ShellError

KEY_BYTES = 32
TOKEN_VARIABLE = "TOCSIN_INGEST_TOKEN"


class KeyFileError(ShellError):
    """A key or token file that cannot be used; the message names it and says what to do."""


def key_file(folder: Path) -> Path:
    """Where a state folder keeps its key."""
    return folder / "key"


def token_file(folder: Path) -> Path:
    """Where a state folder keeps its ingest token."""
    return folder / "token"


def load_key(folder: Path) -> bytes:
    """The folder's key of 32 bytes; made on first use.

    Raises:
        KeyFileError: wrong length, or readable by others than its owner.
    """
    path = key_file(folder)
    if not path.exists():
        _write_private(path, secrets.token_bytes(KEY_BYTES))
    _refuse_open(path)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise KeyFileError(f"{path}: {len(key)} bytes, a key has {KEY_BYTES}; restore the file that this folder was made with")
    return key


def load_token(folder: Path) -> str:
    """The Bearer token of ``POST /ingest``: from the environment, else the folder's file, made on first use."""
    given = os.environ.get(TOKEN_VARIABLE, "")
    if given:
        return given
    path = token_file(folder)
    if not path.exists():
        _write_private(path, secrets.token_urlsafe(32).encode() + b"\n")
    _refuse_open(path)
    token = path.read_text().strip()
    if len(token) < 16:
        raise KeyFileError(f"{path}: a token has at least 16 characters; remove the file to have a new one made")
    return token


def key_id(key: bytes) -> str:
    """A name for a key that does not give it away."""
    return hmac.new(key, b"tocsin key id", hashlib.sha256).hexdigest()[:16]


def _write_private(path: Path, data: bytes) -> None:
    """Make the file whole and for its owner only, unless another process has just made it."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(temporary)
    finally:
        temporary.unlink()


def _refuse_open(path: Path) -> None:
    mode = path.stat().st_mode & 0o777
    if mode & 0o077:
        raise KeyFileError(f"{path}: mode {mode:03o} lets others read it; run chmod 600 {path}")
