"""What a cockpit must know of its city once: names, signals, departments, playbooks, and who is there now."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import orjson
from fastapi import APIRouter, Query
from msgspec import structs
from starlette.exceptions import HTTPException
from starlette.responses import Response

from sinks.cockpit.access import Who
from sinks.cockpit.views import Places
from streams.settings import City, Playbook, Roster

LEVELS = ("city", "district", "street", "community")
LABELS = ("true", "false", "expected_event", "duplicate", "new_level")
Code = Annotated[str, Query(min_length=1, max_length=64)]
Name = Annotated[str, Query(max_length=32)]


def city_router(city: City, places: Places, now_s: Callable[[], int]) -> APIRouter:
    """The endpoints, to be mounted beside the cockpit's."""
    router = APIRouter(tags=["city"])
    about = orjson.dumps(_about(city))
    playbooks = {book.name: orjson.dumps(_playbook(book)) for book in city.playbooks}
    zone = ZoneInfo(city.timezone)

    @router.get("/api/city", summary="Names, signals, departments and words of this city")
    async def known() -> Response:
        return _answer(about)

    @router.get("/api/playbooks/{name}", summary="What to do, in steps")
    async def playbook(name: str) -> Response:
        if name not in playbooks:
            raise HTTPException(HTTPStatus.NOT_FOUND, "this city has no such playbook")
        return _answer(playbooks[name])

    @router.get("/api/duty", summary="Who is there now for a department in an area, or in the nearest above that has somebody")
    async def duty(who: Who, area: Code, department: Name = "") -> Response:
        if area not in places.areas or not who.sight.names(area):
            raise HTTPException(HTTPStatus.NOT_FOUND, "this city has no such area")
        minute = datetime.fromtimestamp(now_s(), zone).strftime("%H:%M")
        at, staff = on_duty(city.rosters, places.lineage(area), department, minute)
        return _answer(orjson.dumps({"area": at, "department": department, "staff": list(staff)}))

    return router


def on_duty(rosters: tuple[Roster, ...], lineage: tuple[str, ...], department: str, minute: str) -> tuple[str, tuple[str, ...]]:
    """The nearest of the areas that has somebody for the department at a minute of the day ("07:30"), and who that is.

    >>> rosters = (Roster("d", "water", ("bo",), "20:00-08:00"), Roster("c", "water", ("ann",)))
    >>> on_duty(rosters, ("d", "c"), "water", "23:59"), on_duty(rosters, ("d", "c"), "water", "08:00"), on_duty(rosters, ("d",), "fire", "08:00")
    (('d', ('bo',)), ('c', ('ann',)), ('', ()))
    """
    for area in lineage:
        there = [r for r in rosters if r.area == area and department in ("", r.department) and _within(r.hours, minute)]
        if there:
            return area, tuple(dict.fromkeys(name for roster in there for name in roster.staff))
    return "", ()


def _within(hours: str, minute: str) -> bool:
    if not hours:
        return True
    begin, _, end = hours.partition("-")
    return begin <= minute < end if begin < end else minute >= begin or minute < end


def _about(city: City) -> dict[str, Any]:
    deepest = max((area.level for area in city.areas), default=0)
    return {
        "name": city.name,
        "title": city.title,
        "timezone": city.timezone,
        "levels": list(LEVELS[: deepest + 1]),
        "signals": [
            {
                "name": signal.name,
                "title": signal.title,
                "title_zh": signal.title_zh or signal.title,
                "purpose": signal.purpose,
                "kind": signal.kind,
                "group": signal.group,
            }
            for signal in city.signals
        ],
        "sources": [{"name": name, "stream": source.stream} for name, source in city.sources.items()],
        "departments": [
            {"name": name, "title": each.title, "title_zh": each.title_zh or each.title} for name, each in city.duty.departments.items()
        ],
        "labels": list(LABELS),
        "suppress_below": city.suppress_below,
        "bands": structs.asdict(city.bands),
        "shift_s": city.duty.shift_s,
    }


def _playbook(book: Playbook) -> dict[str, Any]:
    return {
        "name": book.name,
        "title": {"en": book.title, "zh": book.title_zh or book.title},
        "steps": [{"id": step.id, "en": step.text, "zh": step.text_zh or step.text} for step in book.steps],
        "text": {"en": book.text, "zh": book.text_zh or book.text},
    }


def _answer(data: bytes) -> Response:
    return Response(data, media_type="application/json", headers={"Cache-Control": "no-store"})
