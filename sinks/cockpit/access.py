"""Who asks, and what of the city they may see and do. An endpoint takes a ``Who``; that is all it needs to know of users and sessions.

Every request has passed the guard (``sinks.cockpit.guard``) before: an endpoint that asks for no ``Who`` is still refused to strangers.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any, Literal, NamedTuple, Protocol

import msgspec
from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from sinks.cockpit.views import Places
from streams.model import Alert, Transition

Role = Literal["viewer", "operator", "expert", "commander", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "expert", "commander", "admin")
"""From least to most: each may do what those before it may."""

WHOLE = "*"
"""As a scope: the whole city, and what stands under no area of it."""
SIGHTS_MAX = 256

LEAST: Mapping[str, Role] = {
    "seen": "operator",
    "acknowledge": "operator",
    "assign": "operator",
    "hand": "operator",
    "comment": "operator",
    "resolve": "operator",
    "label": "operator",
    "step": "operator",
    "open": "operator",
    "merge": "operator",
    "split": "operator",
    "silence": "operator",
    "unsilence": "operator",
    "dissent": "expert",
}
"""The least role that may give a command of a kind; a kind that is not here is for ``admin``. Silences of the whole city: ``commander``."""


class Audit(Protocol):
    """Where it is written down who looked and who acted."""

    def did(self, actor: str, role: str, action: str, subject: str = "", area: str = "") -> None:
        """An action, before it is carried out; safe on disk when this returns. Raises ``NotAudited``."""

    def saw(self, actor: str, role: str, action: str, subject: str = "", area: str = "") -> None:
        """A view. One that cannot be written down is counted, and told as soon as there is room again."""


class NotAudited(Exception):
    """An action could not be written down, so it must not happen."""


class Sight:
    """The part of the city that a scope shows: its areas with their subtrees. Of what lies above, names only."""

    def __init__(self, places: Places, scope: tuple[str, ...]) -> None:
        self.scope = tuple(sorted(set(scope)))
        self._roots = roots = {code for code, area in places.areas.items() if area.parent is None}
        self.whole = WHOLE in self.scope or (bool(roots) and roots <= set(self.scope))
        self._seen = frozenset(code for code in places.areas if set(places.lineage(code)) & set(self.scope))
        elsewhere = {area.name for code, area in places.areas.items() if code not in self._seen}
        self._own = {code: places.areas[code].name for code in sorted(self._seen) if places.areas[code].name not in elsewhere}
        self._above = frozenset(at for code in self.scope if code in places.areas for at in places.lineage(code)) - self._seen

    def is_root(self, area: str) -> bool:
        """Whether an area is the whole city."""
        return area in self._roots

    def sees(self, area: str) -> bool:
        """Whether what happens in an area may be shown."""
        return self.whole or area in self._seen

    def names(self, area: str) -> bool:
        """Whether an area may be named: seen, or above one that is."""
        return self.whole or area in self._seen or area in self._above

    def sees_alert(self, alert: Alert) -> bool:
        """An alert shows when its area, or that of one of its members, does."""
        return self.whole or alert.area in self._seen or any(member.area in self._seen for member in alert.members)

    def narrow(self, alert: Alert) -> Alert | None:
        """The alert without what lies outside; None when nothing of it shows. The very same object when all of it does.

        State, band and risk stay those of the whole incident. Whose duty it is shows where that area may be named.
        """
        if self.whole:
            return alert
        members = tuple(member for member in alert.members if member.area in self._seen)
        if not members and alert.area not in self._seen:
            return None
        duty = alert.duty if alert.duty is not None and self.names(alert.duty.area) else None
        if len(members) == len(alert.members) and alert.area in self._seen:
            return alert if duty is alert.duty else msgspec.structs.replace(alert, duty=None)
        if not members:
            return msgspec.structs.replace(alert, members=(), signals=(), why="", duty=duty)
        worst = max(members, key=lambda m: (m.risk, m.recurrence_s, m.area, m.signal))
        signals = {member.signal for member in members}
        return msgspec.structs.replace(
            alert,
            area=alert.area if self.names(alert.area) else worst.area,
            signals=tuple(name for name in alert.signals if name in signals),
            why=alert.why if alert.why in {member.why for member in members} else worst.why,
            members=members,
            duty=duty,
        )

    def step(self, step: Transition, alert: Alert | None) -> Transition | None:
        """A step of an alert (as it is known now), without what lies outside; None when nothing of it shows.

        The alert may have lost members since: what the step says of signals and why shows as far as it is of what shows now.
        """
        if self.whole:
            return step
        shown = self.narrow(alert) if alert is not None else None
        if shown is None:
            if alert is not None or not self.sees(step.area):
                return None
            why = step.why if self._is_about(step) else ""
            return msgspec.structs.replace(step, signals=(), why=why, what=self._what(step))
        assert alert is not None
        now = alert.seq == step.seq
        if shown is alert and now and self.sees(step.area) and self._what(step) == step.what:
            return step
        kept = step.why in {member.why for member in shown.members} or self._is_about(step)
        return msgspec.structs.replace(
            step,
            area=step.area if self.names(step.area) else shown.area,
            signals=tuple(name for name in step.signals if name in shown.signals),
            why=step.why if kept else shown.why if now else "",
            what=self._what(step),
        )

    def _what(self, step: Transition) -> str:
        """To where an alert was handed or has gone up, "area/department", where that area may be named."""
        area, slash, _ = step.what.partition("/")
        return step.what if not slash or self.names(area) else ""

    def _is_about(self, step: Transition) -> bool:
        """Whether the sentence that says why is about the step's own area, by its name, and that is one that shows."""
        name = self._own.get(step.area)
        return name is not None and f", {name}: " in step.why


class Sights:
    """Sights by their scope; bounded, the one that was used longest ago leaves."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._mutex = threading.Lock()
        self._made: OrderedDict[tuple[str, ...], Sight] = OrderedDict()

    def of(self, scope: tuple[str, ...]) -> Sight:
        """The sight of a scope."""
        with self._mutex:
            sight = self._made.pop(scope, None) or Sight(self._places, scope)
            self._made[scope] = sight
            if len(self._made) > SIGHTS_MAX:
                self._made.popitem(last=False)
            return sight


class Caller(NamedTuple):
    """Who asks. ``actor`` is a pseudonym; ``speaks_for_others``: a program that names the actor of a command itself."""

    actor: str
    role: Role
    sight: Sight
    audit: Audit
    speaks_for_others: bool = False
    session: str = ""  # the session's cookie value; empty: a bearer token
    key: str = ""  # by which the guard knows whether it still holds

    @property
    def scope(self) -> tuple[str, ...]:
        return self.sight.scope

    def may_see(self, area: str) -> bool:
        """Whether what happens in an area may be shown to them."""
        return self.sight.sees(area)

    def at_least(self, role: Role) -> bool:
        """Whether their role includes another."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def may(self, kind: str) -> bool:
        """Whether they may give commands of a kind at all."""
        return self.at_least(LEAST.get(kind, "admin"))

    def hears(self, actor: str) -> bool:
        """Whether the outcome of a command is theirs to know."""
        return actor == self.actor or self.hears_all

    @property
    def hears_all(self) -> bool:
        """Whether everything that happens is theirs to know."""
        return self.sight.whole and (self.speaks_for_others or self.at_least("commander"))

    def require(self, role: Role, *, whole: bool = False) -> None:
        """Refuse who has not at least a role, or sees not the whole city.

        Raises:
            HTTPException: 403.
        """
        if not self.at_least(role):
            raise HTTPException(HTTPStatus.FORBIDDEN, f"this needs the role {role}")
        if whole and not self.sight.whole:
            raise HTTPException(HTTPStatus.FORBIDDEN, "this tells of the whole city, and your scope is a part of it")

    async def saw(self, what: str, subject: str = "", area: str = "") -> None:
        """Write down that they looked at something."""
        await run_in_threadpool(self.audit.saw, self.actor, self.role, what, subject, area)

    async def did(self, what: str, subject: str = "", area: str = "") -> None:
        """Write down what they are about to do.

        Raises:
            HTTPException: 503, it cannot be written down and must not happen.
        """
        try:
            await run_in_threadpool(self.audit.did, self.actor, self.role, what, subject, area)
        except NotAudited:
            raise not_audited() from None


def not_audited() -> HTTPException:
    """The refusal of an action that could not be written down."""
    return HTTPException(
        HTTPStatus.SERVICE_UNAVAILABLE, "the audit cannot be written, so nothing was done; try again", {"Retry-After": "5"}
    )


class Gate(Protocol):
    """Tells who asks. The guard asks it for each request."""

    def enter(self, method: str, headers: Mapping[str, str]) -> Caller:
        """The caller of a request. Raises ``HTTPException``: 401 nobody that is known, 403 a changing request without its CSRF token."""

    def holds(self, caller: Caller) -> bool:
        """Whether a caller who has been let in still would be: for answers that go on for hours."""


def caller(request: Request) -> Caller:
    """The caller whom the guard has let in."""
    known: Any = request.scope.get("state", {}).get("caller")
    if not isinstance(known, Caller):
        raise HTTPException(HTTPStatus.UNAUTHORIZED, "sign in first", {"WWW-Authenticate": "Bearer"})
    return known


Who = Annotated[Caller, Depends(caller)]
"""The type of an endpoint's parameter that is the caller: ``async def alerts(who: Who)``."""
