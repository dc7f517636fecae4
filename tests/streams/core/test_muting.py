"""Silences and inhibition on drawn timelines. See story.py for the characters."""

from __future__ import annotations

from streams.core.muting import SILENCES_MAX
from streams.model import HOUR_S, Silence, Transition
from tests.streams.core.story import START_S, Story, city

FIRE = "d1a/fire"


def silence(story: Story, area: str, hours: float, *signals: str) -> str:
    """Silences an area from now on; returns the silence's id."""
    name = f"silence-{story.hour}-{area}"
    story.command("silence", {"area": area, "signals": list(signals), "until_s": story.now_s + int(hours * HOUR_S)}, id=name)
    assert story.refused == []
    return name


def brief(transitions: list[Transition]) -> list[tuple[str, bool, str]]:
    return [(t.reason, t.notify, t.muted_by) for t in transitions]


def test_pain_12_a_silenced_alert_is_raised_untold_and_says_who_muted_it() -> None:
    story = Story()
    name = silence(story, "d1", 5, "fire")
    assert brief(story.window({FIRE: "0"})) == [("silenced", False, f"silence:{name}")]
    assert story.only().muted_by == f"silence:{name}"
    assert story.only().state == "open"


def test_pain_6_and_38_the_end_of_a_silence_tells_once_and_names_it() -> None:
    #           silence
    # fire  [------------)
    #         0  0  2  0   ^ told once, though it was raised and got worse
    story = Story()
    name = silence(story, "d1", 4)
    story.hours({FIRE: "0020"})
    assert [t.notify for t in story.transitions] == [False, False]
    assert story.decide.next_deadline_s() == story.now_s
    assert brief(story.tick()) == [("silence_ended", True, f"silence:{name}")]
    assert story.tick() == []
    assert story.decide.next_deadline_s() is None
    assert story.only().muted_by == ""


def test_what_is_said_when_a_silence_has_ended_is_not_newer_than_the_windows_that_follow() -> None:
    # readers keep the newest state by (seq, as_of_s), and people's clock is ahead of events
    story = Story()
    silence(story, "d1", 2)
    story.hours({FIRE: "0"})
    story.hour += 3
    story.tick()
    story.hour -= 3
    told = story.only()
    assert (told.reason, told.updated_s, told.as_of_s) == ("silence_ended", START_S + HOUR_S, START_S + HOUR_S)
    story.hours({FIRE: "0"})
    after = story.only()
    assert (after.seq, after.as_of_s) > (told.seq, told.as_of_s)
    assert after.updated_s >= told.updated_s


def test_a_tick_before_the_end_ends_nothing() -> None:
    story = Story()
    silence(story, "d1", 4)
    story.hours({FIRE: "0"})
    assert story.tick() == []
    assert len(story.decide.silences()) == 1


def test_unsilence_tells_at_once_and_an_alert_that_cleared_meanwhile_never() -> None:
    story = Story()
    name = silence(story, "c", 100)
    story.hours({FIRE: "0" + "." * 12, "d2a/flood": "0" + "-" * 12})
    said = story.command("unsilence", {"silence": name})
    assert [(t.signals, t.reason, t.notify) for t in said] == [(("flood",), "silence_ended", True)]


def test_silence_of_an_alert_that_was_told_mutes_what_gets_worse() -> None:
    story = Story()
    story.hours({FIRE: "0"})
    name = silence(story, "d1", 1)
    assert brief(story.window({FIRE: "1"})) == [("worse", False, f"silence:{name}")]
    assert brief(story.tick()) == [("silence_ended", True, f"silence:{name}")]


def test_silence_that_withheld_nothing_ends_without_a_word() -> None:
    story = Story()
    story.hours({FIRE: "0"})
    silence(story, "d1", 1)
    story.hours({FIRE: "0"})
    assert story.tick() == []


def test_early_alerts_are_muted_too() -> None:
    story = Story()
    name = silence(story, "d1", 1)
    (raised,) = story.early(FIRE)
    assert (raised.to_state, raised.reason, raised.notify, raised.muted_by) == ("provisional", "silenced", False, f"silence:{name}")


def test_pain_8_and_41_a_silence_reaches_its_area_and_signals_and_no_further() -> None:
    story = Story()
    silence(story, "d1", 100, "noise")
    story.hours({"d1a/noise": "0", "d1a/fire": "0", "d2a/noise": "0"})
    assert {(t.area, t.signals[0]): t.notify for t in story.transitions} == {
        ("d1a", "noise"): False,
        ("d1a", "fire"): True,
        ("d2a", "noise"): True,
    }


def test_an_alert_that_outgrows_its_silence_is_told() -> None:
    story = Story()
    name = silence(story, "d1a", 100)
    story.hours({"d1a/noise": "0"})
    said = story.window({"d1a/noise": "0", "d1/noise": "0"})
    assert brief(said) == [("joined", False, ""), ("mute_outgrown", True, f"silence:{name}")]


def test_of_several_silences_the_one_that_ends_last_is_named() -> None:
    story = Story()
    silence(story, "d1", 1)
    long = silence(story, "c", 3)
    story.hours({FIRE: "0"})
    assert story.only().muted_by == f"silence:{long}"
    assert story.tick() == []
    story.hours({FIRE: "00"})
    assert brief(story.tick()) == [("silence_ended", True, f"silence:{long}")]


def test_another_silence_takes_over_without_a_word() -> None:
    story = Story()
    short = silence(story, "d1", 2)
    long = silence(story, "c", 3)
    story.hours({FIRE: "0"})
    assert story.command("unsilence", {"silence": long}) == []
    assert story.only().muted_by == f"silence:{short}"


def test_silences_carry_author_scope_and_end() -> None:
    story = Story()
    name = silence(story, "d1", 2, "noise")
    assert story.decide.silences() == (Silence(name, "ann", "d1", ("noise",), START_S + 2 * HOUR_S, set_s=START_S),)


def test_silences_are_bounded() -> None:
    story = Story()
    for i in range(SILENCES_MAX + 1):
        story.command("silence", {"area": "d1", "until_s": story.now_s + 60}, id=f"s{i}")
    assert story.refused == [(f"s{SILENCES_MAX}", "too_many_silences")]


def test_pain_10_an_ancestors_alert_inhibits_where_areas_do_not_fold() -> None:
    story = Story(city(fold_areas=False))
    story.hours({"d1/noise": "0"})
    above = story.only().id
    assert brief(story.window({"d1/noise": "0", "d1a/noise": "0"})) == [("inhibited", False, f"alert:{above}")]


def test_inhibition_is_for_the_same_signal_or_group_and_for_what_lies_below() -> None:
    story = Story(city(fold_areas=False))
    story.hours({"d1/noise": "0"})
    said = story.window({"d1a/rubbish": "0", "d1a/fire": "0", "c/noise": "0", "d2a/noise": "0"})
    assert {(t.area, t.signals[0]): t.reason for t in said} == {
        ("c", "noise"): "raised",
        ("d1a", "rubbish"): "inhibited",
        ("d1a", "fire"): "raised",
        ("d2a", "noise"): "inhibited",  # by the city's
    }


def test_pain_11_inhibition_touches_neither_evaluation_nor_clearing() -> None:
    story = Story(city(fold_areas=False))
    said = story.hours({"d1/noise": "0" + "-" * 12, "d1a/noise": "0" + "." * 12})
    assert said == ["1 none->open raised!", "1 none->open inhibited", "13 open->cleared calm"]


def test_when_the_ancestors_alert_clears_the_one_below_is_told_once() -> None:
    story = Story(city(fold_areas=False))
    said = story.hours({"d1/noise": "0" + "." * 12, "d1a/noise": "0" + "-" * 12})
    assert said == ["1 none->open raised!", "1 none->open inhibited", "13 open->cleared calm", "13 open->open inhibition_ended!"]


def test_a_muted_alert_inhibits_nobody() -> None:
    # the district's noise is silenced, rubbish below it is not: somebody must hear of one of them
    story = Story(city(fold_areas=False))
    silence(story, "d1", 100, "noise")
    story.hours({"d1/noise": "0", "d1a/rubbish": "0"})
    assert [t.reason for t in story.transitions] == ["silenced", "raised"]


def test_pain_9_an_alert_in_a_higher_band_than_its_ancestors_is_told() -> None:
    story = Story(city(fold_areas=False))
    story.window({"d1/noise": "0"}, band="yellow")
    assert [(t.area, t.reason) for t in story.window({"d1a/noise": "0"}, band="orange")] == [("d1a", "raised")]
    story.window({"d1b/noise": "0"}, band="yellow")
    assert [(t.reason, t.notify) for t in story.transitions[2:]] == [("inhibited", False)]
    assert [(t.reason, t.notify) for t in story.window({"d1b/noise": "0"}, band="red")] == [("worse", True)]


def test_pain_9_areas_a_city_does_not_have_inhibit_nothing() -> None:
    story = Story(city(fold_areas=False))
    story.hours({"d1x/noise": "0", "d1/noise": "0"})
    assert {t.reason for t in story.transitions} == {"raised"}


def test_planned_works_that_have_begun_hold_for_windows_still_open_too() -> None:
    story = Story()
    story.command("silence", {"area": "d1", "from_s": START_S + 600, "until_s": START_S + 9 * HOUR_S})
    story.tick(START_S + 601)
    (early,) = story.early("d1a/fire")
    assert (early.reason, early.notify) == ("silenced", False)
    story = Story()
    story.command("silence", {"area": "d1", "from_s": START_S + 600, "until_s": START_S + 9 * HOUR_S})
    (early,) = story.early("d1a/fire")
    assert (early.reason, early.notify) == ("raised_early", True)
