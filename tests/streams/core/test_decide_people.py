"""What people may do to alerts, and configuration: commands on drawn timelines. See story.py for the characters."""

from __future__ import annotations

import msgspec
import pytest

from streams.core import decide
from streams.core.configure import configure_command
from streams.core.decide import Decide
from streams.model import HOUR_S, Area, Closed, Command
from tests.streams.core.story import SHARDS, START_S, Story, city

FIRE = "d1a/fire"


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
    (labelled,) = story.command("label", {"alert": alert, "label": "false"})
    assert (labelled.reason, story.only().label) == ("labelled", "false")
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


def test_resolved_and_calm_over_the_fresh_durations_may_be_raised_as_ever() -> None:
    story = Story()
    story.hours({FIRE: "0"})
    story.command("resolve", {"alert": story.only().id})
    assert story.hours({FIRE: "0~~0"}) == ["5 none->open raised!"]


def test_what_people_do_does_not_count_as_news_of_the_city() -> None:
    story = Story()
    story.hours({FIRE: "0."})
    story.command("acknowledge", {"alert": story.only().id})
    assert (story.only().updated_s, story.transitions[-1].at_s) == (START_S + HOUR_S, START_S + 2 * HOUR_S)


def test_ids_of_applied_commands_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decide, "APPLIED_MAX", 3)
    story = Story()
    for i in range(10):
        story.command("unsilence", {"silence": "none"}, id=f"c{i}")
    assert list(story.decide._memory.applied) == ["c7", "c8", "c9"]


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
    "kind, body, reason",
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


def test_unknown_record_kinds_of_commands_never_raise() -> None:
    decide = Decide(city(), SHARDS)
    for kind in ("", "configure", "silence", "\ud7ff"):
        decide.apply(Command(kind or "x", 0, "", kind, "\x00"))
