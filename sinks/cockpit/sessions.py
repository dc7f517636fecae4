"""Sessions of people: bounded in number and time, kept in a file so that a restart signs nobody out. Only hashes of cookies are kept."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import threading
from pathlib import Path

import msgspec
from msgspec import Struct

from sinks.cockpit.users import SessionLimits, User, digest

PER_USER_MAX = 10
SAVE_S = 60.0
COOKIE_BYTES = 32


class Session(Struct):
    """One. ``mark`` is a hash of the user's password hash: with another password the session is over."""

    user: str
    mark: str
    made_s: float
    seen_s: float


class Sessions:
    """All of a process. Every method may be called from any thread."""

    def __init__(self, path: Path | None) -> None:
        """``path`` None keeps them in memory alone. A file that cannot be read is begun anew: people sign in again."""
        self._path = path
        self._mutex = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._saved_s = 0.0
        self.left = 0  # sessions that ended for want of room
        self.failures = 0  # times the file could not be written
        if path is not None:
            with contextlib.suppress(OSError, msgspec.MsgspecError):
                self._sessions = msgspec.json.decode(path.read_bytes(), type=dict[str, Session])

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, user: User, limits: SessionLimits, now_s: float) -> str:
        """The value of the cookie of a new session; the oldest one leaves when a bound is passed."""
        cookie = secrets.token_urlsafe(COOKIE_BYTES)
        with self._mutex:
            for key in [key for key, each in self._sessions.items() if _over(each, limits, now_s)]:
                del self._sessions[key]
            self._make_room([key for key, each in self._sessions.items() if each.user == user.name], PER_USER_MAX)
            self._make_room(list(self._sessions), limits.sessions_max)
            self._sessions[digest(cookie)] = Session(user.name, mark(user), now_s, now_s)
            self._save(now_s)
        return cookie

    def find(self, cookie: str, limits: SessionLimits, now_s: float, *, touch: bool = True) -> Session | None:
        """The session of a cookie, unless it is over; ``touch``: it has been used."""
        with self._mutex:
            session = self._sessions.get(digest(cookie))
            if session is None or _over(session, limits, now_s):
                return None
            if touch:
                session.seen_s = now_s
                if now_s - self._saved_s > SAVE_S:
                    self._save(now_s)
            return session

    def end(self, cookie: str, now_s: float) -> None:
        """It is over."""
        with self._mutex:
            if self._sessions.pop(digest(cookie), None) is not None:
                self._save(now_s)

    def _make_room(self, held: list[str], most: int) -> None:
        for key in sorted(held, key=lambda key: self._sessions[key].seen_s)[: max(0, len(held) + 1 - most)]:
            del self._sessions[key]
            self.left += 1

    def _save(self, now_s: float) -> None:
        self._saved_s = now_s
        if self._path is None:
            return
        temporary = self._path.with_name(f"{self._path.name}.new")
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(msgspec.json.encode(self._sessions))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
        except OSError:
            self.failures += 1  # they go on in memory


def expires_s(session: Session, limits: SessionLimits) -> int:
    """When it ends if nobody uses it any more."""
    return int(min(session.seen_s + limits.idle_s, session.made_s + limits.absolute_s))


def mark(user: User) -> str:
    """What a session remembers of a user's password."""
    return digest(user.password)[:16]


def csrf(cookie: str) -> str:
    """What a changing request must show besides its cookie. It follows from the cookie, which a page of another site cannot read."""
    return hashlib.sha256(b"csrf " + cookie.encode()).hexdigest()


def _over(session: Session, limits: SessionLimits, now_s: float) -> bool:
    return now_s >= session.seen_s + limits.idle_s or now_s >= session.made_s + limits.absolute_s
