"""The web application of one process: the cockpit's endpoints, and beside them the one that takes records in."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI

from sinks.cockpit.api import create_app
from streams.shells.http import ingest_router
from streams.shells.opening import Opened

BEHIND_MAX = 10_000
"""Journal records that may wait before the process calls itself not ready."""


def build_app(opened: Opened, *, token: str, now_s: Callable[[], int], ingest: bool = True) -> FastAPI:
    """``ingest`` False serves the feed alone."""
    app = create_app(opened.feed, opened.engine.city.areas, lambda: health(opened), title=f"Tocsin: {opened.engine.city.title}")
    if ingest:
        app.include_router(ingest_router(opened.engine, token, now_s))
    return app


def health(opened: Opened) -> dict[str, bool]:
    """What must be true before people can rely on what they see."""
    engine = opened.engine
    return {"sinks": not engine.waiting, "caught_up": engine.behind < BEHIND_MAX}
