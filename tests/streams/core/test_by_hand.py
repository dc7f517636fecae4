"""Alerts opened, merged and split by people, and the steps of playbooks."""

from __future__ import annotations

import msgspec
import pytest

from streams.model import HOUR_S, StepDone
from streams.settings import City, Department, DutyRules, Playbook, PlaybookStep
from tests.streams.core.story import START_S, Story, city

FIRE, FLOOD, NOISE = "d1a/fire", "d1a/flood", "d2a/noise"


def test_an_alert_opened_by_hand_is_told_takes_findings_in_and_stays_until_a_person_ends_it() -> None:
    story = Story()
    story.hours({FIRE: "."})
    (opened,) = story.command("open", {"area": "d1a", "signal": "fire", "band": "orange"})
    assert (opened.from_state, opened.to_state, opened.reason, opened.notify, opened.band, opened.actor) == (
        "none", "open", "opened", True, "orange", "ann",
    )  # fmt: skip
    assert story.only().clears == "ends when a person resolves it"
    assert story.hours({FIRE: "0"}) == []  # a person knows of it
    assert story.hours({FIRE: "1" + "." * 60}, band="red") == ["3 open->open worse!"]
    assert [member.area for member in story.only().members] == ["d1a"]
    (ended,) = story.command("resolve", {"alert": story.only().id})
    assert (ended.to_state, story.decide.open_alerts()) == ("cleared", ())


def test_what_is_open_already_is_not_opened_again() -> None:
    story = Story()
    story.hours({FIRE: "0"})
    assert story.command("open", {"area": "d1a", "signal": "fire"}) == []
    for body, _ in (({"area": "mars", "signal": "fire"}, 0), ({"area": "d1", "signal": "aliens"}, 0)):
        story.command("open", body)
    assert [reason for _, reason in story.refused] == ["already_open", "unknown_area", "unknown_signal"]


def test_as_many_as_may_be_open_are_open() -> None:
    story = Story(city(open_alerts_max=1))
    story.hours({FIRE: "0"})
    story.command("open", {"area": "d2", "signal": "flood"})
    assert [reason for _, reason in story.refused] == ["too_many_alerts"]


def test_merged_they_are_one_and_what_people_did_goes_along() -> None:
    story = Story()
    story.hours({FIRE: "0", NOISE: "0"})
    gone, into = sorted(story.alerts, key=lambda name: story.alerts[name].area, reverse=True)
    story.command("acknowledge", {"alert": gone}, actor="bo")
    said = story.command("merge", {"alert": gone, "into": into})
    assert [(t.alert_id, t.to_state, t.reason, t.what) for t in said] == [
        (gone, "withdrawn", "merged", into),
        (into, "open", "took_in", gone),
    ]
    assert (story.only().id, story.only().owner, {m.area for m in story.only().members}) == (into, "bo", {"d1a", "d2a"})
    assert story.hours({FIRE: "0", NOISE: "1"}, band="yellow") == ["2 open->open worse!"]  # the series went along
    assert story.hours({FIRE: "." * 12, NOISE: "." * 12}) == ["14 open->cleared calm"]
    assert story.hours({FIRE: ".", NOISE: "0"}) == ["15 none->open raised!"]


def test_merging_with_itself_or_with_nothing_is_refused() -> None:
    story = Story()
    story.hours({FIRE: "0"})
    story.early(NOISE)
    mine = next(alert.id for alert in story.decide.open_alerts() if alert.state == "open")
    early = next(alert.id for alert in story.decide.open_alerts() if alert.state == "provisional")
    for into in (mine, "nobody", early):
        story.command("merge", {"alert": mine, "into": into})
    assert [reason for _, reason in story.refused] == ["same_alert", "unknown_alert", "still_provisional"]


def test_split_each_goes_its_own_way() -> None:
    story = Story()
    story.hours({"d1/fire": "0", FIRE: "0", "d1b/fire": "0"})
    old = story.only().id
    said = story.command("split", {"alert": old, "area": "d1b"})
    assert [(t.reason, t.notify) for t in said] == [("split", False), ("split_off", False)]
    new = said[0].alert_id
    parts = {alert.id: sorted(m.area for m in alert.members) for alert in story.decide.open_alerts()}
    assert parts == {old: ["d1", "d1a"], new: ["d1b"]}
    story.hours({"d1/fire": "." * 12, FIRE: "." * 12, "d1b/fire": "-" * 12})
    assert [alert.id for alert in story.decide.open_alerts()] == [new]


def test_split_off_with_its_lead_the_strongest_of_the_rest_leads_and_the_id_stays() -> None:
    story = Story()
    story.hours({FIRE: "0"})
    old = story.only().id
    story.hours({FIRE: "0", "d1/fire": "0"})
    story.command("split", {"alert": old, "area": "d1a"})
    assert {alert.id: [m.area for m in alert.members] for alert in story.decide.open_alerts()}[old] == ["d1"]


def test_there_must_be_something_on_both_sides() -> None:
    story = Story()
    story.hours({FIRE: "0", "d1/fire": "0"})
    alert = story.only().id
    for body in ({"area": "d1"}, {"area": "d2"}, {"area": "d1", "signal": "noise"}):
        story.command("split", {"alert": alert, **body})
    story.command("split", {"alert": "nobody", "area": "d1"})
    assert [reason for _, reason in story.refused] == ["nothing_to_split"] * 3 + ["unknown_alert"]


def with_playbook() -> City:
    steps = (PlaybookStep("look"), PlaybookStep("pump"))
    return msgspec.structs.replace(city(), playbooks=(Playbook("water", "Water", steps=steps),))


def test_steps_are_ticked_off_and_taken_back() -> None:
    story = Story(with_playbook())
    story.hours({FLOOD: "0"})
    alert = story.only().id
    (done,) = story.command("step", {"alert": alert, "step": "look"}, actor="bo")
    assert (done.reason, done.what) == ("step_done", "look")
    story.command("step", {"alert": alert, "step": "pump"})
    assert story.only().steps == (StepDone("look", "bo", START_S + HOUR_S), StepDone("pump", "ann", START_S + HOUR_S))
    (undone,) = story.command("step", {"alert": alert, "step": "look", "done": False})
    assert (undone.reason, [s.step for s in story.only().steps]) == ("step_undone", ["pump"])
    story.command("step", {"alert": alert, "step": "dance"})
    assert [reason for _, reason in story.refused] == ["unknown_step"]


def test_steps_of_a_provisional_alert_are_there_when_it_is_confirmed() -> None:
    story = Story(with_playbook())
    story.early(FLOOD)
    story.command("step", {"alert": story.only().id, "step": "look"})
    story.hours({FLOOD: "0"})
    assert (story.only().state, [s.step for s in story.only().steps]) == ("open", ["look"])


def test_works_that_are_planned_are_silent_from_then_on_and_not_before() -> None:
    story = Story()
    body = {"area": "d1", "from_s": START_S + 3 * HOUR_S, "until_s": START_S + 9 * HOUR_S, "reason": "planned_work"}
    story.command("silence", body, id="works")
    assert story.decide.next_deadline_s() == START_S + 3 * HOUR_S
    assert story.hours({FIRE: "0"}) == ["1 none->open raised!"]
    story.hour = 3
    story.tick()
    story.hour = 2
    assert story.hours({"d1b/noise": "..0"}) == ["5 none->open silenced"]
    (silence,) = story.decide.silences()
    assert (silence.reason, silence.from_s, silence.set_s) == ("planned_work", START_S + 3 * HOUR_S, START_S)


def test_what_is_provisional_beside_an_alert_opened_by_hand_can_be_handed_on() -> None:
    story = Story(msgspec.structs.replace(city(), duty=DutyRules(departments={"desk": Department("Desk")}, otherwise="desk")))
    (early,) = story.early(FIRE)
    story.command("open", {"area": "d1a", "signal": "fire"})
    (handed,) = story.command("hand", {"alert": early.alert_id, "area": "d1"})
    assert (handed.to_state, handed.reason, handed.notify) == ("provisional", "handed", True)
    story.hours({FIRE: "0"})
    duty = story.only().duty
    assert duty is not None and duty.area == "d1"


def test_a_silence_holds_for_what_is_handed_on_while_it_is_provisional() -> None:
    story = Story(msgspec.structs.replace(city(), duty=DutyRules(departments={"desk": Department("Desk")}, otherwise="desk")))
    story.command("silence", {"area": "d1", "until_s": START_S + 9 * HOUR_S})
    (early,) = story.early(FIRE)
    (handed,) = story.command("hand", {"alert": early.alert_id, "area": "d1"})
    assert (early.notify, handed.reason, handed.notify) == (False, "handed", False)


def test_an_id_that_was_forgotten_meanwhile_makes_no_second_alert(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.core.decide.APPLIED_MAX", 1)
    story = Story()
    story.hours({FIRE: "0", FLOOD: "0", NOISE: "0"})
    story.command("open", {"area": "d2", "signal": "fire"}, id="again")
    into = next(alert.id for alert in story.decide.open_alerts() if alert.area == "d1a")
    other = next(alert.id for alert in story.decide.open_alerts() if alert.area == "d2a")
    story.command("merge", {"alert": other, "into": into})
    assert story.command("split", {"alert": into, "area": "d2a"}, id="again") == []
    story.command("comment", {"alert": into, "text": "so"})
    assert story.command("open", {"area": "d1", "signal": "rubbish"}, id="again") == []
    assert [reason for _, reason in story.refused] == ["already_open", "already_open"]
