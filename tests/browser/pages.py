"""Every page of the cockpit by its name, and how to wait until it shows what it has asked for."""

from __future__ import annotations

import time
from typing import Any

from tests.browser.stage import Stage

PAGES = ("watch", "alert", "area", "quality", "silences", "handover", "index", "audit")
SETTLED = (
    "!document.querySelector('main [role=status]:not([data-mutes])') && document.querySelectorAll('.chart:not(:has(canvas))').length === 0"
)


def until(page: Any, what: str, seconds: float = 15.0) -> None:
    """Wait until a JavaScript expression holds. Asked from outside, since the page's policy lets nothing be evaluated in it."""
    ends = time.monotonic() + seconds
    while not page.evaluate(what):
        assert time.monotonic() < ends, f"it does not come to hold: {what}"
        page.wait_for_timeout(50)


def address(stage: Stage, name: str) -> str:
    worst = stage.town.feed.open_alerts()[0].alert
    return {"alert": f"#/alert/{worst.id}", "area": f"#/area/{worst.area}"}.get(name, f"#/{name}")


def show(page: Any, stage: Stage, name: str) -> None:
    """Go there; what it asks for is there when this returns."""
    page.evaluate("hash => { location.hash = hash }", address(stage, name))
    page.wait_for_selector({"watch": ".watch", "alert": ".alert", "area": ".multiples, main .note"}.get(name, "main h1"))
    until(page, SETTLED)
