"""What the feed remembers of a shift: steps, silences, who is there, what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import httpx
import msgspec
import pytest

from sinks.base import Batch
from sinks.checks import AREAS, SIGNALS, Open, alert, caller
from sinks.checks import transition as transition_of
from sinks.cockpit import chronicle
from sinks.cockpit.api import create_app
from sinks.cockpit.chronicle import Chronicle
from sinks.cockpit.city import city_router
from sinks.cockpit.feed import Feed
from sinks.cockpit.shift import shift_router
from sinks.cockpit.views import Beside, View
from streams.model import Command, Duty, Outcome, Silence, StepDone, Transition
from streams.settings import City, Department, DutyRules, Playbook, PlaybookStep, Roster

NOW_S = 1_500_000_000  # 02:40 UTC
CITY = City(
    "town", "Town", "Asia/Shanghai", tuple(AREAS), {}, tuple(SIGNALS), {},
    duty=DutyRules(departments={"water": Department("Water", "水务")}, otherwise="water"),
    rosters=(Roster("d1", "water", ("bo",), "08:00-12:00"), Roster("city", "water", ("ann",))),
    playbooks=(Playbook("flood", "Flood", "积水", steps=(PlaybookStep("look", "Look.", "看。"), PlaybookStep("pump", "Pump."))),),
)  # fmt: skip


def transition(name: str, seq: int, *, at_s: int) -> Transition:
    given = transition_of(alert(name, seq))
    return msgspec.structs.replace(given, at_s=at_s)


def feed_of(*silences: Silence, steps: Iterable[Transition] = ()) -> Feed:
    beside = Beside(
        lambda member: f"{member.signal}！", lambda _: "会解除", lambda _: "flood", lambda a: [{"source": "hotline", "url": a.area}]
    )
    feed = Feed(View(AREAS, SIGNALS, beside=beside))
    duty = Duty("d1", "water", NOW_S, NOW_S + 600, 1)
    held = msgspec.structs.replace(
        alert("a", 1), duty=duty, steps=(StepDone("look", "bo", 5),), dissent=("false 1",), seen=("bo",), muted_by=""
    )
    feed.load([held], 5, steps=steps, silences=silences)
    return feed


def ask(feed: Feed, path: str, *scope: str, **options: Any) -> httpx.Response:
    app = create_app(feed, AREAS, dict, gate=Open(caller(scope) if scope else None))
    app.include_router(shift_router(feed, lambda: NOW_S))
    app.include_router(city_router(CITY, feed.view.places, lambda: NOW_S))

    async def request() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.request(options.pop("method", "GET"), path, **options)

    return asyncio.run(request())


def test_an_alert_tells_whose_it_is_what_was_done_and_the_same_in_chinese() -> None:
    told = ask(feed_of(), "/api/alerts/a").json()
    assert told["duty"] == {
        "area": "d1", "area_path": ["Testcity", "North"], "level": 1, "department": "water",
        "since_s": NOW_S, "due_s": NOW_S + 600, "escalated": 1,
    }  # fmt: skip
    assert (told["dissent"], told["seen"], told["playbook"]) == (["false 1"], ["bo"], "flood")
    assert told["steps_done"] == [{"step": "look", "actor": "bo", "at_s": 5}]
    assert (told["why_zh"], told["clears_zh"]) == ("North Bank“Noise”：近1天40至44件，多于当地常态（约10件）。", "会解除"), (
        "a street: rounded"
    )
    assert told["source_links"] == [{"source": "hotline", "url": told["area"]}]


def test_steps_of_an_alert_oldest_first_and_of_all_newest_first() -> None:
    feed = feed_of(steps=[transition("a", n, at_s=100 + n) for n in (3, 4)] + [transition("b", 1, at_s=110)])
    feed.write(Batch(alerts=(), transitions=((6, transition("a", 5, at_s=120)),)))
    told = ask(feed, "/api/alerts/a/transitions").json()
    assert ([step["seq"] for step in told["transitions"]], told["left_off"]) == ([3, 4, 5], 2)
    told = ask(feed, "/api/transitions?since_s=104&limit=2").json()["transitions"]
    assert [(step["alert_id"], step["at_s"]) for step in told] == [("a", 120), ("b", 110)]
    assert ask(feed, "/api/alerts/nobody/transitions").status_code == 404


def test_steps_are_bounded_by_number_and_by_alert(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chronicle, "STEPS_OF_ALERT_MAX", 2)
    kept = Chronicle(steps_max=3, alerts_max=2)
    for name, seq in (("a", 1), ("a", 2), ("a", 3), ("b", 1), ("c", 1)):
        kept.keep(transition(name, seq, at_s=seq))
    assert kept.of("a") == ([], 0)  # the alert that was longest without a step has left
    assert [step.alert_id for step in kept.since(0, 9)] == ["c", "b", "a"]
    kept.keep(transition("b", 2, at_s=2))
    kept.keep(transition("b", 3, at_s=3))
    assert ([step.seq for step in kept.of("b")[0]], kept.of("b")[1]) == ([2, 3], 1)


def outcome(kind: str, body: str, *, name: str, refusal: str = "") -> Outcome:
    return Outcome(Command(name, NOW_S - 60, "ann", kind, body), refusal)


def test_silences_follow_from_what_became_of_commands() -> None:
    feed = feed_of(Silence("old", "bo", "d2", (), NOW_S + 10), Silence("over", "bo", "d2", (), NOW_S))
    until_s = NOW_S + 5
    said = f'{{"area": "d1", "until_s": {until_s}, "signals": ["noise"], "reason": "planned_work", "from_s": 0}}'
    feed.write(
        Batch(
            alerts=(), outcomes=((6, outcome("silence", said, name="new")), (7, outcome("silence", said, name="no", refusal="bad_until")))
        )
    )
    listed = ask(feed, "/api/silences").json()["silences"]
    assert [(each["id"], each["until_s"]) for each in listed] == [("new", until_s), ("old", NOW_S + 10)]
    assert (listed[0]["reason"], listed[0]["signals"], listed[0]["since_s"], listed[0]["actor"]) == (
        "planned_work",
        ["noise"],
        NOW_S - 60,
        "ann",
    )
    feed.write(Batch(alerts=(), outcomes=((8, outcome("unsilence", '{"silence": "new"}', name="end")),)))
    assert [each["id"] for each in ask(feed, "/api/silences").json()["silences"]] == ["old"]
    assert ask(feed, "/api/silences", "d1").json()["silences"] == []
    assert len(ask(feed, "/api/silences", "d2").json()["silences"]) == 1


def test_pain_08_a_silence_says_how_many_alerts_it_would_mute_before_it_is_set() -> None:
    feed = feed_of()
    place = feed.open_alerts()[0].alert

    def preview(area: str, *signals: str) -> Any:
        answer = ask(feed, "/api/silences/preview", method="POST", json={"area": area, "signals": list(signals)})
        return answer.json().get("open", answer.status_code)

    assert (preview("city"), preview(place.area), preview("city", *place.signals)) == (1, 1, 1)
    assert (preview("city", "another"), preview("d2" if place.area != "d2" else "d1")) == (0, 0)
    assert preview("mars") == 404
    assert ask(feed, "/api/silences/preview", method="POST", content=b"[").status_code == 415
    headers = {"Content-Type": "application/json"}
    assert ask(feed, "/api/silences/preview", method="POST", content=b"[", headers=headers).status_code == 422


def test_who_is_there_is_the_nearest_area_that_has_somebody_at_this_hour() -> None:
    assert ask(feed_of(), "/api/duty?area=d1a&department=water").json() == {"area": "d1", "department": "water", "staff": ["bo"]}
    assert ask(feed_of(), "/api/duty?area=d2&department=water").json()["staff"] == ["ann"]
    assert ask(feed_of(), "/api/duty?area=d2&department=fire").json() == {"area": "", "department": "fire", "staff": []}
    assert ask(feed_of(), "/api/duty?area=mars").status_code == 404


def test_the_city_and_its_playbooks_are_told_in_two_languages() -> None:
    about = ask(feed_of(), "/api/city").json()
    assert about["departments"] == [{"name": "water", "title": "Water", "title_zh": "水务"}]
    assert {"name", "title", "title_zh", "purpose", "kind", "group"} == about["signals"][0].keys()
    book = ask(feed_of(), "/api/playbooks/flood").json()
    assert book["title"] == {"en": "Flood", "zh": "积水"}
    assert book["steps"] == [{"id": "look", "en": "Look.", "zh": "看。"}, {"id": "pump", "en": "Pump.", "zh": "Pump."}]
    assert ask(feed_of(), "/api/playbooks/none").status_code == 404
