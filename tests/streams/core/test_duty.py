"""Whose an alert is, and when it goes up: the lowest area that covers it, then one level after the other until somebody takes it on."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest

from streams.core.configure import configure_command
from streams.core.decide import Decide
from streams.model import HOUR_S, Duty
from streams.settings import City, Department, DutyRules, Within
from tests.streams.core.story import AREAS, SHARDS, START_S, Story, city

FIRE, FLOOD = "d1a/fire", "d1a/flood"
WITHIN = Within(red_s=600, orange_s=1800, yellow_s=3600, blue_s=0)
RULES = DutyRules(
    departments={
        "water": Department("Water", signals=("flood",)),
        "rescue": Department("Rescue", signals=("fire",)),
        "desk": Department("Desk"),
    },
    otherwise="desk",
    within=WITHIN,
)


def town(**lifecycle: object) -> City:
    return msgspec.structs.replace(city(**lifecycle), duty=RULES)


def duty(story: Story) -> Duty:
    found = story.only().duty
    assert found is not None
    return found


def clock(story: Story, *minutes: float) -> list[str]:
    """Ticks so many minutes after the story's beginning; what was said, with whose it is now."""
    before = len(story.transitions)
    for at in minutes:
        story.tick(START_S + int(at * 60))
    return [f"{t.reason}{'!' if t.notify else ''} {t.what}" for t in story.transitions[before:]]


def test_it_begins_with_the_lowest_area_that_covers_it_and_its_signals_department() -> None:
    story = Story(town())
    story.hours({FIRE: "0"})
    assert duty(story) == Duty("d1a", "rescue")
    story = Story(town())
    story.hours({"d2/noise": "0"})
    assert duty(story) == Duty("d2", "desk")


def test_nobody_takes_it_on_so_it_goes_up_level_by_level_and_no_further() -> None:
    # [raised) tick: the hour begins  + 60: district  tick  + 60: city
    story = Story(town())
    story.hours({FIRE: "0"})
    assert clock(story, 61) == []
    assert (duty(story).since_s, duty(story).due_s) == (START_S + 61 * 60, START_S + 121 * 60)
    assert clock(story, 120) == []
    assert clock(story, 121) == ["escalated! d1/rescue"]
    assert clock(story, 122, 183) == ["escalated! c/rescue"]
    assert clock(story, 184, 1000, 2000) == []
    assert duty(story) == Duty("c", "rescue", START_S + 184 * 60, 0, 2)


def test_time_begins_with_the_first_tick_not_with_the_window_so_a_backlog_is_not_late() -> None:
    story = Story(town())
    story.hours({FIRE: "0"}, band="red")
    assert story.decide.next_deadline_s() == 0
    assert clock(story, 10_000) == []
    assert duty(story).due_s == START_S + 10_000 * 60 + 600


@pytest.mark.parametrize("kind, more", [("acknowledge", {}), ("assign", {"owner": "bob"})])
def test_whoever_takes_it_on_stops_the_clock(kind: str, more: dict[str, str]) -> None:
    story = Story(town())
    story.hours({FIRE: "0"})
    clock(story, 61)
    story.command(kind, {"alert": story.only().id, **more})
    assert story.decide.next_deadline_s() is None
    assert clock(story, 5_000) == []
    assert duty(story).area == "d1a"


def test_given_back_it_begins_anew() -> None:
    story = Story(town())
    story.hours({FIRE: "0"})
    clock(story, 61)
    story.command("assign", {"alert": story.only().id, "owner": "bob"})
    story.command("assign", {"alert": story.only().id, "owner": ""})
    assert clock(story, 500, 560) == ["escalated! d1/rescue"]


def test_getting_worse_leaves_less_time() -> None:
    story = Story(town())
    story.hours({FIRE: "0"})
    clock(story, 100)
    assert duty(story).due_s == START_S + 160 * 60
    story.hours({FIRE: "1"}, band="red")  # told again at 120, with ten minutes from the next tick on
    assert story.decide.next_deadline_s() == 0
    assert clock(story, 122, 131) == []
    assert duty(story).due_s == START_S + 132 * 60
    assert clock(story, 132) == ["escalated! d1/rescue"]


def test_getting_worse_never_leaves_more_time() -> None:
    story = Story(town())
    story.hours({FIRE: "0"})
    clock(story, 61)
    story.hours({FIRE: "1"}, band="red")
    assert clock(story, 120.5) == []
    assert duty(story).due_s == START_S + 121 * 60


def test_without_departments_any_more_or_without_the_area_nothing_goes_up() -> None:
    for changed in (
        msgspec.structs.replace(town(), duty=DutyRules()),
        msgspec.structs.replace(town(), areas=tuple(area for area in town().areas if area.code != "d1a")),
    ):
        story = Story(town())
        story.hours({FIRE: "0"})
        clock(story, 61)
        story.take(configure_command(changed, id="c", time_s=START_S, actor="ann"))
        assert clock(story, 121, 500, 501) == []
        assert story.decide.next_deadline_s() is None


def test_a_band_without_a_time_never_goes_up() -> None:
    story = Story(town())
    story.hours({FIRE: "0"}, band="blue")
    assert clock(story, 61, 100_000) == []
    assert story.decide.next_deadline_s() is None


def test_handed_on_it_is_told_to_those_and_begins_anew() -> None:
    story = Story(town())
    story.hours({FIRE: "0"})
    clock(story, 61)
    story.command("acknowledge", {"alert": story.only().id})
    (handed,) = story.command("hand", {"alert": story.only().id, "area": "d1", "department": "water"})
    assert (handed.reason, handed.notify, handed.what) == ("handed", True, "d1/water")
    assert (story.only().owner, duty(story)) == ("", Duty("d1", "water"))
    assert clock(story, 200, 260) == ["escalated! c/water"]


@pytest.mark.parametrize(
    "body, refusal", [({"area": "mars"}, "unknown_area"), ({"area": "d1", "department": "magic"}, "unknown_department")]
)
def test_it_cannot_be_handed_to_nobody(body: dict[str, str], refusal: str) -> None:
    story = Story(town())
    story.hours({FIRE: "0"})
    assert story.command("hand", {"alert": story.only().id, **body}) == []
    assert [reason for _, reason in story.refused] == [refusal]


def test_without_departments_nothing_is_anybodys_and_nothing_goes_up() -> None:
    story = Story()
    story.hours({FIRE: "0"})
    assert story.only().duty is None
    assert story.decide.next_deadline_s() is None
    assert clock(story, 61, 100_000) == []
    story.command("hand", {"alert": story.only().id, "area": "d1"})
    assert [reason for _, reason in story.refused] == ["unknown_department"]


def test_while_it_is_muted_no_time_runs() -> None:
    story = Story(town())
    story.command("silence", {"area": "d1", "until_s": START_S + 3 * HOUR_S}, id="hush")
    story.hours({FIRE: "0"})
    assert story.only().muted_by == "silence:hush"
    assert clock(story, 61, 170) == []
    assert clock(story, 180) == ["silence_ended! "]
    assert clock(story, 181, 241) == ["escalated! d1/rescue"]


def test_silenced_when_it_is_due_it_goes_up_without_a_word_and_waits() -> None:
    story = Story(town())
    story.hours({FIRE: "0"})
    clock(story, 61)
    story.command("silence", {"area": "d1", "until_s": START_S + 5 * HOUR_S}, id="hush")
    assert clock(story, 121, 299) == ["escalated d1/rescue"]
    assert clock(story, 300, 301, 361) == ["silence_ended! ", "escalated! c/rescue"]


def test_what_spreads_over_the_district_is_the_districts() -> None:
    story = Story(town())
    story.hours({FIRE: "0", "d1b/fire": ".", "d1/fire": "."})
    assert duty(story).area == "d1a"
    story.hours({FIRE: "0", "d1b/fire": "1", "d1/fire": "1"})
    assert (story.only().area, duty(story).area) == ("d1", "d1")


def test_escalations_survive_a_snapshot() -> None:
    story = Story(town())
    story.hours({FIRE: "0"})
    clock(story, 61)
    other = Decide(story.city, SHARDS)
    other.restore(story.decide.snapshot())
    story.decide = other
    assert clock(story, 121) == ["escalated! d1/rescue"]


def test_a_provisional_alert_has_an_area_and_its_time_begins_when_it_is_confirmed() -> None:
    story = Story(town())
    story.early(FIRE)
    assert duty(story) == Duty("d1a", "rescue")
    assert clock(story, 30, 59) == []
    story.hours({FIRE: "0"})
    assert clock(story, 61, 121) == ["escalated! d1/rescue"]


def test_a_provisional_alert_that_was_handed_on_stays_with_those() -> None:
    story = Story(town())
    story.early(FIRE)
    story.command("hand", {"alert": story.only().id, "area": "d1", "department": "water"})
    story.hours({FIRE: "0"})
    assert duty(story) == Duty("d1", "water")


def seen(story: Story, who: Iterable[str]) -> tuple[str, ...]:
    for name in who:
        assert story.command("seen", {"alert": story.only().id}, actor=name) == []
    return story.only().seen


def test_who_has_it_before_them_is_known_once_each_and_makes_no_step() -> None:
    story = Story(town())
    story.hours({FIRE: "0"})
    assert seen(story, ("bo", "ann", "bo")) == ("bo", "ann")
    assert story.only().seq == 1
    assert len(seen(story, (f"p{i}" for i in range(40)))) == 32


def test_experts_may_hold_another_label() -> None:
    story = Story(town())
    story.hours({FIRE: "0"})
    alert = story.only().id
    story.command("label", {"alert": alert, "label": "true"})
    for who, label in (("eve", "false"), ("finn", "false"), ("gus", "true")):
        (step,) = story.command("dissent", {"alert": alert, "label": label}, actor=who)
        assert (step.reason, step.what, step.notify) == ("dissented", label, False)
    assert (story.only().label, story.only().dissent) == ("true", ("false 2",))
    story.command("dissent", {"alert": alert, "label": ""}, actor="eve")
    assert story.only().dissent == ("false 1",)


def configured(story: Story, after: City) -> None:
    story.take(configure_command(after, id=f"configure-{len(story.commands)}", time_s=story.now_s, actor="op"))


def test_what_is_of_an_area_that_is_no_more_is_the_citys_and_goes_no_further() -> None:
    story = Story(town())
    story.hours({FIRE: "0"})
    clock(story, 61)
    configured(story, msgspec.structs.replace(town(), areas=tuple(area for area in AREAS if area.code != "d1a")))
    assert clock(story, 121, 122, 400, 800) == []
    assert duty(story) == Duty("c", "rescue", START_S + 121 * 60)


def test_what_is_of_a_department_that_is_no_more_is_of_the_one_that_has_its_signal_now() -> None:
    story = Story(town())
    story.hours({FIRE: "0"})
    clock(story, 61)
    departments = {name: each for name, each in RULES.departments.items() if name != "rescue"}
    configured(story, msgspec.structs.replace(town(), duty=msgspec.structs.replace(RULES, departments=departments)))
    assert clock(story, 122, 181, 182) == ["escalated! d1/desk"]


def test_rules_of_duty_that_come_hold_for_what_is_open_and_those_that_go_hold_no_more() -> None:
    story = Story(city())
    story.hours({FIRE: "0"})
    assert story.only().duty is None
    configured(story, town())
    assert clock(story, 61, 121) == ["escalated! d1/rescue"]
    configured(story, city())
    assert (clock(story, 122, 400), story.only().duty) == ([], None)


def test_alerts_of_areas_that_are_no_more_are_merged_and_split() -> None:
    story = Story(town())
    story.hours({FIRE: "0", "d2a/noise": "0"})
    configured(story, msgspec.structs.replace(town(), areas=tuple(area for area in AREAS if area.code != "d1a")))
    gone, into = (alert.id for alert in sorted(story.decide.open_alerts(), key=lambda alert: alert.area))
    story.command("merge", {"alert": gone, "into": into})
    assert {member.area for member in story.only().members} == {"d1a", "d2a"}
    story.command("split", {"alert": into, "area": "d1a"})
    assert {alert.area for alert in story.decide.open_alerts()} == {"d1a", "d2a"}


def test_what_takes_in_an_alert_that_somebody_has_taken_on_does_not_go_up() -> None:
    story = Story(town())
    story.hours({FIRE: "0", "d1b/noise": "0"})
    clock(story, 61)
    gone, into = (alert.id for alert in sorted(story.decide.open_alerts(), key=lambda alert: alert.area))
    story.command("acknowledge", {"alert": gone}, actor="bo")
    story.command("merge", {"alert": gone, "into": into})
    assert (story.only().owner, duty(story).area, duty(story).due_s) == ("bo", "d1", 0)
    assert clock(story, 121, 500) == []


def test_a_band_without_a_limit_stops_the_clock_no_longer_than_it_lasts() -> None:
    # yellow [raised) a person has it, blue [gives it back) tick: no limit    yellow again, said before: nobody is told
    story = Story(town())
    story.hours({FIRE: "0"})
    story.command("assign", {"alert": story.only().id, "owner": "bo"})
    story.hours({FIRE: "0"}, band="blue")
    story.command("assign", {"alert": story.only().id, "owner": ""})
    assert clock(story, 121) == []
    assert (duty(story).due_s, story.decide.next_deadline_s()) == (0, None)
    assert story.hours({FIRE: "0"}) == []
    assert clock(story, 181, 240) == []
    assert clock(story, 241) == ["escalated! d1/rescue"]
