"""What the town tells of itself and its past: made up from a seed, in the shapes of docs/api.md."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.responses import Response

from streams.model import DAY_S, HOUR_S, Transition
from tests.browser.town import Town

DEPARTMENTS = [
    {"name": "water", "title": "Water and sewers", "title_zh": "水务"},
    {"name": "works", "title": "Public works", "title_zh": "市政"},
]


def told(body: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")


def itself(town: Town) -> APIRouter:
    router = APIRouter()

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

    @router.get("/api/sources")
    async def sources() -> Response:
        now_s = town.acted.now_s
        ages = {"hotline": 95, "camera": 20, "complaint": 30_000}
        rows = [
            {"source": name, "stream": name, "newest_s": now_s - age, "lag_s": age, "late_s_allowed": 600} for name, age in ages.items()
        ]
        return told({"sources": rows})

    return router


def steps_of(town: Town) -> APIRouter:
    router = APIRouter()
    view = town.view

    def steps() -> list[Transition]:
        return [step for _, step in town.past if isinstance(step, Transition)]

    @router.get("/api/alerts/{alert_id}/transitions")
    async def transitions(alert_id: str) -> Response:
        return told({"transitions": [view.transition(step) for step in steps() if step.alert_id == alert_id], "left_off": 0})

    @router.get("/api/transitions")
    async def changed(since_s: int, limit: int = 500) -> Response:
        found = [view.transition(step) for step in reversed(steps()) if step.at_s >= since_s]
        return told({"transitions": found[:limit]})

    return router


def quality_of(town: Town) -> APIRouter:
    router = APIRouter()

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

    return router


def index_of(town: Town) -> APIRouter:
    router = APIRouter()

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

    return router


def areas_of(town: Town) -> APIRouter:
    router = APIRouter()
    view = town.view

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
