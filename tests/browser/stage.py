"""The town's server: the cockpit's application, the endpoints of docs/api.md that tell of a past, and a way to take it down and up again."""

from __future__ import annotations

import secrets
from collections import Counter
from random import Random
from typing import Any

import orjson
from fastapi import APIRouter, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from sinks.cockpit.access import Who
from sinks.cockpit.api import create_app
from streams.model import DAY_S, HOUR_S, Transition
from streams.shells.serve import Server
from tests.browser.cable import Cable
from tests.browser.town import COOKIE, PASSWORD, PLAYBOOK, STEPS, USERS, Door, Town

LINK = "come-in"
DEPARTMENTS = [
    {"name": "water", "title": "Water and sewers", "title_zh": "水务"},
    {"name": "works", "title": "Public works", "title_zh": "市政"},
]


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
    for router in (door(town), people(town), past(town)):
        app.include_router(router)
    return app


def told(body: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")


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


def past(town: Town) -> APIRouter:
    router = APIRouter()
    view = town.view

    def steps() -> list[Transition]:
        return [step for _, step in town.past if isinstance(step, Transition)]

    @router.get("/api/city")
    async def city() -> Response:
        signals = [
            {
                "name": one.name,
                "title": one.title,
                "title_zh": f"{one.title}（中）",
                "purpose": one.purpose,
                "kind": one.kind,
                "group": one.group,
            }
            for one in town.city.signals
        ]
        labels = ["true", "false", "expected_event", "duplicate", "new_level"]
        levels = ["city", "district", "street", "community"]
        sources = [{"name": name, "stream": name} for name in town.city.sources]
        return told(
            {
                "name": town.city.name,
                "title": town.city.title,
                "timezone": town.city.timezone,
                "levels": levels,
                "signals": signals,
                "sources": sources,
                "departments": DEPARTMENTS,
                "labels": labels,
                "suppress_below": 5,
                "bands": {},
            }
        )

    @router.get("/api/alerts/{alert_id}/transitions")
    async def transitions(alert_id: str) -> Response:
        return told({"transitions": [view.transition(step) for step in steps() if step.alert_id == alert_id], "left_off": 0})

    @router.get("/api/transitions")
    async def changed(since_s: int, limit: int = 500) -> Response:
        found = [view.transition(step) for step in reversed(steps()) if step.at_s >= since_s]
        return told({"transitions": found[:limit]})

    @router.get("/api/sources")
    async def sources() -> Response:
        now_s = town.acted.now_s
        ages = {"hotline": 95, "camera": 20, "complaint": 9000}
        rows = [
            {"source": name, "stream": name, "newest_s": now_s - age, "lag_s": age, "late_s_allowed": 600} for name, age in ages.items()
        ]
        return told({"sources": rows})

    @router.get("/api/quality")
    async def quality(days: int = 1) -> Response:
        random = Random(days)
        now_s = town.now_s // HOUR_S * HOUR_S
        hours = [
            {"at_s": now_s - at * HOUR_S, "source": "hotline", "reason": reason, "n": random.randrange(12)}
            for at in reversed(range(24 * days)) for reason in ("unknown_area", "bad_time", "too_old")
        ]  # fmt: skip
        reasons: Counter[str] = Counter()
        for hour in hours:
            reasons[hour["reason"]] += hour["n"]
        rows = [
            {"source": "hotline", "accepted": 18_400, "reasons": dict(reasons)},
            {"source": "camera", "accepted": 912_004, "reasons": {}},
        ]
        return told({"since_s": now_s - days * DAY_S, "until_s": now_s, "sources": rows, "hours": hours})

    @router.get("/api/index")
    async def index(by: str = "area") -> Response:
        random = Random(by)
        groups = (
            [(area.code, area.name) for area in town.city.areas if area.level == 1]
            if by == "area"
            else [(d["name"], d["title"]) for d in DEPARTMENTS]
        )
        rows = []
        for at, (code, title) in enumerate(groups):
            hidden = at % 6 == 5
            n = random.randrange(8, 60)
            rows.append(
                {
                    "group": code,
                    "title": title,
                    "alerts": 0 if hidden else n,
                    "acknowledge_s_median": random.randrange(120, 4000),
                    "resolve_s_median": random.randrange(4000, 90_000),
                    "true_share": random.random(),
                    "repeats_30d": random.randrange(6),
                    "rating": round(random.uniform(40, 96)),
                    "per_shift": round(n / 20, 1),
                    "cap": 2.5,
                    "hidden": hidden,
                }
            )
        return told({"since_s": town.now_s - 30 * DAY_S, "until_s": town.now_s, "rows": rows})

    @router.get("/api/areas/{code}/past")
    async def area_past(code: str, days: int = 7) -> Response:
        random = Random(code)
        until_s = town.now_s // HOUR_S * HOUR_S
        hours = [until_s - at * HOUR_S for at in reversed(range(24 * days))]
        series = []
        for signal in town.city.signals[:16]:
            mean = random.uniform(0.3, 6)
            average = [round(mean * (0.4 + 1.2 * ((at // HOUR_S) % 24 in range(8, 20))), 2) for at in hours]
            series.append(
                {
                    "signal": signal.name,
                    "hours": hours,
                    "n": [None if random.random() < 0.01 else int(random.expovariate(1 / usual)) for usual in average],
                    "average": average,
                }
            )
        risk = [{"at_s": at, "risk": round(random.uniform(5, 90)), "signal": "noise"} for at in hours[::5]]
        known = [alert for alert in (*town.acted.open.values(), *town.finished) if code in view.places.lineage(alert.area)]
        alerts = [
            {
                "id": a.id,
                "band": a.band,
                "risk": a.risk,
                "signals": list(a.signals),
                "state": a.state,
                "onset_s": a.onset_s,
                "updated_s": a.updated_s,
                "reason": a.reason,
                "label": a.label,
            }
            for a in known
        ]
        return told({"area": code, "since_s": hours[0], "until_s": until_s, "series": series, "risk": risk, "alerts": alerts})

    return router
