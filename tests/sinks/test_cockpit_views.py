"""What people see of an alert: everything but small counts of small areas."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.checks import AREAS, SIGNALS, alert, caller, transition
from sinks.cockpit.atlas import Atlas
from sinks.cockpit.views import MEMBERS_MAX, Places, View
from streams.model import Alert, Area, Evidence, Member

replace = msgspec.structs.replace


def view(floor: int = 5) -> View:
    return View(AREAS, SIGNALS, suppress_below=floor)


def one(area: str, signal: str, observed: float) -> Alert:
    evidence = Evidence(3600, observed, 0.5, 0.0, 2.0, 0.01)
    member = Member(area, signal, 0, 0, 1e6, 50.0, "why", (evidence,))
    return replace(alert("a", 0), area=area, signals=(signal,), members=(member,))


@pytest.mark.parametrize(
    "area, signal, observed, hidden",
    [
        ("d1a", "noise", 4.0, True),
        ("d1a", "noise", 5.0, False),
        ("d1a", "noise", 0.0, True),
        ("d1a", "noise", -2.0, True),
        ("d1a1", "noise", 4.0, True),
        ("unknown", "noise", 4.0, True),
        ("d1", "noise", 4.0, False),
        ("city", "noise", 4.0, False),
        ("d1a", "water_level", 1.5, False),
        ("d1a", "unheard_of", 4.0, True),
    ],
)
def test_small_counts_of_small_areas_are_hidden(area: str, signal: str, observed: float, hidden: bool) -> None:
    given_alert = one(area, signal, observed)
    shown = [view().summary(given_alert)["lead"], view().detail(given_alert)["members"][0]["evidence"][0]]
    small = area not in {"d1", "city"} and signal != "water_level"
    for evidence in shown:
        assert evidence["observed"] == (None if hidden else observed)
        assert evidence["observed_text"] == ("fewer than 5" if hidden else "5 to 9" if small else None)
        assert evidence["p"] == (None if small else 0.01), "the p-value would give the count away"
        assert evidence["expected"] == (None if hidden else 0.5), "so would what was expected, with the recurrence interval"


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for each in value.values() for number in numbers(each)]
    if isinstance(value, list):
        return [number for each in value for number in numbers(each)]
    return [value] if isinstance(value, float) else []


@given(st.integers(1, 20), st.lists(st.integers(0, 40), min_size=1, max_size=5), st.sampled_from(["d1a", "d1a1", "d1b", "nowhere"]))
def test_no_small_count_is_anywhere_in_what_is_shown(floor: int, seen: list[int], area: str) -> None:
    marked = [count + 0.4375 for count in seen]  # a fraction that nothing else has
    evidence = tuple(Evidence(3600 * n, value, 100.0, 90.0, 110.0, 0.001) for n, value in enumerate(marked, 1))
    shown = one(area, "noise", 0.0)
    shown = replace(shown, members=(replace(shown.members[0], evidence=evidence),))
    told = {number for number in [*numbers(view(floor).summary(shown)), *numbers(view(floor).detail(shown))] if number % 1 == 0.4375}
    assert told <= {value for value in marked if value >= floor}
    assert all(number >= floor for number in told)
    assert floor == 1 or not told, "all is rounded"


def test_a_summary_names_places_and_signals() -> None:
    shown = view().summary(alert("a0", 1))
    assert shown["area_path"] == ["Testcity", "North", "North Bank"]
    assert shown["signal_titles"] == ["Noise"]
    assert shown["members"] == 1
    assert shown["lead"]["duration_s"] == 86_400, "the evidence that says most"
    assert set(shown) >= {"id", "seq", "state", "band", "risk", "recurrence_s", "onset_s", "updated_s", "reason", "why", "clears"}


def test_an_alert_without_members_has_no_lead() -> None:
    bare = replace(alert("a0", 0), members=())
    assert view().summary(bare)["lead"] is None
    assert view().detail(bare)["members"] == []


def test_the_lead_is_of_the_member_that_the_sentence_is_about() -> None:
    worst = Member("city", "noise", 0, 0, 1e9, 90.0, "the city", (Evidence(3600, 98.0, 24.0, 15.0, 35.0, 1e-9),))
    other = Member("d1", "noise", 0, 0, 1e6, 50.0, "the district", (Evidence(900, 39.0, 2.1, 0.2, 6.0, 1e-6),))
    told = view().summary(replace(alert("a", 0), why="the district", members=(worst, other)))
    assert (told["why"], told["lead"]["observed"], told["lead"]["duration_s"]) == ("the district", 39.0, 900)
    told = view().summary(replace(alert("a", 0), why="a sentence of before", members=(worst, other)))
    assert told["lead"]["observed"] == 98.0, "the worst, where it is nobody's"


def test_members_are_bounded_and_the_worst_come_first() -> None:
    member = alert("a0", 0).members[0]
    many = replace(alert("a0", 0), members=tuple(replace(member, risk=float(n)) for n in range(MEMBERS_MAX + 3)))
    shown = view().detail(many)
    assert len(shown["members"]) == MEMBERS_MAX
    assert shown["members"][0]["risk"] == MEMBERS_MAX + 2
    assert shown["members_left_off"] == 3


def test_a_transition_is_shown_with_its_reason() -> None:
    shown = view().transition(transition(alert("a0", 1)))
    assert (shown["from"], shown["to"], shown["reason"], shown["notify"]) == ("open", "open", "worse", True)
    assert shown["area_path"][-1] == "North Bank"


def test_a_loop_in_the_tree_ends() -> None:
    places = Places((Area("a", "A", 1, "b"), Area("b", "B", 1, "a")))
    assert places.lineage("a") == ("a", "b")


def test_the_worst_alert_colours_an_area_and_all_above_it() -> None:
    atlas = Atlas(Places(AREAS), AREAS)
    red = replace(one("d1a1", "noise", 9.0), id="r", risk=90.0, band="red")
    blue = replace(one("d1", "noise", 9.0), id="b", risk=30.0, band="blue")
    rows = {row["code"]: (row["band"], row["risk"], row["alerts"]) for row in atlas.rows([blue, red], caller().sight)}
    assert rows == {
        "city": ("red", 90.0, 2),
        "d1": ("red", 90.0, 2),
        "d1a": ("red", 90.0, 1),
        "d1a1": ("red", 90.0, 1),
        "d1b": ("none", 0.0, 0),
        "d1c": ("none", 0.0, 0),
        "d2": ("none", 0.0, 0),
    }


def test_areas_come_parents_first() -> None:
    assert [row["code"] for row in Atlas(Places(AREAS), tuple(reversed(AREAS))).rows([], caller().sight)] == [
        "city",
        "d1",
        "d1a",
        "d1a1",
        "d1b",
        "d1c",
        "d2",
    ]


def test_geojson_is_of_the_standards_shape() -> None:
    data = orjson.loads(orjson.dumps(Atlas(Places(AREAS), AREAS).geojson([], caller().sight)))
    assert data["type"] == "FeatureCollection"
    assert set(data) == {"type", "features"}
    features = {feature["id"]: feature for feature in data["features"]}
    assert features["d1"]["geometry"] == {"type": "Point", "coordinates": [-71.1, 42.3]}
    assert features["d2"]["geometry"] is None
    assert all(feature["type"] == "Feature" for feature in data["features"])


def test_a_geometry_that_is_not_json_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'d9'"):
        Atlas(Places(()), (Area("d9", "Bad", 1, None, geometry="{"),))
