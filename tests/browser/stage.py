"""The town's server: the cockpit's application, the endpoints of docs/api.md that tell of a past, and a way to take it down and up again."""

from __future__ import annotations

import secrets
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from sinks.cockpit.access import Who
from sinks.cockpit.api import create_app
from streams.model import DAY_S
from streams.shells.serve import Server
from tests.browser.cable import Cable
from tests.browser.told import areas_of, index_of, itself, quality_of, steps_of, told
from tests.browser.town import COOKIE, PASSWORD, PLAYBOOK, STEPS, USERS, Door, Town

LINK = "come-in"


class Stage:
    """The town under a web server on a port that stays the same when it is taken down and up again, at the end of a cable."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self._server = Server(build(town), 0)
        self._port = int(self._server.url.rpartition(":")[2])
        self.cable = Cable(self._port)
        self.url = f"http://127.0.0.1:{self.cable.port}"

    def close(self) -> None:
        self.town.feed.close()
        self._server.stop()

    def open(self) -> None:
        """Up again, as after a crash: everything in memory is gone, the journals are there."""
        self.town.begin()
        self._server = Server(build(self.town), self._port)

    def end(self) -> None:
        self.close()
        self.cable.cut()


def build(town: Town) -> FastAPI:
    app = create_app(town.feed, town.city.areas, lambda: {"staged": True}, gate=Door(town), keep_alive_s=2.0)
    for router in (door, people, itself, steps_of, quality_of, index_of, areas_of):
        app.include_router(router(town))
    return app


def door(town: Town) -> APIRouter:
    router = APIRouter()

    def session(name: str) -> dict[str, Any]:
        return {"actor": name, "role": USERS[name], "scope": ["*"], "csrf": f"csrf-{name}", "expires_s": town.now_s + DAY_S}

    def entered(response: Response, name: str) -> Response:
        key = secrets.token_hex(8)
        town.sessions[key] = name
        response.set_cookie(COOKIE, key, httponly=True, samesite="strict")
        return response

    @router.post("/api/session")
    async def enter(request: Request) -> Response:
        asked = await request.json()
        if asked["user"] not in USERS or asked["password"] != PASSWORD:
            raise HTTPException(401, "user or password is wrong")
        return entered(told(session(asked["user"])), asked["user"])

    @router.get("/api/session")
    async def who_am_i(who: Who) -> Response:
        return told(session(who.actor))

    @router.delete("/api/session")
    async def leave(who: Who) -> Response:
        town.sessions.pop(who.session, None)
        return Response(status_code=204)

    @router.get("/link/{secret}")
    async def link(secret: str) -> Response:
        name = secret.removeprefix(f"{LINK}-")
        if name not in USERS:
            raise HTTPException(404, "no such link")
        return entered(RedirectResponse("/", 303), name)

    @router.get("/api/audit")
    async def audit(who: Who, limit: int = 100, before: int | None = None) -> Response:
        who.require("commander")
        entries = [one for one in reversed(town.audit) if before is None or one["n"] < before]
        return told({"entries": entries[:limit]})

    return router


def people(town: Town) -> APIRouter:
    router = APIRouter()

    @router.post("/api/commands", status_code=202)
    async def command(who: Who, request: Request) -> Response:
        asked = await request.json()
        if not who.may(asked["kind"]):
            raise HTTPException(403, "your role may not do this")
        town.obey(asked["id"], asked["kind"], who.actor, asked["body"])
        return told({"id": asked["id"]}, 202)

    @router.get("/api/commands/{command_id}")
    async def outcome(command_id: str) -> Response:
        known = town.feed.outcome(command_id)
        if known is None:
            raise HTTPException(404, "not decided on")
        return told({"id": command_id, "kind": known.command.kind, "at_s": known.command.time_s, "refusal": known.refusal})

    @router.get("/api/silences")
    async def silences() -> Response:
        return told({"silences": town.silences})

    @router.post("/api/silences/preview")
    async def preview(request: Request) -> Response:
        asked = await request.json()
        lineage = town.view.places.lineage
        covered = [
            alert
            for alert in town.acted.open.values()
            if asked["area"] in lineage(alert.area) and (not asked["signals"] or set(alert.signals) <= set(asked["signals"]))
        ]
        return told({"open": len(covered)})

    @router.get("/api/playbooks/{name}")
    async def playbook(name: str) -> Response:
        if name != PLAYBOOK:
            raise HTTPException(404, "no such playbook")
        en = ("Call the district's water office", "Send a crew to look at the valve", "Close the street if it is under water")
        zh = ("致电区水务值班室", "派人检查阀门", "路面积水时封闭道路")
        steps = [{"id": step, "en": en[at], "zh": zh[at]} for at, step in enumerate(STEPS)]
        text = "# First\n\nLook at the **map**.\n\n- one crew a street\n- two if it freezes\n\n<b>Never</b> alone."
        return told({"name": name, "title": {"en": "Burst pipe", "zh": "水管爆裂"}, "steps": steps, "text": {"en": text, "zh": text}})

    return router
