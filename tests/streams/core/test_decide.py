"""Windows, early findings, no data, people: the whole of decide on drawn timelines. See story.py for the characters."""

from __future__ import annotations

import msgspec
import pytest

from streams.core.book import MEMBERS_MAX
from streams.core.configure import configure_command
from streams.core.decide import Decide, Decided
from streams.core.lifecycle import TRANSITION_REASONS
from streams.model import DAY_S, HOUR_S, Area, Closed, Command, Signal
from streams.settings import City
from tests.streams.core.story import DETECTION, RAISE_S, SHARDS, START_S, Story, city, finding

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
    assert (raised.to_state, raised.reason, raised.notify, raised.at_s) == ("provisional", "raised_early", True, START_S + 2 * HOUR_S + 1200)
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


def test_early_finding_below_the_threshold_says_nothing() -> None:
    assert Story().early(FIRE, "-") == []


def test_early_finding_of_an_open_alert_can_make_it_worse() -> None:
    story = Story()
    story.hours({FIRE: "0."})
    (worse,) = story.early(FIRE, "1")
    assert (worse.from_state, worse.to_state, worse.reason, worse.notify) == ("open", "open", "worse", True)
    assert story.hours({FIRE: "1"}) == []  # nothing new


def test_confirmation_uses_the_threshold_the_alert_was_raised_with() -> None:
    # At midnight the controller raises its bar above what was seen; the early finding must still imply the alert.
    story = Story(city(false_alerts_per_day=2.0))
    story.early(FIRE)
    story.decide._memory.budget.threshold_s = 3 * RAISE_S
    assert story.hours({FIRE: "0"}) == ["1 provisional->open confirmed"]


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


def test_at_most_one_worse_an_hour_unless_the_band_rises() -> None:
    story = Story()
    story.early(FIRE, "0", minute=5)
    assert [t.reason for t in story.early(FIRE, "1", minute=10)] == ["worse"]
    assert story.early(FIRE, "2", minute=40) == []
    # the window closes more than an hour after the first time
    assert story.hours({FIRE: "2"}) == ["1 provisional->open confirmed"]
    assert story.hours({FIRE: "2"}) == ["2 open->open worse!"]


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


def test_leftover_raises_again_once_it_was_calm() -> None:
    story = Story()
    story.hours({"d1a/flood": "3" + "~" * 13})
    assert story.hours({"d1a/flood": ".s"}) == ["16 none->open raised!"]


def test_slow_alert_is_judged_by_the_durations_that_raised_it() -> None:
    story = Story()
    assert story.hours({FIRE: "s" * 40}) == ["1 none->open raised!"]
    assert story.hours({FIRE: "." * 12}) == ["52 open->cleared calm"]


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


def test_pain_3_every_episode_is_told_by_its_own_id() -> None:
    story = Story()
    story.hours({FIRE: ("0" + "." * 12) * 2})
    told = [t.alert_id for t in story.transitions if t.notify]
    assert len(told) == len(set(told)) == 2


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
    assert story.only().clears == "clears when fresh risk stays below once in 10 days for 12 hours; earliest 2015-01-01T13:00Z"


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


def test_a_gap_in_a_shards_numbers_is_a_programmers_error() -> None:
    decide = Decide(city(), SHARDS)
    with pytest.raises(AssertionError, match="skipped from finding 0 to 1"):
        decide.apply(finding("d1a", "fire", "0", START_S + HOUR_S, 1))
    with pytest.raises(AssertionError, match="closed at finding 1, but said 0"):
        decide.apply(Closed("d1", START_S + HOUR_S, 1))


def test_a_shard_the_city_does_not_have_is_counted_and_ignored() -> None:
    decide = Decide(city(), ("c",))
    assert decide.apply(finding("d1a", "fire", "0", START_S + HOUR_S)) == Decided()
    assert decide.apply(Closed("d1", START_S + HOUR_S, 0)) == Decided()
    assert decide.tally().foreign == 2


# bounds


def test_open_alerts_are_bounded_and_the_bound_is_seen() -> None:
    story = Story(city(open_alerts_max=1))
    story.hours({"d1a/fire": "00", "d2a/flood": "00"})
    assert len(story.decide.open_alerts()) == 1
    assert story.decide.dropped == story.decide.tally().dropped == 2
    story.hours({"d1a/fire": "." * 12, "d2a/flood": "." * 11 + "0"})
    assert [alert.signals for alert in story.decide.open_alerts()] == []
    assert story.hours({"d2a/flood": "0"}) == ["15 none->open raised!"]


def test_members_are_bounded_and_the_strongest_stay() -> None:
    leaves = tuple(Area(f"d1{i:03}", f"Leaf {i}", 2, "d1") for i in range(MEMBERS_MAX + 10))
    areas = (Area("c", "City", 0, None), Area("d1", "North", 1, "c"), *leaves)
    big = City("big", "Big", "UTC", areas, {}, (Signal("fire", "Fire", "fire"),), {}, DETECTION)
    story = Story(big, ("d1",))
    story.window({"d1/fire": "0"} | {f"{leaf.code}/fire": "2" if i >= 10 else "0" for i, leaf in enumerate(leaves)})
    alert = story.only()
    assert (len(alert.members), alert.members_beyond) == (MEMBERS_MAX, 11)
    kept = {member.area for member in alert.members}
    assert "d1" in kept, "the lead is never dropped"
    assert sum(member.risk == 53.0 for member in alert.members) == MEMBERS_MAX - 1


def test_memory_of_ended_alerts_is_bounded() -> None:
    story = Story(city(open_alerts_max=1))
    for series in ("c/fire", "c/flood", "d1/fire", "d1/flood", "d2/fire", "d2/flood"):
        story.hours({series: "0" + "." * 12})
    assert len(story.decide._memory.past) == 4
    assert story.decide.tally().forgotten == 2


# people


def test_pain_5_acknowledge_and_assign_say_who_is_on_it() -> None:
    story = Story()
    story.hours({FIRE: "0"})
    alert = story.only().id
    (on_it,) = story.command("acknowledge", {"alert": alert})
    assert (on_it.reason, on_it.actor, on_it.notify, on_it.seq) == ("acknowledged", "ann", False, 2)
    assert story.only().owner == "ann"
    (assigned,) = story.command("assign", {"alert": alert, "owner": "bob"})
    assert (assigned.reason, story.only().owner) == ("assigned", "bob")
    story.command("acknowledge", {"alert": alert}, actor="eve")
    assert story.only().owner == "bob"
    story.command("assign", {"alert": alert, "owner": ""})
    assert story.only().owner == ""


def test_label_and_comment_leave_no_text_behind() -> None:
    story = Story()
    story.hours({FIRE: "0"})
    alert = story.only().id
    (labelled,) = story.command("label", {"alert": alert, "label": "false_alarm"})
    assert (labelled.reason, story.only().label) == ("labelled", "false_alarm")
    (commented,) = story.command("comment", {"alert": alert, "text": "the caller is Mr Jones"})
    assert commented.reason == "commented"
    assert "Jones" not in repr((story.transitions, story.alerts, story.commands))
    assert b"Jones" not in story.decide.snapshot()


def test_resolve_ends_it_and_what_goes_on_does_not_raise_it_again() -> None:
    story = Story()
    story.hours({FIRE: "00"})
    (resolved,) = story.command("resolve", {"alert": story.only().id})
    assert (resolved.to_state, resolved.reason, resolved.actor) == ("cleared", "resolved", "ann")
    assert story.hours({FIRE: "00-0"}) == []
    assert story.hours({FIRE: ".0"}) == ["8 none->open raised!"]


def test_resolved_and_ten_times_rarer_is_something_new() -> None:
    story = Story()
    story.hours({FIRE: "0"})
    story.command("resolve", {"alert": story.only().id})
    assert story.hours({FIRE: "01"}) == ["3 none->open raised!"]


def test_no_two_alerts_share_an_id_even_if_one_is_resolved_within_its_window() -> None:
    story = Story()
    story.early(FIRE, "0")
    story.command("resolve", {"alert": story.only().id})
    assert story.early(FIRE, "5") == []
    assert story.hours({FIRE: "5"}) == []
    assert story.hours({FIRE: "5"}) == ["2 none->open raised!"]
    assert len({t.alert_id for t in story.transitions if t.from_state == "none"}) == 2


def test_a_command_is_applied_once_by_its_id() -> None:
    story = Story()
    story.hours({FIRE: "0"})
    alert = story.only().id
    assert len(story.command("comment", {"alert": alert, "text": "a"}, id="one")) == 1
    assert story.command("comment", {"alert": alert, "text": "a"}, id="one") == []
    assert [command.id for command in story.commands] == ["one"]


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        ("dance", "{}", "unknown_kind"),
        ("acknowledge", "no json", "malformed"),
        ("acknowledge", "[" * 4_000, "malformed"),
        ("acknowledge", '{"alert": "a", "more": 1}', "malformed"),
        ("acknowledge", '{"alert": "nobody"}', "unknown_alert"),
        ("label", '{"alert": "a", "label": "Free Text!"}', "malformed"),
        ("comment", '{"alert": "a", "text": "%s"}' % ("x" * 5_000), "too_long"),
        ("silence", '{"area": "mars", "until_s": 1420075000}', "unknown_area"),
        ("silence", '{"area": "d1", "signals": ["aliens"], "until_s": 1420075000}', "unknown_signal"),
        ("silence", '{"area": "d1", "until_s": 1420070400}', "bad_until"),
        ("silence", '{"area": "d1", "until_s": 9999999999}', "bad_until"),
        ("unsilence", '{"silence": "none"}', "unknown_silence"),
        ("configure", "{}", "bad_configuration"),
        ("configure", "[" * 100_000, "bad_configuration"),
    ],
)
def test_a_command_that_cannot_be_obeyed_is_listed_and_changes_nothing(kind: str, body: str, reason: str) -> None:
    story = Story()
    story.hours({FIRE: "0"})
    before = story.decide.open_alerts()
    assert story.command(kind, body) == []
    assert story.refused == [("command-1", reason)]
    assert [(c.id, c.actor) for c in story.commands] == [("command-1", "ann")]
    assert "x" * 50 not in story.commands[0].body
    assert story.decide.open_alerts() == before


def test_ids_and_actors_are_cut_to_their_bounds() -> None:
    story = Story()
    story.command("k" * 500, "{}", actor="a" * 500, id="i" * 500)
    assert [(len(c.id), len(c.actor), c.kind) for c in story.commands] == [(128, 64, "unknown")]


# configuration


def test_pain_39_a_bad_configuration_is_refused_whole() -> None:
    story = Story()
    story.hours({FIRE: "0"})
    before = story.decide.snapshot()
    for broken in (city(false_alerts_per_day=0.0), city(clear_ratio=2.0), msgspec.structs.replace(city(), areas=())):
        story.take(configure_command(broken, id=f"c{len(story.refused)}", time_s=story.now_s, actor="ann"))
    assert [reason for _, reason in story.refused] == ["bad_configuration"] * 3
    after = msgspec.msgpack.decode(story.decide.snapshot())
    assert after | {"applied": {}} == msgspec.msgpack.decode(before)


def test_pain_40_thresholds_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="raising and clearing do not overlap"):
        Decide(city(clear_ratio=1.5), SHARDS)


def test_configure_as_the_first_record_changes_nothing() -> None:
    plain, configured = Story(), Story()
    configured.take(configure_command(configured.city, id="configure-1", time_s=START_S, actor="tocsin"))
    line = {FIRE: "..0-1x" + "." * 14}
    assert plain.hours(line) == configured.hours(line)
    assert [c.kind for c in configured.commands] == ["configure"]


def test_configure_swaps_settings_and_keeps_alerts() -> None:
    story = Story()
    story.hours({FIRE: "0"})
    story.take(configure_command(city(hold_s=2 * HOUR_S), id="configure-2", time_s=story.now_s, actor="ann"))
    assert story.hours({FIRE: ".."}) == ["3 open->cleared calm"]


def test_configure_survives_a_snapshot() -> None:
    story = Story()
    story.take(configure_command(city(hold_s=2 * HOUR_S), id="configure-2", time_s=story.now_s, actor="ann"))
    story.hours({FIRE: "0"})
    other = Decide(story.city, SHARDS)
    other.restore(story.decide.snapshot())
    story.decide = other
    assert story.hours({FIRE: ".."}) == ["3 open->cleared calm"]


def test_an_alert_of_an_area_that_is_no_more_takes_no_joins_and_clears() -> None:
    story = Story()
    story.hours({"d2a/noise": "0"})
    smaller = msgspec.structs.replace(city(), areas=tuple(area for area in city().areas if area.code != "d2a"))
    story.take(configure_command(smaller, id="c", time_s=story.now_s, actor="ann"))
    assert story.hours({"d2/noise": "0"}) == ["2 none->open raised!"]
    assert len(story.decide.open_alerts()) == 2
    assert story.hours({"d2/noise": "0" * 12})[-1] == "13 open->cleared calm"


def test_configure_with_another_district_waits_for_its_shard() -> None:
    story = Story()
    story.hours({FIRE: "0"})
    wider = msgspec.structs.replace(city(), areas=(*city().areas, Area("d3", "West", 1, "c")))
    story.take(configure_command(wider, id="c", time_s=story.now_s, actor="ann"))
    assert story.hours({FIRE: "1"}) == []
    decided = story.take(Closed("d3", story.now_s, 0))
    assert [t.reason for t in decided.transitions] == ["worse"]


# snapshots


def test_a_snapshot_of_another_version_is_refused_with_the_remedy() -> None:
    decide = Decide(city(), SHARDS)
    data = msgspec.msgpack.encode(msgspec.msgpack.decode(decide.snapshot()) | {"version": 99})
    with pytest.raises(ValueError, match="version 99 does not fit version 1: rebuild it"):
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


def test_unknown_record_kinds_of_commands_never_raise() -> None:
    decide = Decide(city(), SHARDS)
    for kind in ("", "configure", "silence", "\ud7ff"):
        decide.apply(Command(kind or "x", 0, "", kind, "\x00"))
