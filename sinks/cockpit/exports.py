"""Alerts in forms that other systems read: CAP 1.2, GeoJSON, CloudEvents, Alertmanager's API. Each shows its caller's scope only."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, NamedTuple

import orjson
from fastapi import APIRouter, Depends, Query
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from sinks.cockpit import scoped
from sinks.cockpit.access import Caller, Who
from sinks.cockpit.api import when_loaded
from sinks.cockpit.feed import Feed, History
from sinks.cockpit.past import json_answer
from sinks.formats import alertmanager, cap, cloudevents, geojson
from streams.model import Alert, Signal, Transition

EVENTS_MAX = 500

Limit = Annotated[int, Query(ge=1, le=1000)]


class Outward(NamedTuple):
    """How the city speaks to other systems. ``history``: transitions behind a position. ``exercise``: nothing of it is real now."""

    city: str
    title: str
    signals: Sequence[Signal]
    history: History | None = None
    exercise: bool = False
    url: str = ""

    @property
    def sender(self) -> cap.Sender:
        """In CAP."""
        return cap.Sender(f"tocsin.{self.city}", self.title, self.exercise)


def exports_router(feed: Feed, outward: Outward) -> APIRouter:
    """The endpoints, to be mounted beside the cockpit's."""
    router = APIRouter(tags=["exports"], dependencies=[Depends(when_loaded(feed))])
    geometries = {code: area.geometry for code, area in feed.view.places.areas.items()}
    by_name = {signal.name: signal for signal in outward.signals}

    def shown(who: Caller, limit: int) -> list[tuple[Alert, Any]]:
        found = ((held, told) for held in feed.open_alerts() if (told := who.sight.narrow(held.alert)) is not None)
        kept = [(told, orjson.loads(scoped.summary(feed.view, held, told))) for held, told in found]
        return kept[:limit]

    @router.get("/api/cap/{alert_id}.xml", summary="An alert as a CAP 1.2 message, Restricted", response_class=Response)
    async def cap_message(who: Who, alert_id: str) -> Response:
        known = feed.alert(alert_id)
        told = who.sight.narrow(known) if known is not None else None
        if known is None or told is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "no open or lately finished alert has this id")
        await who.saw("export", known.id, told.area)
        steps = {step.seq: cap.Step(step.seq, step.at_s) for step in feed.steps_of(alert_id)[0] if step.seq <= known.seq}
        steps.setdefault(known.seq, cap.Step(known.seq, known.updated_s))
        signals = [_signal(by_name.get(name), name) for name in told.signals]
        areas = dict.fromkeys([told.area, *(member.area for member in told.members)])
        places = [
            cap.Place(code, feed.view.places.path(code), geometries.get(code, "") if who.may_see(code) else "")
            for code in areas
            if who.sight.names(code)
        ]
        summary = feed.view.summary(told)
        text = await run_in_threadpool(cap.message, summary, list(steps.values()), signals, places, outward.sender)
        return Response(text, media_type=cap.MEDIA_TYPE, headers={"Cache-Control": "no-store"})

    @router.get("/api/alerts.geojson", summary="Open alerts as GeoJSON (RFC 7946)")
    async def alerts_geojson(who: Who, limit: Limit = 1000) -> Response:
        await who.saw("export", "alerts.geojson")
        seen = {code: text for code, text in geometries.items() if who.may_see(code)}
        return json_answer(geojson.collection((told for _, told in shown(who, limit)), seen), media_type=geojson.MEDIA_TYPE)

    @router.get("/api/events", summary="Transitions as a batch of CloudEvents 1.0, oldest first; `after` is a position of the stream")
    async def events(who: Who, after: Annotated[int | None, Query(ge=-1, le=2**63 - 1)] = None, limit: Limit = 100) -> Response:
        if outward.history is None:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "this process keeps no transitions", {"Retry-After": "60"})
        limit = min(limit, EVENTS_MAX)
        start = after if after is not None else max(-1, feed.last_id - limit)
        pairs = await run_in_threadpool(outward.history, start, limit)
        if pairs is None:
            raise HTTPException(HTTPStatus.GONE, "transitions are not kept that far back; begin without `after`")
        await who.saw("export", "events")
        steps = [(position, step, feed.alert(step.alert_id)) for position, step in pairs if isinstance(step, Transition)]
        told = [(position, limited) for position, step, about in steps if (limited := who.sight.step(step, about)) is not None]
        batch = cloudevents.batch(((position, feed.view.transition(step)) for position, step in told), cloudevents.source_of(outward.city))
        answer = json_answer(batch, media_type=cloudevents.BATCH_TYPE)
        answer.headers["X-Next-After"] = str(max([start, *(position for position, _ in pairs)]))
        return answer

    @router.get("/api/v2/alerts", summary="Open alerts in the form of Alertmanager's API v2")
    async def alertmanager_alerts(who: Who, limit: Limit = 1000) -> Response:
        await who.saw("export", "alertmanager")
        return json_answer([alertmanager.listed(told, outward.city, outward.url, alert.muted_by) for alert, told in shown(who, limit)])

    return router


def _signal(signal: Signal | None, name: str) -> cap.Signal:
    return cap.Signal(signal.title, signal.title_zh, signal.purpose) if signal else cap.Signal(name, "", "")
