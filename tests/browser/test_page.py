"""What people see and do: the door, roles, languages, looks, what has changed, a phone, and texts that are never markup."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser.pages import PAGES, show
from tests.browser.stage import Stage
from tests.browser.town import PASSWORD

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.needs("page")]
WORDS = Path(__file__).parents[2] / "sinks/cockpit/ui/src/words"
PHONE = {"width": 360, "height": 780}


def test_the_door_opens_to_the_right_password_only(enter: Callable[..., Any], stage: Stage) -> None:
    page = enter("anna", "#/quality")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_selector("form")
    assert page.locator("[data-row], .strip, nav.pages").count() == 0
    for password in ("wrong", PASSWORD):
        page.get_by_label("User").fill("anna")
        page.get_by_label("Password").fill(password)
        page.keyboard.press("Enter")
        page.wait_for_selector("[role=alert]:has-text('wrong')" if password == "wrong" else "h1:has-text('Data quality')")


def test_a_session_that_has_ended_leads_to_the_door_and_back(enter: Callable[..., Any], stage: Stage) -> None:
    page = enter("anna")
    stage.town.sessions.clear()
    page.evaluate("location.hash = '#/silences'")
    page.wait_for_selector("input[type=password]")
    page.get_by_label("User").fill("anna")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('Silences')")


def test_a_viewer_may_look_and_not_act(enter: Callable[..., Any], stage: Stage) -> None:
    page = enter("vera")
    show(page, stage, "alert")
    assert page.locator(".actions").count() == 0
    assert page.locator(".steps input:not(:disabled)").count() == 0
    page.keyboard.press("a")
    page.keyboard.press("s")
    page.wait_for_timeout(300)
    assert page.locator("dialog[open]").count() == 0
    assert stage.town.given == []
    assert page.locator("nav.pages >> text=Audit").count() == 0


def test_what_is_refused_is_said_in_words(enter: Callable[..., Any], stage: Stage) -> None:
    page = enter("anna")
    show(page, stage, "alert")
    stage.town.acted.open.clear()
    page.get_by_role("button", name="Acknowledge").click()
    page.wait_for_selector(".outbox li[data-state=refused]:has-text('no such alert')")


def test_both_languages_say_everything_in_their_own_words(enter: Callable[..., Any], stage: Stage) -> None:
    english, chinese = (json.loads((WORDS / f"{name}.json").read_text()) for name in ("en", "zh"))
    page = enter(locale="en-GB")
    page.get_by_role("button", name="中文").click()
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    only = {text for key, text in english.items() if "{" not in text and len(text) > 12 and text != chinese[key]}
    for name in PAGES:
        show(page, stage, name)
        lines = set(page.locator("body").inner_text().splitlines())
        assert not lines & only, name
        assert not lines & set(english), f"{name} shows a key"
    page.reload()
    page.wait_for_selector("h1:has-text('审计')")


def test_the_look_is_the_readers_choice(enter: Callable[..., Any]) -> None:
    page = enter(color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    button = page.get_by_role("button", name="Look")
    button.click()
    assert page.evaluate(ground) == light
    button.click()
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    page.wait_for_selector("[data-row]")
    assert page.evaluate(ground) == dark


def test_it_says_what_has_changed_since_one_last_looked(enter: Callable[..., Any], stage: Stage) -> None:
    page = enter()
    page.get_by_role("button", name="I have seen it").click()
    page.wait_for_selector("text=Nothing has changed")
    acted = stage.town.acted
    first, second, third, *_ = sorted(acted.open.values(), key=lambda alert: alert.risk)
    stage.town.tell(*acted.step(first, "worse", risk=97.0))
    stage.town.tell(*acted.step(second, "calm", state="cleared"))
    stage.town.tell(*acted._raise())
    page.wait_for_selector(".looked:has-text('1 new, 1 worse, 1 ended')")
    assert page.locator(f".row:has([data-row='{first.id}']) [data-mark=worse]").count() == 1
    page.reload()
    page.wait_for_selector(".looked:has-text('1 new, 1 worse, 1 ended')")
    page.get_by_role("button", name="I have seen it").click()
    page.wait_for_selector("text=Nothing has changed")
    assert page.locator("[data-mark]").count() == 0
    assert third.id in acted.open


def test_a_phone_has_the_outcome_under_the_thumb(enter: Callable[..., Any], stage: Stage) -> None:
    page = enter("anna", viewport=PHONE)
    show(page, stage, "alert")
    button = page.get_by_role("button", name="False alarm")
    box = button.bounding_box()
    assert box is not None
    assert box["height"] >= 44
    assert box["y"] + box["height"] <= PHONE["height"]
    button.click()
    page.wait_for_selector("button[aria-pressed=true]:has-text('False alarm')")
    assert [(kind, body["label"]) for kind, _, body in stage.town.given] == [("label", "false")]


def test_everything_that_can_be_pressed_is_large_enough(enter: Callable[..., Any], stage: Stage) -> None:
    page = enter(viewport=PHONE)
    for name in ("watch", "alert", "silences"):
        show(page, stage, name)
        small = page.evaluate(
            "[...document.querySelectorAll('button, input, select')].map(b => [b.textContent, b.getBoundingClientRect()]).filter(([, r]) => r.width && (r.width < 24 || r.height < 24)).map(([t]) => t)"
        )
        assert small == [], name


def test_the_map_leads_down_and_the_tiles_say_the_same(enter: Callable[..., Any], stage: Stage) -> None:
    page = enter()
    page.wait_for_selector(".chart canvas")
    worst = stage.town.feed.open_alerts()[0].alert
    name = stage.town.view.places.areas[worst.area].name
    tile = page.locator(".tiles li").first
    assert name in tile.inner_text()
    assert tile.get_attribute("data-band") == worst.band
    tile.locator("a").click()
    page.wait_for_selector("text=Show the whole city")
    wanted = [held.alert.id for held in stage.town.feed.open_alerts() if worst.area in stage.town.view.places.lineage(held.alert.area)]
    assert page.evaluate("[...document.querySelectorAll('.list > .rows > li > a')].map(row => row.dataset.row)") == wanted


def test_a_step_of_the_playbook_is_ticked(enter: Callable[..., Any], stage: Stage) -> None:
    page = enter("anna")
    show(page, stage, "alert")
    page.get_by_label("Send a crew").check()
    page.wait_for_selector("text=done by anna")
    assert stage.town.given[-1][2]["step"] == "crew"


def test_a_text_from_elsewhere_is_never_markup(enter: Callable[..., Any], stage: Stage) -> None:
    page = enter("anna")
    show(page, stage, "alert")
    page.get_by_text("The whole playbook").click()
    page.wait_for_selector("text=<b>Never</b> alone.")
    assert page.locator(".prose li").count() == 2


def test_what_is_not_served_is_said(enter: Callable[..., Any], stage: Stage) -> None:
    page = enter("cleo")
    for path in ("index", "quality", "audit", "silences"):
        page.route(re.compile(f"/api/{path}"), lambda route: route.fulfill(status=404, json={"detail": "no"}))
        page.evaluate(f"location.hash = '#/{path}'")
        page.wait_for_selector("main >> text=Not available here")


def test_an_alert_that_is_gone_is_said(enter: Callable[..., Any]) -> None:
    page = enter("cleo", "#/alert/0000")
    page.wait_for_selector("text=No open or lately finished alert")
