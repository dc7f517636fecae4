"""The past, the sources and the quality of their records: what the tables know. While they are away it is refused, and the rest goes on."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from sinks.archive import Archive, PastAlert
from sinks.base import SinkError
from sinks.cockpit.access import Caller, Who
from sinks.cockpit.views import Places
from streams.model import DAY_S, HOUR_S
from streams.settings import Source

QUESTIONS_MAX = 4
WAITING_MAX = 32
ALERTS_MAX = 500
RETRY_S = 5
NEWEST_KEPT_S = 5.0

Days = Annotated[int, Query(ge=1, le=31)]
Answer = TypeVar("Answer")


class Asking:
    """Questions to the tables, a few at a time, in worker threads; and what time it is there."""

    def __init__(self, archive: Archive | None, now_s: Callable[[], int]) -> None:
        self._archive, self._now_s = archive, now_s
        self._slots = asyncio.Semaphore(QUESTIONS_MAX)
        self._waiting = 0
        self._newest: tuple[float, dict[str, int]] = (float("-inf"), {})

    async def ask(self, question: Callable[[Archive], Answer]) -> Answer:
        """An answer.

        Raises:
            HTTPException: 503, the tables are away or everybody asks at once.
        """
        if self._archive is None:
            raise away("this process has no tables to ask")
        if self._waiting >= WAITING_MAX:
            raise away("too many questions are waiting for the tables")
        self._waiting += 1
        try:
            async with self._slots:
                return await run_in_threadpool(question, self._archive)
        except SinkError:
            raise away("the tables do not answer") from None
        finally:
            self._waiting -= 1

    async def newest(self) -> dict[str, int]:
        """Source to the minute of its newest record; asked at most every few seconds."""
        at, known = self._newest
        if time.monotonic() - at > NEWEST_KEPT_S:
            known = await self.ask(lambda archive: archive.newest())
            self._newest = time.monotonic(), known
        return known

    async def clock(self) -> int:
        """Now, by the feed's clock: the newest record of all sources where that is more than a day ago, as in a past that is played."""
        now_s = self._now_s()
        newest_s = max((await self.newest()).values(), default=now_s)
        return newest_s if now_s - newest_s > DAY_S else now_s


def past_router(places: Places, sources: Mapping[str, Source], asking: Asking) -> APIRouter:
    """The endpoints, to be mounted beside the cockpit's."""
    router = APIRouter(tags=["past"])

    @router.get("/api/areas/{code}/past", summary="Counts by hour, risk, and alerts of an area's last days")
    async def past(who: Who, code: str, days: Days = 7) -> Response:
        if code not in places.areas or not who.may_see(code):
            raise HTTPException(HTTPStatus.NOT_FOUND, "this city has no such area")
        await who.saw("past", "", code)
        until_s = await asking.clock()
        since_s = until_s - days * DAY_S
        inside = [each for each in places.areas if code in places.lineage(each)]
        level = places.areas[code].level
        hours = await asking.ask(lambda archive: archive.hours(code, level, since_s - since_s % HOUR_S, until_s + 1))
        risks = await asking.ask(lambda archive: archive.risks(code, since_s, until_s + 1))
        alerts = await asking.ask(lambda archive: archive.alerts(inside, since_s, until_s + 1, ALERTS_MAX))
        series: dict[str, dict[str, list[Any]]] = defaultdict(lambda: {"hours": [], "n": [], "average": []})
        for hour in hours:
            for name, value in (("hours", hour.at_s), ("n", hour.n), ("average", hour.average)):
                series[hour.signal][name].append(value)
        return json_answer(
            {
                "area": code,
                "since_s": since_s,
                "until_s": until_s,
                "counts_told": not places.small(code),
                "series": [{"signal": signal, **columns} for signal, columns in sorted(series.items())],
                "risk": [risk._asdict() for risk in risks],
                "alerts": [_told(alert, who) for alert in alerts],
            }
        )

    _add_sources(router, sources, asking)
    return router


def _add_sources(router: APIRouter, sources: Mapping[str, Source], asking: Asking) -> None:
    @router.get("/api/sources", summary="How fresh each source is")
    async def freshness() -> Response:
        newest, now_s = await asking.newest(), await asking.clock()
        rows = [
            {
                "source": name,
                "stream": source.stream,
                "newest_s": newest.get(name),
                "lag_s": max(0, now_s - newest[name]) if name in newest else None,
                "late_s_allowed": source.allowed_lateness_s,
            }
            for name, source in sorted(sources.items())
        ]
        return json_answer({"sources": rows})

    @router.get("/api/quality", summary="Records by what became of them, by source, reason and hour")
    async def quality(who: Who, days: Days = 1) -> Response:
        who.require("viewer", whole=True)
        until_s = await asking.clock()
        since_s = until_s - days * DAY_S
        amounts = await asking.ask(lambda archive: archive.amounts(since_s - since_s % HOUR_S, until_s + 1))
        accepted: dict[str, int] = dict.fromkeys(sorted(sources), 0)
        reasons: dict[str, dict[str, int]] = defaultdict(dict)
        for each in amounts:
            if each.reason == "accepted":
                accepted[each.source] = accepted.get(each.source, 0) + each.n
            else:
                reasons[each.source][each.reason] = reasons[each.source].get(each.reason, 0) + each.n
        rows = [{"source": name, "accepted": n, "reasons": reasons.get(name, {})} for name, n in accepted.items()]
        return json_answer(
            {"since_s": since_s, "until_s": until_s, "sources": rows, "hours": [each._asdict() for each in amounts]},
        )


def away(what: str) -> HTTPException:
    """The refusal while the tables cannot be asked."""
    return HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, f"{what}; everything else goes on", {"Retry-After": str(RETRY_S)})


def json_answer(body: Any, *, media_type: str = "application/json") -> Response:
    """An answer that nobody keeps."""
    return Response(orjson.dumps(body), headers={"Cache-Control": "no-store"}, media_type=media_type)


def _told(alert: PastAlert, who: Caller) -> dict[str, Any]:
    """Signals only of an alert that shows as a whole: which of them is of which member the tables do not say."""
    fields = ("id", "band", "risk", "signals", "state", "onset_s", "updated_s", "reason", "label")
    told = {name: getattr(alert, name) for name in fields}
    whole = all(who.may_see(code) for code in (alert.area, *alert.areas))
    return told if whole else {**told, "signals": []}
