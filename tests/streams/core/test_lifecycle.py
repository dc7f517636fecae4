"""The rules of one alert, alone and on drawn timelines. See story.py for the characters."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.growth import Growth
from streams.core.lifecycle import (
    FINAL,
    KEPT_REASONS,
    NEXT,
    TRANSITION_REASONS,
    WORSE_CEILING_S,
    Case,
    Limits,
    at_early,
    at_window,
    clearing,
    clears_words,
    got_worse,
)
from streams.model import BANDS, DAY_S, HOUR_S
from streams.settings import Lifecycle
from tests.streams.core.story import SHARDS, START_S, Closed, Story, city, finding

LIMITS = Limits(raise_s=1e7, clear_s=1e6, hold_s=12 * HOUR_S, worse_ratio=10.0)
OPEN = Case("open", START_S, band="yellow", said_band="yellow")
FIRE = "d1a/fire"

recurrences = st.floats(0, 1e13)
cases = st.builds(
    Case,
    state=st.sampled_from(["none", "provisional", "open", "no_data"]),
    now_s=st.integers(START_S, START_S + DAY_S),
    raising=st.booleans(),
    joined=st.booleans(),
    due=st.booleans(),
    calm_s=st.sampled_from([0, HOUR_S, 12 * HOUR_S, 24 * HOUR_S]),
    dark=st.booleans(),
    partly_dark=st.booleans(),
    band=st.sampled_from(BANDS),
    said_band=st.sampled_from(BANDS),
    growth=st.lists(st.builds(Growth, recurrences, recurrences), max_size=2).map(tuple),
    worse_s=st.none() | st.integers(START_S - DAY_S, START_S + DAY_S),
    flapping=st.booleans(),
    held=st.booleans(),
)


@given(cases, st.sampled_from([at_early, at_window]))
def test_every_step_is_legal_and_has_a_reason(case: Case, rule: object) -> None:
    step = rule(case, LIMITS)  # type: ignore[operator]
    assert step.state in NEXT[case.state]
    assert step.reason in TRANSITION_REASONS + KEPT_REASONS
    if step.reason in KEPT_REASONS:
        assert step.state == case.state
        assert not step.notify


@given(cases)
def test_pain_13_nothing_clears_without_data(case: Case) -> None:
    blind = msgspec.structs.replace(case, dark=True, partly_dark=True)
    assert at_window(blind, LIMITS).state not in FINAL
    partly = msgspec.structs.replace(case, dark=False, partly_dark=True)
    assert at_window(partly, LIMITS).state != "cleared"


@given(cases, st.sampled_from([at_early, at_window]))
def test_only_a_raise_and_getting_worse_are_told(case: Case, rule: object) -> None:
    step = rule(case, LIMITS)  # type: ignore[operator]
    assert step.notify == (case.state == "none") or got_worse(case, LIMITS)


@pytest.mark.parametrize(
    ("ago_s", "raising", "taken_on", "told"),
    [
        (DAY_S, True, False, True),
        (DAY_S - HOUR_S, True, False, False),
        (2 * DAY_S, False, False, False),
        (2 * DAY_S, True, True, False),
    ],
)
def test_what_still_raises_and_nobody_has_taken_on_is_told_again(ago_s: int, raising: bool, taken_on: bool, told: bool) -> None:
    case = msgspec.structs.replace(OPEN, told_ago_s=ago_s, goes_on=raising, taken_on=taken_on)
    step = at_window(case, msgspec.structs.replace(LIMITS, repeat_s=DAY_S))
    assert (step.reason == "repeated", step.notify) == (told, told)
    assert not at_window(case, LIMITS).notify


def test_it_is_told_once_an_interval_as_long_as_it_lasts_and_not_once_somebody_has_it() -> None:
    story = Story(city(repeat_interval_s=DAY_S))
    steps = story.hours({FIRE: "9" * 60})
    assert [step for step in steps if "repeated" in step] == ["25 open->open repeated!", "49 open->open repeated!"]


@given(cases)
def test_an_early_finding_ends_nothing(case: Case) -> None:
    assert at_early(case, LIMITS).state not in {*FINAL, "no_data"}


def test_reasons_are_a_closed_list() -> None:
    words = TRANSITION_REASONS + KEPT_REASONS
    assert len(words) == len(set(words))
    assert all(NEXT[state] == () for state in FINAL)


@pytest.mark.parametrize(
    "fresh_s, reference_s, worse",
    [
        (1e8, 1e7, True),  # ten times
        (9e7, 1e7, False),
        (1e7, 0.0, True),  # after calm: the raise threshold again
        (9e6, 0.0, False),  # never below it
        (1e13, 1e11, True),
        (1e30, WORSE_CEILING_S / 5, False),  # beyond the ceiling nothing is told apart
    ],
)
def test_ten_times_the_reference_is_worse(fresh_s: float, reference_s: float, worse: bool) -> None:
    assert got_worse(msgspec.structs.replace(OPEN, growth=(Growth(fresh_s, reference_s),)), LIMITS) is worse


def test_ratio_of_the_settings_never_makes_worse_below_the_raise_threshold() -> None:
    limits = Limits.of(Lifecycle(worse_ratio=2.0, clear_ratio=0.1), 1e7)
    assert not got_worse(msgspec.structs.replace(OPEN, growth=(Growth(5e6),)), limits)


def test_pain_40_raise_and_clear_do_not_overlap() -> None:
    limits = Limits.of(Lifecycle(), 1e7)
    assert limits.clear_s < limits.raise_s


@pytest.mark.parametrize(
    "case, words",
    [
        (Case("provisional", START_S), "confirmed or withdrawn when the window that ends 2015-01-01T01:00Z closes"),
        (Case("open", START_S), "clears when nothing as rare as once in 2 weeks is seen for 12 h; earliest 2015-01-01T12:00Z"),
        (
            Case("open", START_S, calm_s=10 * HOUR_S),
            "clears when nothing as rare as once in 2 weeks is seen for 12 h; earliest 2015-01-01T02:00Z",
        ),
        (
            Case("open", START_S, flapping=True),
            "clears when nothing as rare as once in 2 weeks is seen for 24 h; earliest 2015-01-02T00:00Z",
        ),
        (Case("no_data", START_S, dark=True), "clears when nothing as rare as once in 2 weeks is seen for 12 h; not while data is missing"),
        (Case("cleared", START_S), ""),
    ],
)
def test_pain_33_it_says_when_it_clears(case: Case, words: str) -> None:
    assert clears_words(clearing(case, LIMITS, START_S + HOUR_S)) == words


# getting worse


def test_ten_times_rarer_is_worse_and_twice_is_not() -> None:
    story = Story()
    assert story.hours({FIRE: "00.1112"}) == ["1 none->open raised!", "4 open->open worse!", "7 open->open worse!"]


def test_slow_growth_adds_up_to_worse() -> None:
    # each hour three times as rare as the one before: ten times as rare as what was said within three hours
    story = Story()
    story.hours({FIRE: "0"})
    for factor in (3.0, 9.0, 27.0):
        story.hour += 1
        found = finding("d1a", "fire", "0", story.now_s, story._numbers["d1"])
        story._numbers["d1"] += 1
        story.take(msgspec.structs.replace(found, fresh_recurrence_s=found.fresh_recurrence_s * factor))
        for shard in SHARDS:
            story.take(Closed(shard, story.now_s, story._numbers[shard]))
    assert story.said(1) == ["4 open->open worse!"]


def test_a_higher_band_is_worse_even_within_the_hour_and_a_lower_one_is_not() -> None:
    story = Story()
    story.early(FIRE)
    (first,) = story.early(FIRE, "0", band="orange", minute=30)
    (second,) = story.early(FIRE, "0", band="red", minute=40)
    assert (first.reason, first.notify, second.reason, second.notify) == ("worse", True, "worse", True)
    assert story.early(FIRE, "0", band="orange", minute=50) == []


def test_a_band_that_was_said_is_not_news_after_a_lower_one() -> None:
    story = Story()
    story.window({FIRE: "0"}, band="orange")
    assert [t.reason for t in story.window({FIRE: "1"}, band="yellow")] == ["worse"]
    assert story.window({FIRE: "1"}, band="orange") == []


def test_a_higher_band_does_not_make_what_was_said_of_the_fresh_durations_forgotten() -> None:
    story = Story()
    story.window({FIRE: "2"}, band="yellow")
    assert [t.reason for t in story.window({FIRE: "0"}, band="orange")] == ["worse"]
    assert story.window({FIRE: "1"}, band="orange") == []


def test_at_most_one_worse_an_hour_unless_the_band_rises() -> None:
    story = Story()
    story.early(FIRE, "0", minute=5)
    assert [t.reason for t in story.early(FIRE, "1", minute=10)] == ["worse"]
    assert story.early(FIRE, "2", minute=40) == []
    # closed, it is ten times rarer than what was told early: that is told with its confirmation
    assert story.hours({FIRE: "2"}) == ["1 provisional->open confirmed!"]
    assert story.hours({FIRE: "2"}) == []
    assert [t.reason for t in story.early(FIRE, "3", minute=10)] == ["worse"]
    assert story.early(FIRE, "4", minute=50) == []


def test_second_storm_on_an_alert_still_open_is_worse_once_things_had_calmed() -> None:
    # first storm      24 h and more: the neighbour keeps it open      second storm, weaker than the first
    story = Story()
    first = story.hours({"d1/flood": "135" + "." * 30, "d1a/flood": "000" + "-" * 30})
    assert [line.split()[-1] for line in first] == ["raised!", "worse!", "worse!"]
    assert story.hours({"d1/flood": "2", "d1a/flood": "-"}) == ["34 open->open worse!"]


def test_second_storm_within_a_day_of_the_first_is_the_first() -> None:
    story = Story()
    story.hours({"d1/flood": "4" + "-" * 10})
    assert story.hours({"d1/flood": "44"}) == []


def test_long_durations_that_remember_the_first_storm_do_not_hide_the_second() -> None:
    story = Story()
    story.hours({"d1a/flood": "5" + "~" * 5 + "-" * 30})
    assert story.hours({"d1a/flood": "0"}) == []  # not ten times as rare as the last day's
    assert story.hours({"d1a/flood": "1"}) == ["38 open->open worse!"]


def test_what_the_long_durations_remember_neither_keeps_open_nor_raises_again() -> None:
    # storm      the fresh durations are calm, the week-long one is above the raise threshold still
    story = Story()
    assert story.hours({"d1a/flood": "3" + "~" * 60}) == ["1 none->open raised!", "13 open->cleared calm"]
    assert story.hours({"d1a/flood": "0"}) == ["62 none->open raised!"]


def test_leftover_that_went_dark_was_not_calm() -> None:
    story = Story()
    story.hours({"d1a/flood": "3" + "~" * 12})
    assert story.hours({"d1a/flood": "x" * 30 + "s"}) == []


def test_slow_alert_that_turns_fast_is_judged_as_fast() -> None:
    story = Story()
    assert story.hours({FIRE: "s1" + "~" * 12}) == ["1 none->open raised!", "2 open->open worse!", "14 open->cleared calm"]


def test_leftover_raises_again_once_it_was_calm() -> None:
    story = Story()
    story.hours({"d1a/flood": "3" + "~" * 13})
    assert story.hours({"d1a/flood": "." * 24 + "s"}) == []  # the week still holds the storm
    assert story.hours({"d1a/flood": "." * 24 * 7 + "s"}) == ["208 none->open raised!"]


def test_leftover_raises_again_when_what_nobody_was_told_of_is_rare_by_itself() -> None:
    # told at 1 h    cleared at 13 h        a week later the week begins after it: it is news, calm or not
    story = Story()
    story.hours({"d1a/flood": "3" + "~" * 12})
    assert story.hours({"d1a/flood": "~" * 155}) == []
    assert story.hours({"d1a/flood": "~"}) == ["169 none->open raised!"]


def test_leftover_that_was_not_found_for_a_night_was_not_calm() -> None:
    # a long duration speaks only in hours in which something comes in
    story = Story()
    story.hours({"d1a/flood": "3" + "~" * 12})
    assert story.hours({"d1a/flood": ("." * 12 + "s") * 4}) == []


def test_slow_alert_is_judged_by_the_durations_that_raised_it() -> None:
    story = Story()
    assert story.hours({FIRE: "s" * 40}) == ["1 none->open raised!"]
    assert story.hours({FIRE: "." * 24}) == ["64 open->cleared calm"]


# flapping


def test_pain_2_a_flapping_series_is_held_twice_as_long_and_says_so() -> None:
    story = Story()
    once = "0" + "." * 12
    assert [line.split()[-1] for line in story.hours({FIRE: once * 3})] == ["raised!", "calm"] * 3
    said = story.hours({FIRE: "0" + "." * 24})
    assert said == ["40 none->open raised!", "52 open->open flapping_held", "64 open->cleared calm"]


def test_flapping_is_forgotten_after_a_week() -> None:
    story = Story()
    story.hours({FIRE: ("0" + "." * 12) * 3 + "." * 24 * 7})
    assert [line.split()[-1] for line in story.hours({FIRE: "0" + "." * 12})] == ["raised!", "calm"]


def test_clears_that_lie_more_than_a_week_apart_are_no_flapping() -> None:
    story = Story()
    story.hours({FIRE: ("0" + "." * 12 + "." * 75) * 2 + "0" + "." * 12})
    assert [line.split()[-1] for line in story.hours({FIRE: "0" + "." * 12})] == ["raised!", "calm"]


def test_pain_3_every_episode_is_told_by_its_own_id() -> None:
    story = Story()
    story.hours({FIRE: ("0" + "." * 12) * 2})
    told = [t.alert_id for t in story.transitions if t.notify]
    assert len(told) == len(set(told)) == 2


def test_one_signal_that_grew_is_enough_and_is_compared_with_itself() -> None:
    loud, quiet = Growth(1e11, 1e11), Growth(1e8, 1e7)
    assert not got_worse(msgspec.structs.replace(OPEN, growth=(loud,)), LIMITS)
    assert got_worse(msgspec.structs.replace(OPEN, growth=(loud, quiet)), LIMITS)


def test_a_signal_that_joined_a_red_alert_says_what_it_has_grown_to_although_the_first_is_rarer() -> None:
    story = Story()
    steps = story.hours({"d1a/noise": "5555555", "d1a/rubbish": "...0022"})
    assert steps == ["1 none->open raised!", "4 open->open joined", "6 open->open worse!"]
