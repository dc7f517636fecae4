"""Opens what says who may do what in a cockpit: the users file, sessions and audit of a state folder, and who is there when there is no file yet."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import structlog

from sinks.cockpit.access import WHOLE
from sinks.cockpit.audit import AuditError, AuditLog
from sinks.cockpit.keeper import Keeper
from sinks.cockpit.sessions import Sessions
from sinks.cockpit.users import Change, Directory, User, Users, UsersError
from sinks.cockpit.views import Places
from sinks.metrics import Metrics
from streams.model import Area
from streams.shells.doors import Doors
from streams.shells.errors import ShellError
from streams.shells.meter import Meter

FIRST = User("first-admin", "admin", (WHOLE,))
"""Who signs in by a link as long as there is no users file."""
DEMO = User("demo", "viewer", (WHOLE,))

ANY = ("0.0.0.0", "::")
"""Addresses to listen on that are no name to ask for."""

log = structlog.get_logger()


class AccessError(ShellError):
    """A users file or an audit that cannot be used; the message says what to do."""


class Access(NamedTuple):
    """The gate of a cockpit and its audit.

    ``link``: the secret of an address for signing in, where nobody could otherwise. ``names``: host names it may be asked for by, beside
    those of the loopback address.
    """

    keeper: Keeper
    audit: AuditLog
    link: str = ""
    names: tuple[str, ...] = ()

    def measure(self, metrics: Metrics | None, meter: Meter) -> None:
        """Bring the metrics up to date."""
        keeper = self.keeper
        meter.bound("sessions", keeper.sessions.left)
        meter.bound("sign_in_attempts", keeper.by_user.left + keeper.by_address.left)
        if metrics is not None:
            metrics.access(keeper.throttled, keeper.failures, self.audit.lost, self.audit.refused)

    def close(self) -> None:
        """What was written down is on disk; its head is told, to be kept elsewhere."""
        number, digest = self.audit.head()
        log.info("audit_head", instance=self.audit.instance, entry=number, hash=digest)
        self.audit.close()


def users_file(state: Path, given: Path | None = None) -> Path:
    """Where the users are."""
    return given or state / "users.yaml"


def audit_folder(state: Path) -> Path:
    """Where the audit is."""
    return state / "audit"


def open_access(state: Path, areas: Sequence[Area], doors: Doors, *, now_s: Callable[[], float] = time.time) -> Access:
    """Users, sessions and audit of a state folder.

    Raises:
        AccessError: the users file or the audit cannot be used.
    """
    path = users_file(state, doors.users)
    if not re.fullmatch(r"[\w.-]{1,64}", doors.instance):
        raise AccessError(f"--instance {doors.instance}: names files; write 1 to 64 letters, digits or . _ -")
    if doors.users is not None and not path.exists():
        raise AccessError(f"--users {path}: there is no such file; tocsin users add makes it")
    try:
        directory = Directory(path, {area.code for area in areas}, now_s, first=Users({FIRST.name: FIRST}))
        audit = AuditLog(audit_folder(state), doors.instance, now_s)
    except (UsersError, AuditError) as error:
        raise AccessError(str(error)) from None
    sessions = Sessions(state / f"sessions-{doors.instance}.json")
    keeper = Keeper(directory, sessions, Places(areas), audit, now_s, secure=is_public(doors))
    directory.heard = lambda change: _heard(keeper, path, change)
    known = path.exists()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16] if known else "none"
    audit.saw("", "", "start", f"users file {digest}")
    number, head = audit.head()
    log.info("audit_head", instance=audit.instance, entry=number, hash=head)
    names = tuple(filter(None, (doors.public_name, *({doors.host} - set(ANY)))))
    return Access(keeper, audit, "" if known else keeper.link(FIRST.name), names)


def demo_access(state: Path, areas: Sequence[Area]) -> Access:
    """One viewer in memory, who signs in by a link: a past that is played takes no commands."""
    audit = AuditLog(audit_folder(state), "demo", time.time)
    keeper = Keeper(Users({DEMO.name: DEMO}), Sessions(None), Places(areas), audit, time.time, secure=False)
    return Access(keeper, audit, keeper.link(DEMO.name))


def is_public(doors: Doors) -> bool:
    """Whether browsers come from elsewhere, which they only do by TLS."""
    return bool(doors.public_name) or doors.host not in ("127.0.0.1", "localhost")


def invitation(url: str, access: Access, why: str) -> str:
    """What to tell on the terminal, and nowhere else: the address that signs in."""
    return f"{why} Sign in, once and within ten minutes: {url}/link/{access.link}"


NO_USERS = "There are no users yet; tocsin users add makes the first one, and needs no restart."


def _heard(keeper: Keeper, path: Path, change: Change) -> None:
    if change.problems:
        log.error(
            "users_file_refused", file=str(path), problems=list(change.problems)[:5], remedy="mend it: until then, what was before holds"
        )
    else:
        log.info("users_changed", added=len(change.added), removed=len(change.removed), changed=len(change.changed))
    keeper.heard(change)
