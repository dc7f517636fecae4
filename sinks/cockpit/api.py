"""The web application: the page, alerts, areas, the stream, health and metrics. Reads only; nothing of a request is echoed.

Behind the guard; each endpoint tells its caller of the areas of their scope only.
While the feed is still being loaded, what hangs on it is refused: half a list would pass for the whole.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Literal

import orjson
from fastapi import Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sinks.cockpit import scoped
from sinks.cockpit.access import Gate, Who
from sinks.cockpit.atlas import Atlas
from sinks.cockpit.description import describe_problems
from sinks.cockpit.feed import Feed
from sinks.cockpit.guard import Guard
from sinks.cockpit.page import add_page
from sinks.cockpit.problems import problem
from sinks.cockpit.stream import KEEP_ALIVE_S, EventStream
from streams.model import Alert, Area

Health = Callable[[], Mapping[str, bool | int | str]]
"""What ``/ready`` tells, by name. A truth value is a condition ("recovered", "sinks_writing"): ready when all hold. Numbers and words
are told along. Called in the server's loop, so it must be quick."""

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

PARAMETERS = frozenset({"state", "area", "limit", "last_event_id", "days", "by", "since_s"})
"""What a refusal may name."""

Limit = Annotated[int, Query(ge=1, le=1000)]
Code = Annotated[str, Query(min_length=1, max_length=64)]
StateWord = Literal["provisional", "open", "no_data", "cleared", "withdrawn"]


def create_app(
    feed: Feed,
    areas: Sequence[Area],
    health: Health,
    *,
    gate: Gate,
    metrics: Callable[[], bytes] | None = None,
    title: str = "Tocsin",
    keep_alive_s: float = KEEP_ALIVE_S,
) -> FastAPI:
    """The application. ``gate`` tells who asks; ``metrics`` gives the OpenMetrics text of ``/metrics``; further routers may be added to what is returned."""
    app = FastAPI(title=title, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    app.add_middleware(Guard, gate=gate)
    app.add_middleware(SecurityHeaders)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(Exception, _on_error)
    _add_alerts(app, feed)
    _add_areas(app, feed, Atlas(feed.view.places, areas))
    _add_stream(app, feed, gate, keep_alive_s)
    _add_health(app, feed, health, metrics)
    add_page(app)
    describe_problems(app)
    return app


def _add_alerts(app: FastAPI, feed: Feed) -> None:
    places = feed.view.places

    loaded = [Depends(when_loaded(feed))]

    @app.get("/api/alerts", dependencies=loaded, tags=["alerts"], summary="Open alerts, the worst first; or those of one state")
    async def alerts(who: Who, state: StateWord | None = None, area: Code | None = None, limit: Limit = 200) -> Response:
        if area is not None and (area not in places.areas or not who.sight.names(area)):
            raise HTTPException(HTTPStatus.NOT_FOUND, "this city has no such area")
        held = feed.finished_alerts() if state in {"cleared", "withdrawn"} else feed.open_alerts()
        found = [(each, shown) for each in held if state in {None, each.alert.state} and (shown := who.sight.narrow(each.alert))]
        found = [(each, shown) for each, shown in found if area is None or _lies_in(shown, area)]
        listed = [orjson.Fragment(scoped.summary(feed.view, each, shown)) for each, shown in found[:limit]]
        return _json({"alerts": listed, "found": len(found), "last_event_id": feed.last_id})

    @app.get("/api/alerts/{alert_id}", dependencies=loaded, tags=["alerts"], summary="One alert with its members and their evidence")
    async def alert(who: Who, alert_id: str) -> Response:
        known = feed.alert(alert_id)
        shown = who.sight.narrow(known) if known is not None else None
        if known is None or shown is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "no open or lately finished alert has this id")
        await who.saw("alert", known.id, shown.area)
        return _json(scoped.detail(feed.view, known, shown))

    def _lies_in(alert: Alert, area: str) -> bool:
        codes = {alert.area, *(member.area for member in alert.members)}
        return any(area in places.lineage(code) for code in codes)


def when_loaded(feed: Feed) -> Callable[[], Awaitable[None]]:
    """What an endpoint that hangs on the feed depends on."""

    async def loaded() -> None:
        if not feed.loaded:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "the alerts are still being read; try again", {"Retry-After": "1"})

    return loaded


def _add_areas(app: FastAPI, feed: Feed, atlas: Atlas) -> None:
    loaded = [Depends(when_loaded(feed))]

    @app.get("/api/areas", dependencies=loaded, tags=["areas"], summary="The area tree with the worst open alert of each subtree")
    async def tree(who: Who) -> Response:
        return _json({"areas": atlas.rows((held.alert for held in feed.open_alerts()), who.sight)})

    @app.get("/api/areas.geojson", dependencies=loaded, tags=["areas"], summary="The same as GeoJSON (RFC 7946)")
    async def geojson(who: Who) -> Response:
        return _json(atlas.geojson((held.alert for held in feed.open_alerts()), who.sight), media_type="application/geo+json")


def _add_stream(app: FastAPI, feed: Feed, gate: Gate, keep_alive_s: float) -> None:
    @app.get(
        "/api/stream",
        dependencies=[Depends(when_loaded(feed))],
        tags=["alerts"],
        summary="Server-sent events: snapshot, transition, update, outcome, reset",
    )
    async def stream(who: Who, request: Request, last_event_id: Annotated[str | None, Query(max_length=64)] = None) -> Response:
        if feed.closed:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "the feed is closing")
        opening = feed.subscribe(request.headers.get("last-event-id", last_event_id) or None, who)
        if opening is None:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "too many streams are open; try again later", {"Retry-After": "30"})
        return EventStream(feed, opening, keep_alive_s=keep_alive_s, holds=lambda: gate.holds(who))


def _add_health(app: FastAPI, feed: Feed, health: Health, metrics: Callable[[], bytes] | None) -> None:
    @app.get("/live", tags=["health"], summary="The process answers")
    async def live() -> Response:
        return _json({"live": True})

    @app.get("/ready", tags=["health"], summary="Recovery is done and the sinks are writing; if not, what is missing")
    async def ready() -> Response:
        told = {"feed_loaded": feed.loaded, "feed_open": not feed.closed, **health()}
        missing = sorted(name for name, value in told.items() if value is False)
        status = HTTPStatus.SERVICE_UNAVAILABLE if missing else HTTPStatus.OK
        return _json({"ready": not missing, "waiting_for": missing, **told}, status)

    if metrics is not None:

        @app.get("/metrics", tags=["health"], summary="OpenMetrics")
        def openmetrics(who: Who) -> Response:
            who.require("viewer", whole=True)
            return Response(metrics(), media_type=OPENMETRICS, headers={"Cache-Control": "no-store"})


def _json(body: Any, status: int = HTTPStatus.OK, *, media_type: str = "application/json") -> Response:
    return Response(orjson.dumps(body), status, {"Cache-Control": "no-store"}, media_type=media_type)


async def _on_http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, error.detail, error.headers)


async def _on_invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # Only parameters that the API has are named: what else a request holds is not repeated.
    names = sorted({str(each["loc"][-1]) for each in error.errors() if each["loc"][-1] in PARAMETERS})
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, f"not a value for: {', '.join(names)}; /api/openapi.json says what is" if names else "")


async def _on_error(_request: Request, _error: Exception) -> Response:
    # This answer is made outside all middleware, so it brings the headers itself.
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "this failed; the log has the class of the error", SECURITY_HEADERS)


class SecurityHeaders:
    """Adds the security headers to every answer. Plain ASGI, so that streams pass through as they are."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with the headers at the start of an answer."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)
