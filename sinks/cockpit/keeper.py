"""The gate of a running cockpit: users, sessions, tokens and one-time links; who guesses is slowed down, and everything is audited."""

from __future__ import annotations

import ipaddress
import secrets
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple

import argon2
from starlette.exceptions import HTTPException
from starlette.requests import cookie_parser

from sinks.cockpit.access import Audit, Caller, NotAudited, Sights, not_audited
from sinks.cockpit.sessions import Session, Sessions, csrf, expires_s, mark
from sinks.cockpit.throttle import Throttle
from sinks.cockpit.users import Change, Directory, User, Users, digest
from sinks.cockpit.views import Places

SAFE = ("GET", "HEAD", "OPTIONS")
HASHES_AT_ONCE = 2  # each takes 64 MiB for a moment
HASH_WAIT_S = 5.0
USER_FREE, USER_WAIT_S_MAX = 5, 60.0
ADDRESS_FREE, ADDRESS_WAIT_S_MAX = 20, 900.0
LINK_S = 600.0
LINK_BYTES = 32


class SignedIn(NamedTuple):
    """A session has begun."""

    caller: Caller
    expires_s: int


class Link(NamedTuple):
    """An address that signs a user in, once."""

    digest: str
    user: str
    until_s: float


class Keeper:
    """Knows who is who. ``directory`` is asked each time, so what changes in the users file holds from the next request on."""

    def __init__(
        self,
        directory: Directory | Users,
        sessions: Sessions,
        places: Places,
        audit: Audit,
        now_s: Callable[[], float],
        *,
        secure: bool,
    ) -> None:
        """``secure``: browsers come by TLS, so the cookie never goes without."""
        self.audit = audit
        self.sessions = sessions
        self.throttled = 0
        self.by_user = Throttle(free=USER_FREE, wait_s_max=USER_WAIT_S_MAX)
        self.by_address = Throttle(free=ADDRESS_FREE, wait_s_max=ADDRESS_WAIT_S_MAX)
        self.secure = secure
        self.cookie = "__Host-tocsin" if secure else "tocsin_session"
        self._directory = directory
        self._sights = Sights(places)
        self._now_s = now_s
        self._hasher = argon2.PasswordHasher()
        self._slots = threading.BoundedSemaphore(HASHES_AT_ONCE)
        self._decoy = ("", "")  # made with the same costs as a hash that a user has, and itself
        self._links: list[Link] = []
        self._links_mutex = threading.Lock()

    def users(self) -> Users:
        """Who there is now."""
        return self._directory.current() if isinstance(self._directory, Directory) else self._directory

    @property
    def failures(self) -> int:
        """How often the users file could not be used, or the sessions not be kept."""
        return self.sessions.failures + (self._directory.failures if isinstance(self._directory, Directory) else 0)

    # the gate

    def enter(self, method: str, headers: Mapping[str, str]) -> Caller:
        """The caller of a request, by token or by cookie.

        Raises:
            HTTPException: 401 or 403.
        """
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme:
            known = self._by_token(digest(token.strip())) if scheme.lower() == "bearer" else None
        else:
            cookie = self._cookie_of(headers)
            known = self._by_cookie(cookie) if cookie else None
            if known is not None and method not in SAFE:
                given = headers.get("x-csrf-token", "")
                if not secrets.compare_digest(given.encode(), csrf(cookie).encode()):
                    raise HTTPException(
                        HTTPStatus.FORBIDDEN, "a request that changes something needs the header X-CSRF-Token of the session"
                    )
        if known is None:
            raise HTTPException(HTTPStatus.UNAUTHORIZED, "sign in, or bring a token that is in force", {"WWW-Authenticate": "Bearer"})
        return known

    def holds(self, caller: Caller) -> bool:
        """Whether a caller would still be let in as the same."""
        now = self._by_cookie(caller.session, touch=False) if caller.session else self._by_token(caller.key)
        return now is not None and (now.actor, now.role, now.scope) == (caller.actor, caller.role, caller.scope)

    def _by_token(self, key: str) -> Caller | None:
        found = self.users().keys.get(key)
        if found is None or self._now_s() >= found.until_s:
            return None
        return self._caller(found.user)._replace(speaks_for_others=found.token.speaks_for_others, key=key)

    def _by_cookie(self, cookie: str, *, touch: bool = True) -> Caller | None:
        found = self._session(cookie, touch=touch)
        return self._caller(found[0])._replace(session=cookie) if found else None

    def _session(self, cookie: str, *, touch: bool) -> tuple[User, Session] | None:
        users = self.users()
        session = self.sessions.find(cookie, users.limits, self._now_s(), touch=touch)
        user = users.users.get(session.user) if session else None
        return (user, session) if user is not None and session is not None and session.mark == mark(user) else None

    def _caller(self, user: User) -> Caller:
        return Caller(user.actor, user.role, self._sights.of(user.scope), self.audit)

    def _cookie_of(self, headers: Mapping[str, str]) -> str:
        return cookie_parser(headers.get("cookie", "")).get(self.cookie, "")

    def expires_s(self, caller: Caller) -> int | None:
        """When a caller's session ends if it is not used any more; None: there is none."""
        found = self._session(caller.session, touch=False) if caller.session else None
        return expires_s(found[1], self.users().limits) if found else None

    # signing in and out; these take long, and are for worker threads

    def sign_in(self, name: str, password: str, address: str) -> SignedIn:
        """Begin a session.

        Raises:
            HTTPException: 401 wrong, 429 too many attempts, 503 too many at once or not auditable.
        """
        now_s, place = self._now_s(), network(address)
        key = digest(name)
        wait_s = self.by_address.begin(place, now_s) or self.by_user.begin(key, now_s)
        if wait_s:
            self.throttled += 1
            raise HTTPException(HTTPStatus.TOO_MANY_REQUESTS, "too many attempts; wait", {"Retry-After": str(int(wait_s) + 1)})
        user = self.users().users.get(name)
        if not self._fits(user, password):
            self.audit.saw(user.actor if user else "", user.role if user else "", "login_failed", "" if user else "no such user")
            raise HTTPException(HTTPStatus.UNAUTHORIZED, "user or password is wrong", {"WWW-Authenticate": "Bearer"})
        assert user is not None
        self.by_user.clear(key)
        self.by_address.undo(place, now_s)
        return self._begin(user, "login")

    def _fits(self, user: User | None, password: str) -> bool:
        """Takes as long for a user who is not there."""
        if not self._slots.acquire(timeout=HASH_WAIT_S):
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "too many sign in at once; try again", {"Retry-After": "2"})
        try:
            decoy = self._a_decoy()
            self._hasher.verify(user.password if user is not None and user.password else decoy, password)
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
        finally:
            self._slots.release()
        return user is not None and bool(user.password)

    def _a_decoy(self) -> str:
        """A hash that nothing fits, as slow as those of the users."""
        kept = next((user.password for user in self.users().users.values() if user.password), "")
        costs = kept.rpartition("$")[0].rpartition("$")[0]
        if not self._decoy[1] or self._decoy[0] != costs:
            hasher = argon2.PasswordHasher.from_parameters(argon2.extract_parameters(kept)) if kept else self._hasher
            self._decoy = (costs, hasher.hash(secrets.token_urlsafe(32)))
        return self._decoy[1]

    def _begin(self, user: User, action: str) -> SignedIn:
        try:
            self.audit.did(user.actor, user.role, action)
        except NotAudited:
            raise not_audited() from None
        limits = self.users().limits
        now_s = self._now_s()
        cookie = self.sessions.open(user, limits, now_s)
        return SignedIn(self._caller(user)._replace(session=cookie), int(now_s + min(limits.idle_s, limits.absolute_s)))

    def sign_out(self, caller: Caller) -> None:
        """End a session, audited or not: nobody stays signed in because a disk is full."""
        if caller.session:
            self.sessions.end(caller.session, self._now_s())
            self.audit.saw(caller.actor, caller.role, "logout")

    def link(self, user: str) -> str:
        """The secret of an address that signs a user in: once, within ten minutes."""
        secret = secrets.token_urlsafe(LINK_BYTES)
        self._links.append(Link(digest(secret), user, self._now_s() + LINK_S))
        return secret

    def follow(self, secret: str) -> SignedIn:
        """Begin a session by a link.

        Raises:
            HTTPException: 404, it is not known, was used, or is too old; 503 not auditable.
        """
        key, now_s = digest(secret), self._now_s()
        with self._links_mutex:
            link = next((each for each in self._links if each.digest == key), None)
            self._links = [each for each in self._links if each is not link and now_s < each.until_s]
        user = self.users().users.get(link.user) if link is not None and now_s < link.until_s else None
        if user is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "this link was used, or is older than ten minutes; start again for a new one")
        return self._begin(user, "login_by_link")

    def heard(self, change: Change) -> None:
        """Write down that the users file is another one."""
        if change.problems:
            self.audit.saw("", "", "users_file_refused", f"{len(change.problems)} problems")
        for what, names in (("added", change.added), ("removed", change.removed), ("changed", change.changed)):
            for name in names:
                self.audit.saw("", "", f"user_{what}", name)


def network(address: str) -> str:
    """Where somebody comes from, for slowing down: whole, or of IPv6 the first 64 bits, which one household has.

    >>> network("192.0.2.7"), network("2001:db8:1:2:3::4")
    ('192.0.2.7', '2001:db8:1:2::/64')
    """
    try:
        at = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if at.version == 4:
        return str(at)
    return str(ipaddress.ip_network((int(at) >> 64 << 64, 64)))
