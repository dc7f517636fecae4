"""The controller of the raise threshold."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.budget import Budget
from streams.model import DAY_S, HOUR_S, Area, Signal
from streams.settings import City, Detection, Lifecycle
from tests.streams.core.story import START_S

WARM_DAYS = 14


def town(areas: int = 500, budget: float = 2.0, floor_s: int = 864_000) -> City:
    """A city of twice as many series as areas."""
    nodes = (Area("c", "City", 0, None), *(Area(f"d{i}", f"D{i}", 1, "c") for i in range(areas - 1)))
    signals = (Signal("fire", "Fire", "fire"), Signal("noise", "Noise", "noise"))
    return City(
        "t", "T", "UTC", nodes, {}, signals, {}, Detection(finding_floor_s=floor_s), Lifecycle(false_alerts_per_day=budget, clear_ratio=0.1)
    )


def days(budget: Budget, told: list[int], *, start_day: int = 0) -> None:
    """Days of 24 windows with so many notifications each."""
    for day, count in enumerate(told, start_day):
        for hour in range(24):
            budget.window(START_S + day * DAY_S + (hour + 1) * HOUR_S)
            if hour == 12:
                for _ in range(count):
                    budget.count()


def warm(budget: Budget) -> int:
    """Past the days in which nothing can be found; returns the next day's number."""
    days(budget, [0] * WARM_DAYS)
    return WARM_DAYS


def test_it_starts_with_bonferroni() -> None:
    assert Budget.of(town(500, budget=2.0)).threshold_s == 1000 * DAY_S / 2.0


def test_it_never_falls_below_what_findings_reach() -> None:
    budget = Budget.of(town(3))
    assert budget.threshold_s == 8_640_000
    days(budget, [0] * 400)
    assert budget.threshold_s == 8_640_000


def test_nothing_is_learned_before_anything_can_be_found() -> None:
    budget = Budget.of(town())
    warm(budget)
    assert (budget.threshold_s, budget.rate) == (budget.start_s, 2.0)


def test_quiet_lowers_it_slowly() -> None:
    budget = Budget.of(town(5000))
    at = warm(budget)
    days(budget, [0], start_day=at)
    days(budget, [0], start_day=at + 1)
    assert 0.995 < budget.threshold_s / budget.start_s < 1.0
    days(budget, [0] * 60, start_day=at + 2)
    assert 0.3 < budget.threshold_s / budget.start_s < 0.5


def test_too_many_raise_it_slowly_and_on_budget_it_stands_still() -> None:
    budget = Budget.of(town())
    at = warm(budget)
    days(budget, [2] * 30, start_day=at)
    assert budget.threshold_s == budget.start_s
    days(budget, [4] * 30, start_day=at + 30)
    assert 2.0 < budget.threshold_s / budget.start_s < 6.0


def test_a_burst_counts_at_most_three_budgets() -> None:
    one, other = Budget.of(town()), Budget.of(town())
    days(one, [6] * 5, start_day=warm(one))
    days(other, [500] * 5, start_day=warm(other))
    assert one.threshold_s == other.threshold_s


def test_a_storm_of_days_hardly_raises_the_bar_for_the_next_one() -> None:
    budget = Budget.of(town())
    at = warm(budget)
    days(budget, [50] * 4, start_day=at)
    days(budget, [2] * 60, start_day=at + 4)
    assert 1.0 < budget.threshold_s / budget.start_s < 2.0


def test_the_bar_rises_faster_than_it_falls() -> None:
    up, down = Budget.of(town()), Budget.of(town())
    days(up, [4] * 20, start_day=warm(up))
    days(down, [0] * 20, start_day=warm(down))
    assert up.threshold_s / up.start_s > (down.start_s / down.threshold_s) ** 3


def test_days_without_windows_are_not_quiet_days() -> None:
    budget = Budget.of(town())
    at = warm(budget)
    days(budget, [2, 2], start_day=at)
    days(budget, [2, 2], start_day=at + 300)
    assert budget.threshold_s == budget.start_s


@given(st.lists(st.integers(0, 30), min_size=20, max_size=120), st.lists(st.integers(0, 30), max_size=5))
def test_no_look_ahead(past: list[int], future: list[int]) -> None:
    one, other = Budget.of(town()), Budget.of(town())
    days(one, past)
    days(other, past)
    assert one == other
    days(other, future, start_day=len(past))
    days(one, [], start_day=len(past))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(one), type=Budget) == one


@given(st.lists(st.integers(0, 1000), max_size=60))
def test_it_stays_within_its_bounds(raised: list[int]) -> None:
    budget = Budget.of(town())
    days(budget, raised)
    assert max(budget.floor_s, budget.start_s / 1000) <= budget.threshold_s <= budget.start_s * 1000


def test_it_finds_the_threshold_that_keeps_the_budget() -> None:
    # incidents a day fall as the threshold rises: 16 at the start, as bursts and folding make of a Bonferroni start
    budget = Budget.of(town())
    carry, day, kept = 0.0, warm(budget), []
    for _ in range(360):
        carry += 16.0 / (budget.threshold_s / budget.start_s)
        today, carry = int(carry), carry - int(carry)
        days(budget, [today], start_day=day)
        kept.append(today)
        day += 1
    assert sum(kept[-90:]) / 90 == pytest.approx(2.0, rel=0.2)


def test_another_configuration_keeps_what_was_learned() -> None:
    budget = Budget.of(town())
    days(budget, [0] * 40)
    learned = budget.threshold_s / budget.start_s
    same = msgspec.structs.replace(budget)
    budget.adopt(town())
    assert budget == same
    budget.adopt(town(budget=4.0))
    assert budget.threshold_s / budget.start_s == pytest.approx(learned)
    assert budget.per_day == 4.0


@pytest.mark.parametrize("wrong", [0.0, -1.0, float("inf"), float("nan")])
def test_a_budget_that_is_none_is_refused_with_the_remedy(wrong: float) -> None:
    with pytest.raises(ValueError, match=r"lifecycle\.false_alerts_per_day is .* greater than 0"):
        Budget.of(town(budget=wrong))


def test_windows_longer_than_a_day_are_counted_by_the_day() -> None:
    # two incidents a day are fourteen a week: just the budget
    city = msgspec.structs.replace(town(), detection=Detection(window_s=7 * DAY_S, durations_s=(7 * DAY_S,), finding_floor_s=864_000))
    budget = Budget.of(city)
    for week in range(60):
        budget.window(START_S + (week + 1) * 7 * DAY_S)
        for _ in range(14):
            budget.count()
    assert budget.rate == pytest.approx(2.0)
    assert budget.threshold_s == pytest.approx(budget.start_s, rel=0.01)


def test_without_control_it_stays_where_it_starts() -> None:
    city = town()
    budget = Budget.of(msgspec.structs.replace(city, lifecycle=msgspec.structs.replace(city.lifecycle, budget_control=False)))
    days(budget, [50] * 20, start_day=warm(budget))
    assert budget.threshold_s == budget.start_s == budget.highest_s(START_S + 400 * DAY_S)
