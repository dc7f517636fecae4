"""Which alert a raising series joins, on drawn timelines. See story.py for the characters and the city's tree."""

from __future__ import annotations

import msgspec
import pytest

from streams.core.book import MEMBERS_MAX, Book
from streams.core.decide import Decide
from streams.core.incidents import Relations, alert_id, opened
from streams.core.lifecycle import Limits
from streams.model import HOUR_S, Area, Closed, Signal
from streams.settings import City
from tests.streams.core.story import DETECTION, RAISE_S, START_S, Story, city, finding

LIMITS = Limits(RAISE_S, RAISE_S / 10, 12 * HOUR_S, 10.0)


def series(story: Story) -> list[list[str]]:
    """Series of each open alert, by area and signal."""
    return sorted(sorted(f"{m.area}/{m.signal}" for m in alert.members) for alert in story.decide.open_alerts())


@pytest.mark.parametrize(
    "second, joins",
    [
        ("d1/noise", True),  # parent
        ("c/noise", True),  # city
        ("d1b/noise", False),  # brother: neither holds the other
        ("d2a/noise", False),  # elsewhere
        ("d1a/rubbish", True),  # same area, same group
        ("d1/rubbish", True),  # parent, same group
        ("d1a/fire", False),  # same area, no group in common
        ("d1/fire", False),
    ],
)
def test_areas_and_signals_that_belong_together_fold_into_one_incident(second: str, joins: bool) -> None:
    story = Story()
    story.hours({"d1a/noise": "00", second: ".0"})
    assert len(story.decide.open_alerts()) == (1 if joins else 2)
    assert ("joined" in {t.reason for t in story.transitions}) is joins


def test_signals_without_a_group_do_not_belong_together() -> None:
    story = Story()
    story.hours({"d1a/fire": "0", "d1a/flood": "0"})
    assert len(story.decide.open_alerts()) == 2


def test_joining_ancestor_widens_the_area_and_tells_nobody() -> None:
    story = Story()
    story.hours({"d1a/noise": "0."})
    assert story.only().area == "d1a"
    assert story.hours({"c/rubbish": "0"}) == ["3 open->open joined"]
    alert = story.only()
    assert (alert.area, alert.signals) == ("c", ("noise", "rubbish"))
    assert [(m.area, m.signal) for m in alert.members] == [("c", "rubbish"), ("d1a", "noise")]


def test_brothers_and_their_parent_in_one_window_are_one_incident_told_once() -> None:
    story = Story()
    assert story.hours({"d1a/noise": "0", "d1b/noise": "3", "d1/noise": "1"}) == ["1 none->open raised!"]
    alert = story.only()
    assert (alert.area, len(alert.members), alert.risk) == ("d1", 3, 54.0)
    assert alert.id == alert_id("d1", "noise", START_S)


def test_what_lies_above_leads_whatever_the_codes() -> None:
    areas = (Area("z", "City", 0, None), Area("y", "North", 1, "z"), Area("w", "North W", 2, "y"), Area("x", "North X", 2, "y"))
    upside_down = City("u", "U", "UTC", areas, {}, (Signal("fire", "Fire", "fire"),), {}, DETECTION)
    decide, end_s = Decide(upside_down, ("z",)), START_S + HOUR_S
    for number, area in enumerate("wxy"):
        seen = finding({"y": "d1"}.get(area, "d1a"), "fire", "0", end_s, number)
        decide.apply(msgspec.structs.replace(seen, area=area, shard="z"))
    (alert,) = decide.apply(Closed("z", end_s, 3)).alerts
    assert (alert.area, len(alert.members), alert.id) == ("y", 3, alert_id("y", "fire", START_S))


def test_without_folding_only_series_of_one_area_belong_together() -> None:
    story = Story(city(fold_areas=False))
    story.hours({"d1a/noise": "00", "d1/noise": ".0", "d1a/rubbish": ".0"})
    assert series(story) == [["d1/noise"], ["d1a/noise", "d1a/rubbish"]]


def test_no_joins_after_the_incident_span() -> None:
    # raised  72 h on, still above the thresholds
    story = Story()
    story.hours({"d1a/noise": "0" + "0" * 72})
    assert story.hours({"d1a/noise": "0", "d1/noise": "0"})[-1] == "74 none->open raised!"
    assert len(story.decide.open_alerts()) == 2


def test_joins_until_the_incident_span_is_over_and_each_one_extends_it() -> None:
    story = Story()
    story.hours({"d1a/noise": "0" * 73})  # 72 h after it was raised
    assert story.hours({"d1a/noise": "-", "d1/noise": "."}) == []
    story = Story()
    story.hours({"d1a/noise": "0" * 72})
    assert story.hours({"d1a/noise": "0", "d1/noise": "0"}) == ["73 open->open joined"]
    assert story.hours({"d1a/noise": "0" * 70, "d1/noise": "." * 70}) == []
    assert story.hours({"d1a/noise": "0", "d1a/rubbish": "0"}) == ["144 open->open joined"]


def test_an_alert_above_the_thresholds_stays_open_without_telling_again() -> None:
    story = Story()
    assert story.hours({"d1a/noise": "0" * 24 * 30}) == ["1 none->open raised!"]


def test_getting_worse_opens_the_span_again() -> None:
    story = Story()
    story.hours({"d1a/noise": "0" * 100})
    assert story.hours({"d1a/noise": "1", "d1/noise": "."}) == ["101 open->open worse!"]
    assert story.hours({"d1a/noise": "1", "d1/noise": "0"}) == ["102 open->open joined"]


def test_of_several_the_same_signal_then_the_nearest_level_then_the_oldest() -> None:
    relations = Relations(city())
    far = opened(finding("c", "noise", "0", START_S), START_S)
    near = opened(finding("d1", "rubbish", "0", START_S), START_S)
    old = opened(finding("d1", "noise", "0", START_S), START_S)
    young = opened(finding("d1", "noise", "0", START_S + HOUR_S), START_S + HOUR_S)
    book = Book({}, {})
    for incident in (far, near, old, young):
        area, signal = incident.lead
        book.add(incident)
        book.take(incident, finding(area, signal, "0", incident.due_s), START_S, LIMITS, relations)
    new = finding("d1a", "noise", "0", START_S + 2 * HOUR_S)
    everyone = [young, near, far, old]
    for best in (old, young, far, near):
        assert relations.fitting(new, everyone, START_S + 2 * HOUR_S) is best
        assert relations.fitting(new, reversed(everyone), START_S + 2 * HOUR_S) is best
        everyone.remove(best)
    assert relations.fitting(new, everyone, START_S) is None


def test_any_series_of_an_incident_may_be_the_one_that_is_joined() -> None:
    # d1b's noise is no kin of d1a's, but of d1's rubbish: same group, and d1 holds d1b
    story = Story()
    story.hours({"d1a/noise": "0.", "d1/rubbish": "0.", "d1b/noise": ".0"})
    assert series(story) == [["d1/rubbish", "d1a/noise", "d1b/noise"]]


def test_pain_18_and_35_the_id_is_that_of_the_first_series_and_window() -> None:
    assert alert_id("d1", "noise", START_S) == opened(finding("d1", "noise", "0", START_S + HOUR_S), 0).id
    names = {alert_id(area, signal, at_s) for area in ("d1", "d1n") for signal in ("noise", "oise") for at_s in (0, 3600)}
    assert len(names) == 8


def test_a_series_is_part_of_one_alert_at_most() -> None:
    story = Story()
    story.hours({"d1a/noise": "0" * 74, "d1/noise": "." * 73 + "0"})
    assert series(story) == [["d1/noise"], ["d1a/noise"]]
    assert story.hours({"d1a/noise": "0", "d1/noise": "0"}) == []


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
