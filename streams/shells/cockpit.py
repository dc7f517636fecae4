"""The web application: the cockpit's endpoints, those for signing in and for commands; in one process, beside them, the one that takes records in."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable

from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware

from sinks.cockpit.api import Health, create_app
from sinks.cockpit.city import city_router
from sinks.cockpit.commands import Given, NotTaken, Submit, commands_router
from sinks.cockpit.deliveries import Deliveries
from sinks.cockpit.feed import Feed
from sinks.cockpit.shift import shift_router
from sinks.cockpit.sign_in import audit_router, session_router
from sinks.metrics import Metrics
from streams.settings import City
from streams.shells.access import Access
from streams.shells.commands import command_of, rules
from streams.shells.http import ingest_router
from streams.shells.meter import Meter
from streams.shells.opening import Opened
from streams.shells.outward import Behind, add_outward, archive_of

HOSTS = ("127.0.0.1", "localhost")
"""Names this process is asked for by; another one is a web page that had its own name resolved to this address (DNS rebinding)."""
BEHIND_MAX = 10_000
"""Journal records that may wait before the process calls itself not ready."""
COMMANDS_BEHIND_MAX = 100_000
"""Journal records that may wait before commands are put off."""


def build_app(
    opened: Opened,
    access: Access,
    *,
    token: str,
    now_s: Callable[[], int],
    ingest: bool = True,
    deliveries: Deliveries | None = None,
) -> FastAPI:
    """``token`` is for records. ``ingest`` False serves the feed alone, of a past that is played."""
    metrics = opened.engine.meter.metrics
    exposition = (lambda: _exposition(opened, access, metrics, now_s(), deliveries)) if metrics else None
    app = cockpit_app(opened.engine.city, opened.feed, lambda: health(opened), exposition, access, now_s)
    behind = Behind(archive_of(opened.sinks), opened.history, deliveries, exercise=not ingest)
    add_outward(app, opened.engine.city, opened.feed, now_s, behind)
    if ingest:
        app.include_router(ingest_router(opened.engine, token, now_s))
        take_commands(app, opened.feed, submit_to(opened, now_s))
    return app


def cockpit_app(
    city: City, feed: Feed, health: Health, metrics: Callable[[], bytes] | None, access: Access, now_s: Callable[[], int]
) -> FastAPI:
    """What people read, once they have signed in. Requests that were made for another host are refused."""
    app = create_app(feed, city.areas, health, gate=access.keeper, metrics=metrics, title=f"Tocsin: {city.title}")
    app.include_router(session_router(access.keeper))
    app.include_router(audit_router(access.audit))
    app.include_router(city_router(city, feed.view.places, now_s))
    app.include_router(shift_router(feed, now_s))
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*HOSTS, *access.names])
    return app


def take_commands(app: FastAPI, feed: Feed, submit: Submit) -> None:
    """And what they say."""
    app.include_router(commands_router(feed, rules(), submit))


def submit_to(opened: Opened, now_s: Callable[[], int]) -> Submit:
    """Appends commands to the findings journal of a state folder."""

    def submit(given: Given) -> None:
        if opened.engine.behind > COMMANDS_BEHIND_MAX:
            raise NotTaken
        try:
            opened.store.append_findings([command_of(given, now_s())], now_s())
        except sqlite3.Error:
            raise NotTaken from None

    return submit


def health(opened: Opened) -> dict[str, bool]:
    """What must be true before people can rely on what they see."""
    engine = opened.engine
    return {"sinks": not engine.waiting, "caught_up": engine.behind < BEHIND_MAX}


def _exposition(opened: Opened, access: Access, metrics: Metrics, now_s: int, deliveries: Deliveries | None) -> bytes:
    """Gauges are brought up to date when they are asked for."""
    engine = opened.engine
    metrics.behind(engine.behind)
    measure_feed(opened.feed, metrics, engine.meter)
    access.measure(metrics, engine.meter)
    if deliveries is not None:
        metrics.deliveries(deliveries.counts())
    lags: dict[str, int] = {}
    for raw, watermark_s in engine.desk.watermarks().items():
        if watermark_s <= 0:  # nothing has come yet: no lag, rather than one since 1970
            continue
        source = raw.removeprefix("raw.").rsplit("/", 1)[0]
        lags[source] = max(lags.get(source, 0), now_s - watermark_s)
    for source, lag_s in lags.items():
        metrics.watermark_lag(source, lag_s)
    for bound, reached in engine.bounds().items():
        engine.meter.bound(bound, reached)
    return metrics.text()


def measure_feed(feed: Feed, metrics: Metrics, meter: Meter) -> None:
    """The feed's own gauges and bounds."""
    stats = feed.stats()
    metrics.open_alerts(Counter(held.alert.band for held in feed.open_alerts()))
    metrics.feed(stats.subscribers, stats.dropped, stats.resets)
    meter.bound("feed_alerts", stats.left_off)
    meter.bound("feed_subscribers", stats.refused)
