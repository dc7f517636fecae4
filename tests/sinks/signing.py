"""A cockpit with users, for tests: two districts' operators, a viewer of nothing, a commander, and programs with tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import argon2
import httpx
from fastapi import FastAPI

from sinks.checks import AREAS, SIGNALS
from sinks.cockpit.api import create_app
from sinks.cockpit.audit import AuditLog
from sinks.cockpit.commands import Given, Rules, commands_router
from sinks.cockpit.exports import Outward, exports_router
from sinks.cockpit.feed import Feed
from sinks.cockpit.keeper import Keeper
from sinks.cockpit.sessions import Sessions
from sinks.cockpit.shift import shift_router
from sinks.cockpit.sign_in import audit_router, session_router
from sinks.cockpit.users import Directory, digest
from sinks.cockpit.views import Places, View
from streams.core.people import ACTOR_CHARS_MAX, BODIES, BODY_CHARS_MAX, ID_CHARS_MAX
from streams.model import Area
from streams.shells.commands import rules

PASSWORD = "correct horse battery"
HASH = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
NOW_S = 1_500_000_000.0  # 2017-07-14
USERS = f"""
sessions: {{idle: 1h, absolute: 8h}}
users:
  anna: {{role: operator, scope: [d1], pseudonym: op-1, password: "{HASH}"}}
  bo: {{role: operator, scope: [d2], pseudonym: op-2, password: "{HASH}"}}
  cy: {{role: viewer, password: "{HASH}"}}
  vi: {{role: viewer, scope: [d1], password: "{HASH}"}}
  eva: {{role: commander, scope: ["*"], pseudonym: co-1, password: "{HASH}"}}
  root: {{role: admin, scope: ["*"], password: "{HASH}"}}
  gateway:
    role: operator
    scope: ["*"]
    tokens:
      on: {{sha256: {digest("gateway-on")}, expires: "2017-07-20", speaks_for_others: true}}
      off: {{sha256: {digest("gateway-off")}, expires: "2017-07-13"}}
  north: {{role: operator, scope: [d1], tokens: {{on: {{sha256: {digest("north-on")}, expires: "2017-07-14"}}}}}}
"""


class Clock:
    """The clock of everything here."""

    def __init__(self) -> None:
        self.now_s = NOW_S

    def __call__(self) -> float:
        return self.now_s


class Cockpit:
    """The whole application over one feed."""

    def __init__(self, folder: Path, *, areas: Sequence[Area] = AREAS, secure: bool = False, users: str = USERS, feed: Feed | None = None):
        self.clock, self.path = Clock(), folder / "users.yaml"
        self.write_users(users)
        self.audit = AuditLog(folder / "audit", "1", self.clock)
        self.directory = Directory(self.path, {area.code for area in areas}, self.clock)
        self.keeper = Keeper(self.directory, Sessions(folder / "sessions.json"), Places(areas), self.audit, self.clock, secure=secure)
        self.directory.heard = self.keeper.heard
        self.feed = feed or Feed(View(areas, SIGNALS))
        if feed is None:
            self.feed.load([], 0)
        self.taken: list[Given] = []
        self.app = self._app(areas)

    def _app(self, areas: Sequence[Area]) -> FastAPI:
        app = create_app(self.feed, areas, dict, gate=self.keeper, metrics=lambda: b"# EOF\n", keep_alive_s=0.05)
        app.include_router(session_router(self.keeper))
        app.include_router(shift_router(self.feed, lambda: int(self.clock.now_s)))
        app.include_router(exports_router(self.feed, Outward("test", "Test", SIGNALS, history=self.feed._history or (lambda *_: []))))
        app.include_router(audit_router(self.audit))
        assert set(BODIES) == set(rules().kinds)
        real = Rules(tuple(BODIES), ID_CHARS_MAX, ACTOR_CHARS_MAX, BODY_CHARS_MAX, rules().fits)
        app.include_router(commands_router(self.feed, real, self.taken.append))
        return app

    def write_users(self, text: str) -> None:
        new = self.path.with_name("new")
        new.write_text(text)
        new.chmod(0o600)
        new.replace(self.path)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self.asked(method, path, **options))

    async def asked(self, method: str, path: str, **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=(options.pop("address", "192.0.2.1"), 4711))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.request(method, path, **options)

    def sign_in(self, user: str, password: str = PASSWORD, **options: Any) -> httpx.Response:
        return self.ask("POST", "/api/session", json={"user": user, "password": password}, **options)

    def headers(self, user: str) -> dict[str, str]:
        """What a page of a signed-in user sends."""
        answer = self.sign_in(user)
        assert answer.status_code == 200, answer.text
        cookie = answer.headers["set-cookie"].partition(";")[0]
        return {"Cookie": cookie, "X-CSRF-Token": answer.json()["csrf"]}

    def actions(self) -> list[tuple[str, str, str]]:
        """(actor, action, subject), the oldest first."""
        entries = self.audit.read(None, 1000, lambda _: True)[0]
        return [(entry.actor, entry.action, entry.subject) for entry in reversed(entries)]


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
