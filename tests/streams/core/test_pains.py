"""What users of other systems complain of in the life of an alert, each under its number; more of them stand in the files of their subject."""

from __future__ import annotations

from streams.core.decide import Decide
from streams.core.muting import SILENCE_S_MAX
from streams.model import HOUR_S
from tests.streams.core.story import SHARDS, Story, city

FIRE, NOISE = "d1a/fire", "d1a/noise"


def restarted(story: Story) -> Story:
    """The same story, gone on with from a snapshot."""
    other = Decide(story.city, SHARDS)
    other.restore(story.decide.snapshot())
    story.decide = other
    return story


def test_pain_4_a_long_repeat_interval_holds_for_what_flaps_too_and_over_a_restart() -> None:
    story = Story(city(repeat_interval_s=600 * HOUR_S, hold_s=2 * HOUR_S))
    for _ in range(3):  # three times it clears and comes back
        story.hours({FIRE: "0....."})
    story.hours({FIRE: "0"})
    restarted(story)
    before = len(story.transitions)
    story.hours({FIRE: "0.0" * 40})
    assert [step.reason for step in story.transitions[before:] if step.notify] == []


def test_pain_7_no_silence_is_forgotten_each_has_an_end_within_a_month() -> None:
    story = Story()
    story.command("silence", {"area": "d1", "until_s": story.now_s + SILENCE_S_MAX + 1})
    assert [reason for _, reason in story.refused] == ["bad_until"]
    story.command("silence", {"area": "d1", "until_s": story.now_s + SILENCE_S_MAX})
    assert story.decide.next_deadline_s() == story.now_s + SILENCE_S_MAX
    story.tick(story.now_s + SILENCE_S_MAX)
    assert story.decide.silences() == ()


def test_pain_14_without_data_it_keeps_what_it_was_with_whoever_has_it_and_comes_back_as_that() -> None:
    story = Story()
    story.hours({FIRE: "0"})
    story.command("acknowledge", {"alert": story.only().id})
    assert story.hours({FIRE: "xxx"}) == ["2 open->no_data no_data"]
    assert (story.only().owner, story.only().band) == ("ann", "yellow")
    assert story.hours({FIRE: "0"}) == ["5 no_data->open data_returned"]
    assert story.only().owner == "ann"


def test_pain_17_a_restart_neither_unconfirms_an_alert_nor_begins_its_hold_anew() -> None:
    story = Story()
    story.hours({FIRE: "0" + "." * 11})
    restarted(story)
    assert (story.only().state, story.hours({FIRE: "."})) == ("open", ["13 open->cleared calm"])


def test_pain_20_after_a_restart_what_is_as_it_was_says_nothing_and_what_changed_meanwhile_is_told() -> None:
    story = restarted(Story())
    story.hours({FIRE: "0", NOISE: "."})
    restarted(story)
    # what came while it was down is in the journal, and is read now
    assert story.hours({FIRE: "0", NOISE: "0"}) == ["2 none->open raised!"]


def test_pain_28_a_window_still_open_opens_no_alert_for_good() -> None:
    story = Story()
    (shown,) = story.early(FIRE)
    assert (shown.to_state, story.only().state) == ("provisional", "provisional")
    assert story.hours({FIRE: "."}) == ["1 provisional->withdrawn not_confirmed"]


def test_pain_38_a_planned_silence_that_ends_looks_at_each_alert_once() -> None:
    story = Story()
    story.command("silence", {"area": "d1", "until_s": story.now_s + 3 * HOUR_S}, id="works")
    story.hours({FIRE: "00", NOISE: "00"})
    story.hour = 3
    assert [step.reason for step in story.tick()] == ["silence_ended", "silence_ended"]
    assert story.tick() == []
