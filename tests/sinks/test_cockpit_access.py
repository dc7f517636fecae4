"""Who may see and do what: areas by subtree, above them names only, roles from least to most."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from sinks.checks import AREAS, alert, caller, transition
from sinks.cockpit.access import LEAST, ROLES, SIGHTS_MAX, Sight, Sights
from sinks.cockpit.views import Places
from streams.core.people import BODIES
from streams.model import Alert

replace = msgspec.structs.replace
PLACES = Places(AREAS)


def sight(*scope: str) -> Sight:
    return Sight(PLACES, scope)


def placed(area: str, *members: str, risk: float = 50.0) -> Alert:
    """Members get risks that fall by one, and say where they are."""
    made = alert("a0", 0, risk=risk)
    return replace(
        made,
        area=area,
        why=f"why {members[0]}" if members else "why",
        signals=tuple(f"signal {at}" for at in members),
        members=tuple(
            replace(made.members[0], area=at, signal=f"signal {at}", why=f"why {at}", risk=risk - i) for i, at in enumerate(members)
        ),
    )


@pytest.mark.parametrize(
    "scope, seen, above",
    [
        ((), set(), set()),
        (("d1a",), {"d1a", "d1a1"}, {"d1", "city"}),
        (("d1",), {"d1", "d1a", "d1a1", "d1b", "d1c"}, {"city"}),
        (("d1a1", "d2"), {"d1a1", "d2"}, {"d1a", "d1", "city"}),
        (("d1", "d1a"), {"d1", "d1a", "d1a1", "d1b", "d1c"}, {"city"}),
        (("city",), {area.code for area in AREAS}, set()),
        (("*",), {area.code for area in AREAS}, set()),
        (("gone",), set(), set()),
    ],
)
def test_a_scope_is_its_areas_with_all_below_and_names_above(scope: tuple[str, ...], seen: set[str], above: set[str]) -> None:
    at = sight(*scope)
    codes = {area.code for area in AREAS}
    assert {code for code in codes if at.sees(code)} == seen
    assert {code for code in codes if at.names(code)} == seen | above
    assert at.whole == (scope in {("city",), ("*",)})


def test_what_is_in_no_tree_shows_to_the_whole_city_alone() -> None:
    assert sight("*").sees("nowhere")
    assert not sight("d1", "nowhere").sees("nowhere")


def test_an_alert_shows_as_far_as_it_lies_in_sight() -> None:
    across = placed("city", "d2", "d1a", "d1b")
    shown = sight("d1").narrow(across)
    assert shown is not None
    assert (shown.area, shown.signals, shown.why) == ("city", ("signal d1a", "signal d1b"), "why d1a")
    assert [member.area for member in shown.members] == ["d1a", "d1b"]
    assert (shown.band, shown.risk, shown.state) == (across.band, across.risk, across.state), "of the whole incident"


def test_an_alert_that_is_placed_outside_is_shown_where_it_is_in_sight() -> None:
    shown = sight("d1b").narrow(placed("d2", "d2", "d1b"))
    assert shown is not None
    assert (shown.area, shown.why) == ("d1b", "why d1b")


def test_an_alert_of_an_area_in_sight_whose_members_all_lie_above_has_none() -> None:
    shown = sight("d1").narrow(placed("d1", "city"))
    assert shown is not None
    assert (shown.members, shown.signals, shown.why) == ((), (), "")


def test_what_lies_outside_does_not_show() -> None:
    assert sight("d1").narrow(placed("d2", "d2")) is None
    assert sight("d1").narrow(placed("city", "city")) is None
    assert not sight("d1").sees_alert(placed("city", "d2"))
    assert sight().narrow(placed("city", "d1")) is None


def test_what_shows_whole_is_the_very_same() -> None:
    inside = placed("d1", "d1", "d1a1")
    assert sight("d1").narrow(inside) is inside
    assert sight("*").narrow(inside) is inside


@pytest.mark.parametrize("area, known, expected", [("d1", None, True), ("d2", None, False), ("city", None, False)])
def test_a_step_of_an_alert_that_is_not_known_any_more_shows_by_its_area(area: str, known: None, expected: bool) -> None:
    step = replace(transition(alert("a0", 0)), area=area)
    assert (sight("d1").step(step, known) is not None) == expected


def test_a_step_of_an_alert_that_lies_in_sight_in_part_is_told_in_part() -> None:
    across = placed("city", "d2", "d1a")
    step = sight("d1").step(replace(transition(across), area="d2"), across)
    assert step is not None
    assert (step.area, step.signals, step.why) == ("city", ("signal d1a",), "why d1a")
    assert sight("d1").step(replace(transition(across), area="d1"), placed("d2", "d2")) is None


codes = st.sampled_from([area.code for area in AREAS])


@given(st.sets(codes), codes, st.lists(codes, max_size=5))
def test_nothing_outside_is_ever_in_what_shows(scope: set[str], area: str, members: list[str]) -> None:
    given_alert = placed(area, *members)
    at = sight(*scope)
    shown = at.narrow(given_alert)
    inside = {code for code in (area, *members) if any(above in scope for above in PLACES.lineage(code))}
    assert (shown is not None) == bool(inside)
    if shown is not None:
        assert all(at.sees(member.area) for member in shown.members)
        assert at.names(shown.area)
        told = repr((shown.why, shown.signals))
        outside = {code for code in members if not at.sees(code)}
        assert not [code for code in outside if f"signal {code}'" in told or f"why {code}'" in told]


def test_sights_are_made_once_and_bounded() -> None:
    sights = Sights(PLACES)
    first = sights.of(("d1",))
    assert sights.of(("d1",)) is first
    for n in range(SIGHTS_MAX):
        sights.of((f"x{n}",))
    assert sights.of(("d1",)) is not first


def test_each_role_may_do_what_those_before_it_may() -> None:
    may = [{kind for kind in LEAST if caller(role=role).may(kind)} for role in ROLES]
    assert may[0] == set()
    assert may[1] == set(LEAST) - {"dissent"}
    assert all(less <= more for less, more in pairwise(may))
    assert may[2] == set(LEAST)


def test_every_kind_of_command_has_its_role_and_one_without_is_the_admin_s() -> None:
    assert set(BODIES) - set(LEAST) == set(), "say in sinks/cockpit/access.py who may give it"
    assert not caller(role="commander").may("configure")
    assert caller(role="admin").may("configure")


@pytest.mark.parametrize(
    "who, hears",
    [
        (caller(["d1"], role="operator", actor="anna"), {"anna"}),
        (caller(["*"], role="operator", actor="anna"), {"anna"}),
        (caller(["d1"], role="admin", actor="anna"), {"anna"}),
        (caller(["*"], role="commander", actor="eva"), {"anna", "bo", "eva"}),
        (caller(["*"], role="viewer", actor="gateway")._replace(speaks_for_others=True), {"anna", "bo", "eva"}),
    ],
)
def test_an_outcome_is_its_author_s_and_of_who_is_over_the_whole_city(who: Any, hears: set[str]) -> None:
    assert {actor for actor in ("anna", "bo", "eva") if who.hears(actor)} == hears


def test_what_is_asked_of_a_caller_is_refused_in_words() -> None:
    with pytest.raises(HTTPException) as caught:
        caller(role="operator").require("commander")
    assert (caught.value.status_code, caught.value.detail) == (403, "this needs the role commander")
    with pytest.raises(HTTPException):
        caller(["d1"]).require("viewer", whole=True)
    caller().require("admin", whole=True)


def test_a_past_step_says_why_where_that_is_of_what_shows() -> None:
    inside = placed("d1", "d1", "d1a")
    past = replace(transition(inside), seq=inside.seq - 1, area="d1", signals=("signal d1", "signal d2"))
    for why, told in (("why d1a", "why d1a"), ("Noise, North: 9 seen", "Noise, North: 9 seen"), ("Noise, South: 9 seen", "")):
        step = sight("d1").step(replace(past, why=why), inside)
        assert step is not None
        assert (step.signals, step.why) == (("signal d1",), told)
    forgotten = sight("d1").step(replace(past, why="Noise, North: 9 seen"), None)
    assert forgotten is not None
    assert (forgotten.signals, forgotten.why) == ((), "Noise, North: 9 seen")


def test_a_name_that_an_area_outside_has_too_says_nothing() -> None:
    twins = Places((*AREAS, msgspec.structs.replace(AREAS[2], code="d3", name="North")))
    step = replace(transition(alert("a0", 0)), area="d1", why="Noise, North: 9 seen")
    limited = Sight(twins, ("d1",)).step(step, None)
    assert limited is not None
    assert limited.why == ""
