"""A town, its server and a browser. A page that complains to its console, or asks another host for something, fails its test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from load_tests.services.chromium import launched
from tests.browser.stage import LINK, Stage
from tests.browser.town import Town

READY = "[data-row]"
LOST = ("net::ERR_", "Failed to load resource")
"""What the browser itself says of answers that are errors, and of a network that is gone; tests that want none of it look for themselves."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One a module: Playwright's loop must have ended before a test of another module begins one."""
    with launched() as made:
        yield made


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage(Town())
    yield made
    made.end()


@pytest.fixture
def enter(browser: Any, stage: Stage) -> Iterator[Callable[..., Any]]:
    """A page of somebody who is signed in, by their name; more of the browser's context by keyword."""
    contexts, complaints = [], []

    def _enter(name: str = "cleo", path: str = "#/watch", **options: Any) -> Any:
        context = browser.new_context(locale=options.pop("locale", "en-GB"), **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on(
            "console", lambda said: said.type in {"error", "warning"} and not said.text.startswith(LOST) and complaints.append(said.text)
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: request.url.startswith(stage.url) or complaints.append(f"asked {request.url}"))
        page.goto(f"{stage.url}/link/{LINK}-{name}")
        page.wait_for_selector(READY)
        page.evaluate("hash => { location.hash = hash }", path)
        return page

    yield _enter
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="session")
def axe() -> str:
    return (Path(__file__).parents[2] / "sinks/cockpit/ui/node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")
