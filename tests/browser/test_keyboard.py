"""The whole loop without a mouse: find the worst, take it, hand it over, say what it was, silence, resolve, hand the shift over."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.pages import until
from tests.browser.stage import Stage

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.needs("page")]


def focused(page: Any) -> str | None:
    return page.evaluate("document.activeElement.dataset.row")


def given(stage: Stage, page: Any, count: int) -> tuple[str, str, dict[str, Any]]:
    """The newest command, once so many have come and the page says that it is done."""
    ends = time.monotonic() + 15
    while len(stage.town.given) < count and time.monotonic() < ends:
        page.wait_for_timeout(50)
    assert len(stage.town.given) == count
    until(page, "document.querySelector('.outbox li:last-child')?.dataset.state === 'done'")
    return stage.town.given[-1]


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def tab_to(page: Any, name: str) -> None:
    """Tab on until the button of this name in the open dialog has the focus."""
    for _ in range(20):
        if page.evaluate("document.activeElement.textContent.trim()") == name:
            return
        press(page, "Tab")
    pytest.fail(f"no way to {name!r} by Tab")


def test_the_loop_of_a_shift(enter: Callable[..., Any], stage: Stage) -> None:
    page = enter("emil")
    order = [held.alert.id for held in stage.town.feed.open_alerts()]
    press(page, "j", "j", "k")
    assert focused(page) == order[0]
    press(page, "ArrowDown")
    assert focused(page) == order[1]
    press(page, "k", "a")
    assert given(stage, page, 1) == ("acknowledge", "emil", {"alert": order[0]})
    assert page.locator(f"[data-row='{order[0]}'] .duty b").inner_text() == "emil"
    assert focused(page) == order[0], "what changes in the list leaves the focus where it is"

    press(page, "Enter")
    page.wait_for_selector(".alert")
    press(page, "o")
    page.wait_for_selector("dialog[open] input")
    press(page, "Control+a")
    page.keyboard.type("bo")
    press(page, "Enter")
    assert given(stage, page, 2) == ("assign", "emil", {"alert": order[0], "owner": "bo"})

    press(page, "l")
    tab_to(page, "True something was there".replace("True ", "True"))
    press(page, "Enter")
    assert given(stage, page, 3) == ("label", "emil", {"alert": order[0], "label": "true"})

    press(page, "s")
    page.wait_for_selector("[data-mutes]:not([data-mutes=asking])")
    told = page.locator("[data-mutes]").get_attribute("data-mutes")
    assert told is not None and int(told) >= 1, "it says how many it would mute before it is saved"
    assert len(stage.town.given) == 3
    tab_to(page, "Silence")
    press(page, "Enter")
    kind, _, body = given(stage, page, 4)
    assert (kind, body["reason"], body["area"]) == ("silence", "planned_work", stage.town.acted.open[order[0]].area)

    press(page, "r")
    page.wait_for_selector("dialog[open] select")
    tab_to(page, "Resolve")
    press(page, "Enter")
    assert given(stage, page, 5) == ("resolve", "emil", {"alert": order[0]})

    press(page, "h")
    page.wait_for_selector("h1:has-text('Handover')")
    page.wait_for_selector("text=resolved (emil)")
    until(page, f"document.querySelectorAll('tbody tr').length === {len(order) - 1}")
    press(page, "g", "w")
    page.wait_for_selector(".watch")
    until(page, f"document.querySelectorAll('[data-row]').length === {len(order) - 1}")


def test_shortcuts_can_be_switched_off_and_stay_off(enter: Callable[..., Any], stage: Stage) -> None:
    page = enter("anna")
    press(page, "?")
    page.wait_for_selector("dialog[open]")
    press(page, "Space")
    press(page, "Escape")
    for _ in range(2):
        press(page, "j", "h", "?")
        assert page.evaluate("location.hash") == "#/watch"
        assert page.locator("dialog[open]").count() == 0
        assert focused(page) is None
        page.reload()
        page.wait_for_selector("[data-row]")


def test_letters_that_somebody_types_are_no_shortcuts(enter: Callable[..., Any], stage: Stage) -> None:
    page = enter("anna", "#/handover")
    page.locator("textarea").focus()
    page.keyboard.type("a grass has gone wild?")
    assert page.locator("textarea").input_value() == "a grass has gone wild?"
    assert page.evaluate("location.hash") == "#/handover"
    assert stage.town.given == []


def test_the_focus_can_be_seen(enter: Callable[..., Any]) -> None:
    page = enter("anna")
    press(page, "j")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2
