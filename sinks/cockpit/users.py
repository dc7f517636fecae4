"""Who may sign in: the users file, read strictly, and looked at again while running. Passwords are there as argon2id hashes, tokens as SHA-256.

A token has 256 bits of chance, so a plain hash hides it; a password has not, so its hash is made slow.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import argon2
from msgspec import Meta, Struct, field

from sinks.cockpit.access import WHOLE, Role
from streams.yaml_file import Document, Problems, nearest, read_document, read_section

KEYS = ("users", "sessions")
USERS_MAX = 2_000
TOKENS_MAX = 20
LOOK_S = 1.0
NAME = re.compile(r"[\w.@-]{1,64}")
"""A name to sign in with, and a pseudonym."""

Hash = Annotated[str, Meta(pattern=r"^(\$argon2id\$[\w$+/=,.-]{20,300})?$")]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class Token(Struct, frozen=True):
    """A key of a program. ``expires`` is the last day (UTC) that it opens on; ``speaks_for_others``: it names the actor of a command itself."""

    name: str
    sha256: Digest
    expires: str
    speaks_for_others: bool = False


class User(Struct, frozen=True):
    """Somebody. ``pseudonym`` is how they appear to others and in the audit: without one, under their name. No ``scope``: they see nothing."""

    name: str
    role: Role
    scope: tuple[str, ...] = ()
    pseudonym: str = ""
    password: Hash = ""
    tokens: dict[str, Token] = field(default_factory=dict)

    @property
    def actor(self) -> str:
        return self.pseudonym or self.name


class SessionLimits(Struct, frozen=True):
    """How long a session lasts: unused, and at all; how many there may be."""

    idle_s: int = 2 * 3600
    absolute_s: int = 12 * 3600
    sessions_max: int = 1000


class Key(NamedTuple):
    """Whom a token opens for, until when."""

    user: User
    token: Token
    until_s: int


class Users(NamedTuple):
    """What a users file says."""

    users: Mapping[str, User]
    limits: SessionLimits = SessionLimits()
    keys: Mapping[str, Key] = {}  # by the token's hash


class Change(NamedTuple):
    """The users file is another one, or cannot be used, which ``problems`` says; names are pseudonyms."""

    problems: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


class UsersError(Exception):
    """A users file that cannot be used: every problem with file, line, value and remedy."""

    def __init__(self, problems: Collection[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


def digest(secret: str) -> str:
    """What is kept of a token, or of a session's cookie."""
    return hashlib.sha256(secret.encode()).hexdigest()


def read_users(path: Path, areas: Collection[str] | None = None) -> Users:
    """A users file; ``areas`` are the codes that a scope may name, None: not known here.

    Raises:
        UsersError: what is wrong with it, all at once. No hash and no password is repeated.
    """
    problems = Problems()
    document = read_document(path, problems, begin="users:")
    if document.data is None:
        raise UsersError(problems.listed())
    if (mode := path.stat().st_mode & 0o777) & 0o077:
        problems.add(document.file, 1, f"mode {mode:03o} lets others read it; run chmod 600 {path}")
    for key in document.data:
        if key not in KEYS:
            document.refuse((key,), f"the key {key!r} is not known here; {nearest(key, KEYS)}")
    _hide_secrets(document)
    users = read_section(document, dict[str, User], "users", absent={})
    limits = read_section(document, SessionLimits, "sessions", absent=SessionLimits())
    keys = _checked(document, users, areas) if users is not None else {}
    if len(problems):
        raise UsersError(problems.listed())
    return Users(users, limits, keys)


def _hide_secrets(document: Document) -> None:
    """A password or token that is not of its form is refused here, where its value is not repeated."""
    users = _mapping(document, document.data, ("users",))
    for name in list(users):
        user = _mapping(document, users, ("users", name))
        if "password" in user and not _is_hash(user["password"]):
            document.refuse(("users", name, "password"), "is no argon2id hash; set it with: tocsin users add")
            user["password"] = ""
        tokens = _mapping(document, user, ("users", name, "tokens"))
        for label in list(tokens):
            token = _mapping(document, tokens, ("users", name, "tokens", label))
            if label in tokens and not re.fullmatch("[0-9a-f]{64}", str(token.get("sha256", ""))):
                document.refuse(
                    ("users", name, "tokens", label, "sha256"), "is no hash of 64 hex digits; make one with: tocsin users token"
                )
                token["sha256"] = "0" * 64


def _mapping(document: Document, within: Any, path: tuple[str, ...]) -> Any:
    """What stands at the end of a path; anything but a mapping is refused and taken out, since it may be a secret out of place."""
    value = within.get(path[-1])
    if value is None or isinstance(value, dict):
        return value or {}
    document.refuse(path, "is not a mapping; write 'key: value' under it")
    del within[path[-1]]
    return {}


def _is_hash(text: object) -> bool:
    if not isinstance(text, str):
        return False
    try:
        return argon2.extract_parameters(text).type is argon2.Type.ID
    except argon2.exceptions.InvalidHashError:
        return False


def _checked(document: Document, users: Mapping[str, User], areas: Collection[str] | None) -> dict[str, Key]:
    """What must hold between the values; the keys by their hashes."""
    keys: dict[str, Key] = {}
    actors: dict[str, str] = {}
    if len(users) > USERS_MAX:
        document.refuse(("users",), f"has more than {USERS_MAX} users; remove those who have gone")
    for name, user in users.items():
        at = ("users", name)
        for what, text in (("name", name), ("pseudonym", user.actor)):
            if not NAME.fullmatch(text):
                document.refuse(at, f"the {what} {text!r} is not 1 to 64 letters, digits or . @ _ -; write another one")
        if (other := actors.setdefault(user.actor, name)) != name:
            document.refuse((*at, "pseudonym"), f"{user.actor!r} is that of {other!r} too; write another one")
        for i, code in enumerate(user.scope):
            if code != WHOLE and areas is not None and code not in areas:
                document.refuse((*at, "scope", i), f"{code!r} is not an area; {nearest(code, tuple(sorted(areas)))}")
        _check_tokens(document, user, keys)
    return keys


def _check_tokens(document: Document, user: User, keys: dict[str, Key]) -> None:
    at = ("users", user.name, "tokens")
    if len(user.tokens) > TOKENS_MAX:
        document.refuse(at, f"has more than {TOKENS_MAX} tokens; remove those that nobody uses")
    for label, token in user.tokens.items():
        until_s = _end_of(token.expires)
        if until_s is None:
            document.refuse((*at, label, "expires"), f"{token.expires!r} is not a day; write YYYY-MM-DD")
        if token.speaks_for_others and WHOLE not in user.scope:
            document.refuse((*at, label, "speaks_for_others"), 'needs the scope ["*"]; who speaks for anybody sees what they see')
        if token.sha256 in keys:
            document.refuse((*at, label, "sha256"), "is that of another token too; make a new one with: tocsin users token")
        keys[token.sha256] = Key(user, token, until_s or 0)


def _end_of(day: str) -> int | None:
    try:
        last = date.fromisoformat(day) + timedelta(days=1)
    except (ValueError, OverflowError):
        return None
    return int(datetime(last.year, last.month, last.day, tzinfo=UTC).timestamp())


class Directory:
    """The users file as it is now: looked at again at most each second. A file that has become unusable leaves what was."""

    def __init__(self, path: Path, areas: Collection[str], now_s: Callable[[], float], *, first: Users | None = None) -> None:
        """``first``: who may sign in as long as there is no file.

        Raises:
            UsersError: there is a file, and it cannot be used; or there is none, and no ``first``.
        """
        self.path = path
        self.heard: Callable[[Change], None] = lambda _: None
        """Called when the file has changed, in whichever thread has found out."""
        self.failures = 0
        self._areas = areas
        self._now_s = now_s
        self._looked_s = now_s()
        self._seen = self._stat()
        self._users = first if first is not None and not path.exists() else read_users(path, areas)

    def current(self) -> Users:
        """Who there is."""
        now_s = self._now_s()
        if not 0 <= now_s - self._looked_s < LOOK_S:
            self._looked_s = now_s
            seen = self._stat()
            if seen != self._seen:
                self._seen = seen
                self._read()
        return self._users

    def _read(self) -> None:
        try:
            users = read_users(self.path, self._areas)
        except UsersError as error:
            self.failures += 1
            self.heard(Change(error.problems))
            return
        before, self._users = self._users.users, users
        after = users.users
        self.heard(
            Change(
                (),
                tuple(sorted(after[name].actor for name in after.keys() - before.keys())),
                tuple(sorted(before[name].actor for name in before.keys() - after.keys())),
                tuple(sorted(after[name].actor for name in after.keys() & before.keys() if after[name] != before[name])),
            )
        )

    def _stat(self) -> tuple[int, int, int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode
