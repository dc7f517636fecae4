"""The web application of one process: the cockpit's endpoints, and beside them the one that takes records in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware

from sinks.cockpit.api import create_app
from sinks.metrics import Metrics
from streams.shells.http import ingest_router
from streams.shells.opening import Opened

HOSTS = ("127.0.0.1", "localhost")
"""Names this process is asked for by; another one is a web page that had its own name resolved to this address (DNS rebinding)."""
BEHIND_MAX = 10_000
"""Journal records that may wait before the process calls itself not ready."""


def build_app(opened: Opened, *, token: str, now_s: Callable[[], int], ingest: bool = True) -> FastAPI:
    """``ingest`` False serves the feed alone."""
    metrics = opened.engine.meter.metrics
    app = create_app(
        opened.feed,
        opened.engine.city.areas,
        lambda: health(opened),
        metrics=(lambda: _exposition(opened, metrics, now_s())) if metrics else None,
        title=f"Tocsin: {opened.engine.city.title}",
    )
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS))
    if ingest:
        app.include_router(ingest_router(opened.engine, token, now_s))
    return app


def health(opened: Opened) -> dict[str, bool]:
    """What must be true before people can rely on what they see."""
    engine = opened.engine
    return {"sinks": not engine.waiting, "caught_up": engine.behind < BEHIND_MAX}


def _exposition(opened: Opened, metrics: Metrics, now_s: int) -> bytes:
    """Gauges are brought up to date when they are asked for."""
    engine, feed = opened.engine, opened.feed.stats()
    metrics.behind(engine.behind)
    metrics.open_alerts(Counter(held.alert.band for held in opened.feed.open_alerts()))
    metrics.feed(feed.subscribers, feed.dropped, feed.resets)
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
    engine.meter.bound("feed_alerts", feed.left_off)
    engine.meter.bound("feed_subscribers", feed.refused)
    return metrics.text()
