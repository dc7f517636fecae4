"""Changes a users file from the command line: comments and order stay, and what would not be usable is not written."""

from __future__ import annotations

import fcntl
import io
import os
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import argon2
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from sinks.cockpit.users import UsersError, digest, read_users
from streams.shells.errors import ShellError

PASSWORD_CHARS_MIN = 12
PASSWORD_CHARS_MAX = 1024
TOKEN_BYTES = 32
HEAD = '# Who may sign in. Made by: tocsin users. Roles: viewer, operator, expert, commander, admin; scope: area codes, or "*".\n'


class UsersFileError(ShellError):
    """A change that cannot be made; the message says what to do."""


def put(
    path: Path, name: str, *, role: str, scope: Collection[str] | None, pseudonym: str, password: str, areas: Collection[str] | None
) -> bool:
    """Add a user, or change what is given of one; whether they are new.

    Raises:
        UsersFileError: the file would not be usable.
    """
    if password and not PASSWORD_CHARS_MIN <= len(password) <= PASSWORD_CHARS_MAX:
        raise UsersFileError(f"the password has {len(password)} characters; at least {PASSWORD_CHARS_MIN}, such as four words")
    with _changing(path, areas) as users:
        new = name not in users
        user = users.setdefault(name, {})
        if role or new:
            user["role"] = role or "viewer"
        if scope is not None:
            user["scope"] = list(scope)
        if pseudonym:
            user["pseudonym"] = pseudonym
        if password:
            user["password"] = argon2.PasswordHasher().hash(password)
    return new


def remove(path: Path, name: str) -> None:
    """Remove a user, with all tokens.

    Raises:
        UsersFileError: there is none of this name.
    """
    with _changing(path, None) as users:
        _user(users, name, path)
        del users[name]


def add_token(path: Path, name: str, label: str, *, days: int, speaks_for_others: bool, now: datetime) -> str:
    """A new token of a user, in place of one with the same label; only its hash is kept.

    Raises:
        UsersFileError: there is no such user, or the file would not be usable.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    with _changing(path, None) as users:
        kept: dict[str, Any] = {"sha256": digest(token), "expires": (now.astimezone(UTC) + timedelta(days=days)).date().isoformat()}
        if speaks_for_others:
            kept["speaks_for_others"] = True
        _user(users, name, path).setdefault("tokens", {})[label] = kept
    return token


def remove_token(path: Path, name: str, label: str) -> None:
    """Remove a token.

    Raises:
        UsersFileError: there is none of this label.
    """
    with _changing(path, None) as users:
        tokens = _user(users, name, path).get("tokens", {})
        if label not in tokens:
            raise UsersFileError(f"{path}: {name!r} has no token {label!r}; it has {', '.join(sorted(tokens)) or 'none'}")
        del tokens[label]


def _user(users: Any, name: str, path: Path) -> Any:
    if name not in users:
        raise UsersFileError(f"{path}: there is no user {name!r}; tocsin users list tells them")
    return users[name]


@contextmanager
def _changing(path: Path, areas: Collection[str] | None) -> Iterator[Any]:
    """The mapping of users, to be changed; afterwards the file, if it is usable so. One at a time."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (path.parent / f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yaml = YAML(typ="rt", pure=True)
        yaml.width = 200
        if path.exists():
            with _told(path, path):
                read_users(path)
        try:
            tree = yaml.load(path.read_text(encoding="utf-8") if path.exists() else HEAD + "users: {}\n")
        except (OSError, YAMLError) as error:
            raise UsersFileError(f"{path}: cannot be read ({type(error).__name__}); mend it first") from None
        if tree.get("users") is None:
            tree["users"] = {}
        if hasattr(tree["users"], "fa"):
            tree["users"].fa.set_block_style()
        yield tree["users"]
        text = io.StringIO()
        yaml.dump(tree, text)
        _replace(path, text.getvalue(), areas)


def _replace(path: Path, text: str, areas: Collection[str] | None) -> None:
    temporary = path.with_name(f"{path.name}.new")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        with _told(temporary, path):
            read_users(temporary, areas)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def _told(read: Path, named: Path) -> Iterator[None]:
    """What is wrong with the file that was ``read``, under the name that people know."""
    try:
        yield
    except UsersError as error:
        raise UsersFileError("\n".join(problem.replace(f"{read}:", f"{named}:", 1) for problem in error.problems)) from None
