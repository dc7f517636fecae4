"""``GET /api/index`` and ``GET /api/bias``: how alerts are dealt with, and where people report much or little."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from sinks.archive import Handled
from sinks.cockpit.access import Who
from sinks.cockpit.index import REPEAT_S, STREET_LEVEL, Rules, bias_rows, index_rows
from sinks.cockpit.past import Asking, json_answer
from sinks.cockpit.views import DISTRICT_LEVEL, Places
from streams.model import DAY_S

Departments = Callable[[str, Sequence[str]], str]
"""(area, signals) -> the department whose an alert is."""


def figures_router(
    places: Places,
    asking: Asking,
    *,
    rules: Rules | None = None,
    department: Departments = lambda _area, _signals: "",
    titles: Mapping[str, str] | None = None,
) -> APIRouter:
    """The endpoints. ``titles``: of departments. Without ``department`` all are one."""
    router = APIRouter(tags=["index"])
    rules = rules or Rules()
    names = {code: area.name for code, area in places.areas.items()}

    def district(alert: Handled) -> str:
        line = places.lineage(alert.area)
        return next((code for code in line if code in places.areas and places.areas[code].level == DISTRICT_LEVEL), line[-1])

    def streets_in(group: str, sees: Callable[[str], bool]) -> int:
        """Streets of an area, or all that the caller sees."""
        found = (code for code, area in places.areas.items() if area.level == STREET_LEVEL and sees(code))
        return sum(group not in places.areas or group in places.lineage(code) for code in found)

    @router.get("/api/index", summary="How alerts are dealt with, by area or department; never by person")
    async def index(who: Who, days: Annotated[int, Query(ge=1, le=366)] = 30, by: Literal["area", "department"] = "area") -> Response:
        until_s = await asking.clock() + 1
        since_s = until_s - days * DAY_S
        handled = await asking.ask(lambda archive: archive.handled(since_s - REPEAT_S, until_s))
        seen = [alert for alert in handled if who.may_see(alert.area)]
        group_of = district if by == "area" else lambda alert: alert.department or department(alert.area, alert.signals)
        rows = index_rows(
            seen,
            group_of,
            names if by == "area" else titles or {},
            lambda group: streets_in(group, who.may_see),
            since_s,
            until_s,
            rules,
        )
        return json_answer({"since_s": since_s, "until_s": until_s, "rows": rows})

    @router.get("/api/bias", summary="Reports and alerts a head by year and area: where people report much or little")
    async def bias(who: Who) -> Response:
        reports = await asking.ask(lambda archive: archive.yearly())
        alerts = await asking.ask(lambda archive: archive.alerts_yearly())
        return json_answer({"rows": bias_rows(places, reports, alerts, who.may_see)})

    return router
