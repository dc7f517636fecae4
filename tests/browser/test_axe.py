"""No page has a fault that axe-core knows (WCAG 2.2 AA and best practices), light or dark, on a desk or a phone, in either language."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.pages import PAGES, show
from tests.browser.stage import Stage

WHOLE = [("light", "en-GB", None), ("dark", "zh-CN", {"width": 360, "height": 780})] if os.environ.get("TOCSIN_BROWSER") == "whole" else []
"""`make test-browser` looks at more, `make test` at every page once in each look."""
pytestmark = [pytest.mark.needs("chromium"), pytest.mark.needs("page")]
RUN = "() => axe.run(document, {resultTypes: ['violations'], runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
PHONE = {"width": 360, "height": 780}


def faults(page: Any, axe: str) -> list[str]:
    page.evaluate(axe)
    found = page.evaluate(RUN)["violations"]
    return [f"{each['id']}: {node['html'][:160]}" for each in found for node in each["nodes"][:3]]


@pytest.mark.parametrize("scheme, locale, size", [("dark", "en-GB", None), ("light", "zh-CN", PHONE), *WHOLE])
def test_no_page_has_a_fault(
    enter: Callable[..., Any], stage: Stage, axe: str, scheme: str, locale: str, size: dict[str, int] | None
) -> None:
    stage.town.obey(
        "s1", "silence", "cleo", {"area": "back-bay", "until_s": stage.town.now_s + 9000, "signals": ["noise"], "reason": "other"}
    )
    page = enter(color_scheme=scheme, locale=locale, **({"viewport": size} if size else {}))
    found = {}
    for name in PAGES:
        show(page, stage, name)
        found[name] = faults(page, axe)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{name} is {wide} px too wide"
    assert found == {name: [] for name in PAGES}


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_neither_has_a_dialog_nor_the_door(enter: Callable[..., Any], stage: Stage, axe: str, scheme: str) -> None:
    page = enter("emil", color_scheme=scheme)
    show(page, stage, "alert")
    found = {}
    for key, kind in {"s": "silence", "l": "label", "r": "resolve", "o": "assign", "c": "comment", "?": "help"}.items():
        page.keyboard.press(key)
        page.wait_for_selector("dialog[open]")
        found[kind] = faults(page, axe)
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog[open]", state="detached")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_selector("form")
    found["door"] = faults(page, axe)
    assert [fault for each in found.values() for fault in each] == []


def test_a_planted_fault_is_found(enter: Callable[..., Any], stage: Stage, axe: str) -> None:
    page = enter(color_scheme="light")
    page.evaluate("document.querySelector('main').append(document.createElement('img'))")
    page.evaluate("document.querySelector('.count').style.color = '#c8ccd0'")
    assert {fault.partition(":")[0] for fault in faults(page, axe)} >= {"image-alt", "color-contrast"}
