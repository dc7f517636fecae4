"""Windows, early findings, no data, people: the whole of decide on drawn timelines. See story.py for the characters."""

from __future__ import annotations

import msgspec
import pytest

from streams.core.decide import Decide, Decided
from streams.core.lifecycle import TRANSITION_REASONS
from streams.model import DAY_S, HOUR_S, Closed
from tests.streams.core.story import RAISE_S, SHARDS, START_S, Story, city, finding

NOISE, FIRE = "d1a/noise", "d1a/fire"


def test_an_alert_is_raised_told_once_and_clears_after_the_hold_time() -> None:
    story = Story()
    #                                 1       hold: 12 h
    said = story.hours({NOISE: "..000" + "." * 13})
    assert said == ["3 none->open raised!", "17 open->cleared calm"]
    assert story.decide.open_alerts() == ()


def test_hysteresis_between_the_thresholds_keeps_it_open_and_raises_nothing() -> None:
    story = Story()
    assert story.hours({NOISE: "---", FIRE: "0--"}) == ["1 none->open raised!"]
    assert story.hours({NOISE: "-" * 40, FIRE: "-" * 40}) == []
    assert story.only().state == "open"
    assert story.hours({FIRE: "." * 12}) == ["55 open->cleared calm"]


def test_a_hot_window_starts_the_hold_anew() -> None:
    story = Story()
    said = story.hours({FIRE: "0" + "." * 11 + "-" + "." * 12})
    assert said == ["1 none->open raised!", "25 open->cleared calm"]


# early findings


def test_early_alert_is_provisional_at_once_and_confirmed_by_the_closed_window() -> None:
    story = Story()
    story.hours({FIRE: ".."})
    #      3
    # [0----------)
    #     ^ 20 min: raised early
    (raised,) = story.early(FIRE)
    assert (raised.to_state, raised.reason, raised.notify, raised.at_s) == (
        "provisional",
        "raised_early",
        True,
        START_S + 2 * HOUR_S + 1200,
    )
    assert story.only().clears == "confirmed or withdrawn when the window that ends 2015-01-01T03:00Z closes"
    assert story.hours({FIRE: "0"}) == ["3 provisional->open confirmed"]
    assert story.only().id == raised.alert_id


def test_early_and_closed_window_give_the_same_alert_id() -> None:
    early, late = Story(), Story()
    early.early(FIRE)
    late.hours({FIRE: "0"})
    assert early.only().id == late.only().id


@pytest.mark.parametrize("closed", [".", "-"])
def test_early_alert_is_withdrawn_when_the_closed_window_does_not_raise(closed: str) -> None:
    story = Story()
    story.early(FIRE)
    assert story.hours({FIRE: closed}) == ["1 provisional->withdrawn not_confirmed"]
    assert story.decide.open_alerts() == ()
    assert story.hours({FIRE: "0"}) == ["2 none->open raised!"]


def test_early_alert_waits_for_its_own_window_not_for_one_before() -> None:
    story = Story()
    story.hour = 1  # the hour before is still open, too
    story.early(FIRE)
    story.hour = 0
    assert story.hours({FIRE: "."}) == []
    assert story.hours({FIRE: "0"}) == ["2 provisional->open confirmed"]


def test_an_early_finding_of_the_next_window_keeps_it_waiting() -> None:
    # [0---------)
    #   ^ early  [0---------)
    #              ^ early, while the first window is still open
    story = Story()
    story.early(FIRE)
    story.hour = 1
    story.early(FIRE)
    story.hour = 0
    assert story.hours({FIRE: ".."}) == ["2 provisional->withdrawn not_confirmed"]


def test_a_clear_threshold_that_moved_since_does_not_take_back_what_was_raised_early() -> None:
    # raised early by long durations, the fresh ones just above the clear threshold; then the budget raises both thresholds
    story = Story()
    early = msgspec.structs.replace(story.finding(FIRE, "0", minute=20), fresh_recurrence_s=RAISE_S / 10)
    story.take(early)
    story.decide._memory.budget.threshold_s *= 1.01
    story.hour = 1
    story.take(msgspec.structs.replace(early, number=1, early=False, at_s=0))
    for shard in SHARDS:
        story.take(Closed(shard, story.now_s, 2 if shard == "d1" else 0))
    assert story.said(1) == ["1 provisional->open confirmed"]


def test_early_finding_below_the_threshold_says_nothing() -> None:
    assert Story().early(FIRE, "-") == []


def test_early_finding_of_an_open_alert_can_make_it_worse() -> None:
    story = Story()
    story.hours({FIRE: "0."})
    (worse,) = story.early(FIRE, "1")
    assert (worse.from_state, worse.to_state, worse.reason, worse.notify) == ("open", "open", "worse", True)
    assert story.hours({FIRE: "1"}) == []  # nothing new


def test_an_early_finding_stands_above_whatever_the_threshold_may_be_when_its_window_is_taken_up() -> None:
    # the window that begins at midnight is taken up with tomorrow's threshold; what is early must imply the alert all the same
    #  -1 h     midnight   1 h
    # [---------)[---------)
    story = Story(city(false_alerts_per_day=0.1))
    budget = story.decide._memory.budget
    for _ in range(14 * 24 + 23):
        story.window({})
    story.hour += 1
    just = msgspec.structs.replace(story.finding(FIRE, "0", minute=20), recurrence_s=budget.threshold_s * 1.05)
    assert story.take(just).transitions == (), "it may not stand"
    above = msgspec.structs.replace(story.finding(FIRE, "0", minute=30), recurrence_s=budget.threshold_s * 1.18)
    assert [t.reason for t in story.take(above).transitions] == ["raised_early"]
    story.hour -= 1
    story.window({})
    budget.rate, budget.told = 3 * budget.per_day, 99  # as much as can be
    story.hour += 1
    story.take(msgspec.structs.replace(above, number=2, early=False, at_s=0))
    story._numbers["d1"] = 3
    for shard in SHARDS:
        story.take(Closed(shard, story.now_s, story._numbers[shard]))
    assert story.said()[-1].endswith("provisional->open confirmed")


# data that stops


def test_pain_13_lost_data_never_resolves() -> None:
    story = Story()
    said = story.hours({FIRE: "0" + "x" * 200})
    assert said == ["1 none->open raised!", "2 open->no_data no_data"]
    assert story.only().clears.endswith("not while data is missing")
    #                        data is back: calm for the hold time from here
    said = story.hours({FIRE: "." * 12})
    assert said == ["202 no_data->open data_returned", "213 open->cleared calm"]


def test_the_hold_time_stands_still_without_data() -> None:
    story = Story()
    story.hours({FIRE: "0" + "." * 6 + "x" * 30})
    assert story.hours({FIRE: "." * 6}) == ["38 no_data->open data_returned", "43 open->cleared calm"]


def test_series_that_is_dark_keeps_the_alert_from_clearing_though_the_others_are_calm() -> None:
    story = Story()
    story.hours({"d1/noise": "0", "d1a/rubbish": "0"})
    assert story.hours({"d1/noise": "." * 30, "d1a/rubbish": "x" * 30}) == []
    assert "not while data is missing" in story.alerts[story.only().id].clears
    assert story.hours({"d1/noise": "." * 12}) == ["43 open->cleared calm"]


def test_pain_13_a_provisional_alert_without_data_is_not_withdrawn() -> None:
    story = Story()
    story.early(FIRE)
    assert story.hours({FIRE: "xx"}) == []
    assert story.hours({FIRE: "."}) == ["3 provisional->withdrawn not_confirmed"]


def test_data_that_returns_worse_is_told() -> None:
    story = Story()
    assert story.hours({FIRE: "0x2"}) == ["1 none->open raised!", "2 open->no_data no_data", "3 no_data->open data_returned!"]


def test_an_early_finding_ends_no_data() -> None:
    story = Story()
    story.hours({FIRE: "0x"})
    (back,) = story.early(FIRE)
    assert (back.from_state, back.to_state, back.reason) == ("no_data", "open", "data_returned")


def test_pain_15_darkness_of_another_shard_is_not_ours() -> None:
    story = Story()
    assert story.hours({"d1a/fire": "0.", "d2a/fire": ".x"}) == ["1 none->open raised!"]


# what people read


def test_pain_33_the_alert_says_when_it_clears() -> None:
    story = Story()
    story.hours({FIRE: "0."})
    assert story.only().clears == "clears when nothing as rare as once in a week is seen for 12 h; earliest 2015-01-01T13:00Z"


def test_pain_26_the_first_risk_is_kept() -> None:
    story = Story()
    story.hours({FIRE: "024-"})
    alert = story.only()
    assert (alert.initial_risk, alert.risk) == (51.0, 51.0)
    assert max(t.risk for t in story.transitions) == 55.0
    assert alert.why == "fire, d1a: -"


def test_pain_37_every_repeat_updates_what_is_shown() -> None:
    story = Story()
    story.hours({FIRE: "0"})
    story.hours({FIRE: "0"})
    (alert,) = story.alerts.values()
    assert (alert.updated_s, alert.members[0].updated_s, alert.seq) == (story.now_s, story.now_s, 1)


def test_pain_16_every_transition_has_a_known_reason_and_a_sentence() -> None:
    story = Story()
    story.hours({FIRE: "0x.1" + "." * 13})
    assert {t.reason for t in story.transitions} <= set(TRANSITION_REASONS)
    assert all(t.why for t in story.transitions)


# shards


def test_a_window_waits_for_every_shard() -> None:
    decide = Decide(city(), SHARDS)
    end_s = START_S + HOUR_S
    decide.apply(finding("d1a", "fire", "0", end_s))
    assert decide.apply(Closed("d1", end_s, 1)) == Decided()
    assert decide.apply(Closed("c", end_s, 0)) == Decided()
    assert [t.reason for t in decide.apply(Closed("d2", end_s, 0)).transitions] == ["raised"]


def test_a_shard_that_starts_late_or_skips_closes_everything_before() -> None:
    # c   [------)[------)
    # d1  [------)[------)
    # d2          [------)   closes 2 at once
    decide = Decide(city(), SHARDS)
    first, second = START_S + HOUR_S, START_S + 2 * HOUR_S
    decide.apply(finding("d1a", "fire", "0", first))
    decide.apply(finding("d1a", "noise", "0", second, 1))
    for shard, end_s in (("c", first), ("d1", first), ("c", second), ("d1", second)):
        assert decide.apply(Closed(shard, end_s, 0)) == Decided()
    said = decide.apply(Closed("d2", second, 0)).transitions
    assert [(t.at_s, t.reason) for t in said] == [(first, "raised"), (second, "raised")]


def test_what_a_shard_says_twice_counts_once() -> None:
    decide, end_s = Decide(city(), ("d1",)), START_S + HOUR_S
    found = finding("d1a", "fire", "0", end_s)
    records = [found, found, Closed("d1", end_s, 1)]
    assert sum(len(decide.apply(record).transitions) for record in records) == 1
    assert [decide.apply(record) for record in records] == [Decided()] * 3


def test_a_record_that_comes_after_a_gap_is_counted_and_waited_for_until_it_is_said_again() -> None:
    decide, end_s = Decide(city(), ("d1",)), START_S + HOUR_S
    lost, next_one = finding("d1a", "noise", "0", end_s), finding("d1a", "fire", "0", end_s, 1)
    assert [decide.apply(record) for record in (next_one, Closed("d1", end_s, 2))] == [Decided()] * 2
    assert decide.tally().gaps == 2
    said = [decide.apply(record) for record in (lost, next_one, Closed("d1", end_s, 2))]
    assert [t.reason for t in said[-1].transitions] == ["raised", "raised"]
    assert decide.tally().gaps == 2


def test_a_shard_the_city_does_not_have_is_counted_and_ignored() -> None:
    decide = Decide(city(), ("c",))
    assert decide.apply(finding("d1a", "fire", "0", START_S + HOUR_S)) == Decided()
    assert decide.apply(Closed("d1", START_S + HOUR_S, 0)) == Decided()
    assert decide.tally().foreign == 2


# snapshots


def test_a_snapshot_of_another_version_is_refused_with_the_remedy() -> None:
    decide = Decide(city(), SHARDS)
    data = msgspec.msgpack.encode(msgspec.msgpack.decode(decide.snapshot()) | {"version": 99})
    with pytest.raises(ValueError, match="version 99 does not fit version 6: rebuild it"):
        decide.restore(data)


def test_a_snapshot_aliases_nothing() -> None:
    story = Story()
    story.hours({FIRE: "0"})
    before = story.decide.snapshot()
    kept = bytes(before)
    story.hours({FIRE: "13-"})
    assert before == kept
    other = Decide(city(), SHARDS)
    other.restore(before)
    assert other.snapshot() == kept


def test_pain_19_a_restart_does_not_tell_again() -> None:
    story = Story()
    story.hours({FIRE: "0"})
    other = Decide(city(), SHARDS)
    other.restore(story.decide.snapshot())
    story.decide = other
    assert story.hours({FIRE: "000"}) == []


def test_threshold_is_exposed_and_never_below_what_findings_reach() -> None:
    assert Decide(city(), SHARDS).threshold_s == RAISE_S
    quiet = Story(city(false_alerts_per_day=0.001))
    assert quiet.decide.threshold_s == 24 * DAY_S / 0.001


def test_the_budget_learns_from_closed_days() -> None:
    story = Story(city(false_alerts_per_day=0.1))
    start_s = story.decide.threshold_s
    for _ in range(14 * 24):
        story.window({})
    assert story.decide.threshold_s == start_s, "nothing is learned while there may be no history"
    story.window({"d1a/fire": "6", "d2a/flood": "6"})
    for _ in range(24):
        story.window({})
    assert story.decide.threshold_s > start_s


def test_a_signal_may_have_its_own_part_of_the_budget() -> None:
    settings = city(budget_control=False)
    equal = settings.lifecycle.false_alerts_per_day / len(settings.signals)
    signals = [msgspec.structs.replace(s, false_alerts_per_day=equal / 50 if s.name == "fire" else None) for s in settings.signals]
    story = Story(msgspec.structs.replace(settings, signals=tuple(signals)))
    story.window({"d1a/fire": "0", "d2a/flood": "0"})  # twice the threshold
    assert [step.signals for step in story.transitions] == [("flood",)]
    story.window({"d1a/fire": "2"})  # two hundred times the threshold
    assert story.transitions[-1].signals == ("fire",)
