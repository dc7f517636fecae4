"""The index against a calculation by hand, and what it must not show."""

from __future__ import annotations

from typing import Any

import pytest

from sinks.archive import Handled, Yearly
from sinks.cockpit.index import Rules, bias_rows, index_rows, repeats
from sinks.cockpit.views import Places
from streams.model import Area

DAY = 86_400
T = 100 * DAY


def handled(at_d: float, *, area: str = "s1", ack: int | None = None, done: int | None = None, label: str = "", hands: Any = ()) -> Handled:
    raised = T + round(at_d * DAY)
    return Handled(
        f"{area}{at_d}",
        area,
        ("noise",),
        raised,
        None if ack is None else raised + ack,
        None if done is None else raised + done,
        label,
        tuple(hands),
    )


def rows(alerts: list[Handled], *, days: int = 10, streets: int = 2, rules: Rules | None = None) -> list[dict[str, Any]]:
    return index_rows(alerts, lambda alert: alert.area[0], {"s": "Streets"}, lambda _: streets, T, T + days * DAY, rules or Rules())


def test_the_formula_by_hand() -> None:
    # Ten days are 30 shifts of 8 h. Four alerts in two streets: 4 / 30 / 2 = .0667 a street and shift.
    # Acknowledged after 60, 120 and 600 s: median 120. Resolved after 1000 and 3000 s: median 2000.
    # Labels true, false, expected_event, duplicate: one of three that say something is true: .333.
    # s1 on days -20, 1, 5: two repeats. s2 on day 9 alone, and 40 days before: none.
    alerts = [
        handled(-20, label="true", ack=1, done=1, hands=[9]),
        handled(-31, area="s2"),
        handled(1, ack=60, done=1000, label="true", hands=[1, 2]),
        handled(5, ack=120, label="false", hands=[3]),
        handled(8, area="s3", ack=600, done=3000, label="expected_event", hands=[4]),
        handled(9, area="s2", label="duplicate", hands=[5]),
    ]
    (row,) = rows(alerts)
    assert row == {
        "group": "s", "title": "Streets", "alerts": 4, "acknowledge_s_median": 120, "resolve_s_median": 2000, "true_share": 0.333,
        "repeats_30d": 2, "rating": None, "per_shift": 0.0667, "cap": 6.0, "hidden": False,
    }  # fmt: skip


def test_a_group_of_less_than_five_staff_shows_nothing_of_their_work() -> None:
    alerts = [handled(1, ack=60, done=100, label="true", hands=[1, 2]), handled(2, ack=60, hands=[2, 3, 4])]
    (row,) = rows(alerts)
    assert row["hidden"]
    assert {row[name] for name in ("acknowledge_s_median", "resolve_s_median", "true_share", "repeats_30d", "rating")} == {None}
    assert row["alerts"] == 2
    assert not rows([*alerts, handled(3, hands=[5])])[0]["hidden"]


def test_rows_are_in_the_order_of_names_whatever_the_numbers() -> None:
    alerts = [handled(1, area=area, ack=ack, hands=range(5)) for area, ack in (("c", 1), ("a", 900), ("b", 5))]
    assert [row["group"] for row in rows(alerts)] == ["a", "b", "c"]


@pytest.mark.parametrize("gap_d, expected", [(29.9, 1), (30.0, 1), (30.1, 0)])
def test_a_repeat_is_one_within_thirty_days(gap_d: float, expected: int) -> None:
    assert repeats([handled(0), handled(gap_d)], T) == expected
    assert repeats([handled(0, area="s1"), handled(gap_d, area="s2")], T) == 0, "another place"


def test_a_rating_of_citizens_is_shown_where_there_is_one() -> None:
    assert rows([handled(1, hands=range(5))], rules=Rules(rating=lambda _: 0.8))[0]["rating"] == 0.8


def test_bias_by_hand() -> None:
    areas = [Area("c", "C", 0, None), *(Area(f"d{i}", f"D{i}", 1, "c", population=1000 * i) for i in (1, 2, 4)), Area("s", "S", 2, "d1")]
    told = bias_rows(
        Places(areas),
        [Yearly(2015, "d1", 50), Yearly(2015, "d2", 40), Yearly(2015, "d4", 40), Yearly(2015, "s", 20), Yearly(2015, "gone", 5)],
        [Yearly(2015, "s", 3), Yearly(2015, "d1", 1)],
        lambda _: True,
    )
    assert [(row["area"], row["reports_per_1000"], row["alerts_per_1000"], row["to_median"]) for row in told] == [
        ("d1", 50.0, 4.0, 2.5), ("d2", 20.0, 0.0, 1.0), ("d4", 10.0, 0.0, 0.5), ("s", None, None, None),
    ]  # fmt: skip
