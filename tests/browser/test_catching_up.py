"""After a reload, a server that was down and a network that was gone, the list is whole and in the order of the API."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.pages import until
from tests.browser.stage import Stage

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.needs("page")]
OFFLINE_S = 60.0 if os.environ.get("TOCSIN_BROWSER") == "whole" else 3.0
SHOWN = "[...document.querySelectorAll('.list > .rows > li > a')].map(row => row.dataset.row)"


def catch_up(page: Any, stage: Stage) -> None:
    """The list of the page is that of the API."""
    wanted: list[str] = []
    shown: list[str] = []
    until = time.monotonic() + 20
    while time.monotonic() < until:
        told = page.request.get(f"{stage.url}/api/alerts?limit=1000").json()["alerts"]
        wanted, shown = [alert["id"] for alert in told], page.evaluate(SHOWN)
        bands = page.evaluate("[...document.querySelectorAll('.list > .rows > li')].map(row => row.dataset.band)")
        if wanted == shown and bands == [alert["band"] for alert in told]:
            return
        page.wait_for_timeout(100)
    assert shown == wanted


def test_the_list_follows_what_happens(enter: Callable[..., Any], stage: Stage) -> None:
    page = enter()
    catch_up(page, stage)
    stage.town.happen(40)
    catch_up(page, stage)


def test_a_reload(enter: Callable[..., Any], stage: Stage) -> None:
    page = enter()
    stage.town.happen(10)
    page.reload()
    catch_up(page, stage)


def test_a_server_that_was_down(enter: Callable[..., Any], stage: Stage) -> None:
    page = enter()
    before = len(stage.town.past)
    stage.close()
    page.wait_for_selector(".lost")
    assert page.locator("[data-row]").count() == len(stage.town.acted.open), "the last list stays"
    stage.town.feed = type("Away", (), {"write": lambda *_: None})()  # the journals go on
    stage.town.happen(25)
    stage.open()
    page.wait_for_selector(".lost", state="detached")
    catch_up(page, stage)
    assert stage.town.asked_after == [None, str(before)], "it must say what it saw last"


def test_a_network_that_was_gone(enter: Callable[..., Any], stage: Stage) -> None:
    page = enter()
    before = len(stage.town.past)
    stage.cable.pull()
    page.context.set_offline(True)
    page.wait_for_selector(".lost")
    shown = page.evaluate(SHOWN)
    ends = time.monotonic() + OFFLINE_S
    while time.monotonic() < ends:
        stage.town.happen(5)
        page.wait_for_timeout(250)
        assert page.evaluate(SHOWN) == shown
    page.evaluate("location.hash = '#/silences'")
    page.wait_for_selector("text=Asked again as soon as the network is back")
    stage.cable.mend()
    page.context.set_offline(False)
    page.wait_for_selector("text=No silences in force")
    page.evaluate("location.hash = '#/watch'")
    page.wait_for_selector(".lost", state="detached")
    catch_up(page, stage)
    assert stage.town.asked_after == [None, str(before)], "it must say what it saw last"


def test_a_decision_given_while_the_network_is_gone_is_sent_once_when_it_is_back(enter: Callable[..., Any], stage: Stage) -> None:
    page = enter("anna")
    page.context.set_offline(True)
    page.keyboard.press("j")
    page.keyboard.press("a")
    page.wait_for_selector(".outbox li[data-state=waiting]")
    assert stage.town.given == []
    page.context.set_offline(False)
    page.wait_for_selector(".outbox li[data-state=done]")
    assert [kind for kind, _, _ in stage.town.given] == ["acknowledge"]


def test_a_flood_is_shown_in_part_and_in_order(enter: Callable[..., Any], stage: Stage) -> None:
    page = enter()
    stage.town.acted._open_max = 400
    for _ in range(6):
        stage.town.happen(100)
    told = [held.alert.id for held in stage.town.feed.open_alerts()]
    assert len(told) > 120
    until(page, f"document.querySelector('.count').textContent === '{len(told)}'")
    assert page.evaluate(SHOWN) == told[:60]
    page.get_by_role("button", name="Show more").click()
    assert page.evaluate(SHOWN) == told[:120]
