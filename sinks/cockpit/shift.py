"""What happened in a shift, an alert's steps, and silences: what the feed remembers."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
import orjson
from fastapi import APIRouter, Depends, Query, Request
from msgspec import Meta, Struct
from starlette.exceptions import HTTPException
from starlette.responses import Response

from sinks.cockpit.access import Caller, Who
from sinks.cockpit.api import when_loaded
from sinks.cockpit.bodies import json_body
from sinks.cockpit.feed import Feed
from sinks.cockpit.silences import covers
from streams.model import Silence, Transition

STEPS_MAX = 2_000

Limit = Annotated[int, Query(ge=1, le=STEPS_MAX)]
Since = Annotated[int, Query(ge=0, le=2**40)]
Code = Annotated[str, Meta(min_length=1, max_length=128)]


class Scope(Struct, frozen=True, forbid_unknown_fields=True):
    """What a silence would cover. No signals: all of them."""

    area: Code
    signals: Annotated[tuple[Code, ...], Meta(max_length=64)] = ()


_scopes = msgspec.json.Decoder(Scope)
_described: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": msgspec.json.schema(Scope)["$defs"]["Scope"]}}}
}


def shift_router(feed: Feed, now_s: Callable[[], int]) -> APIRouter:
    """The endpoints, to be mounted beside the cockpit's."""
    router = APIRouter(dependencies=[Depends(when_loaded(feed))])
    places = feed.view.places

    def told(steps: list[Transition], who: Caller) -> list[Any]:
        shown = [(step, alert) for step in steps if (alert := who.sight.step(step, feed.alert(step.alert_id))) is not None]
        return [feed.view.transition(step) for _, step in shown]

    @router.get("/api/alerts/{alert_id}/transitions", tags=["alerts"], summary="The steps of one alert, oldest first")
    async def of(who: Who, alert_id: str) -> Response:
        known = feed.alert(alert_id)
        if known is None or who.sight.narrow(known) is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "no open or lately finished alert has this id")
        steps, before = feed.steps_of(alert_id)
        return _json({"transitions": told(steps, who), "left_off": before})

    @router.get("/api/transitions", tags=["alerts"], summary="Steps of all alerts since a time, newest first")
    async def since(who: Who, since_s: Since, limit: Limit = 500) -> Response:
        return _json({"transitions": told(feed.steps_since(since_s, limit), who)})

    @router.get("/api/silences", tags=["silences"], summary="Silences that are set, the one that ends first first")
    async def silences(who: Who) -> Response:
        standing = [each for each in feed.silences(now_s()) if who.may_see(each.area)]
        return _json({"silences": [_silence(each) for each in standing]})

    @router.post(
        "/api/silences/preview", tags=["silences"], summary="How many open alerts a silence would mute now", openapi_extra=_described
    )
    async def preview(who: Who, request: Request) -> Response:
        try:
            scope = _scopes.decode(await json_body(request, "this"))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "a JSON object of area and, if not all are meant, signals") from None
        if scope.area not in places.areas or not who.may_see(scope.area):
            raise HTTPException(HTTPStatus.NOT_FOUND, "this city has no such area")
        would = [held for held in feed.open_alerts() if covers(held.alert, scope.area, scope.signals, places)]
        return _json({"open": len(would), "muted_already": sum(bool(held.alert.muted_by) for held in would)})

    def _silence(each: Silence) -> dict[str, Any]:
        return {
            "id": each.id,
            "actor": each.actor,
            "reason": each.reason,
            "area": each.area,
            "area_path": places.path(each.area),
            "signals": list(each.signals),
            "since_s": each.from_s or each.set_s,
            "until_s": each.until_s,
        }

    return router


def _json(body: Any) -> Response:
    return Response(orjson.dumps(body), media_type="application/json", headers={"Cache-Control": "no-store"})
