"""Whether the alert budget holds: notifications a day against those asked for, on a real city and on one where nothing happens.

Prequential: each day's threshold follows from the days before it. Two backgrounds: the requests of the public in Boston
without the events that are known, which still hold bursts that nobody noted down; and the same requests moved to
random weeks, in which nothing happens but chance. With the controller, and with the threshold left where it starts.
"""

from __future__ import annotations

from typing import TypedDict

from load_tests.boston_year import Year, boston, findings, journal, judged_days, moved, notifications, public, without_known

BUDGETS = (0.5, 2.0, 10.0)


class Realised(TypedDict):
    """Notifications a day."""

    controlled: float
    fixed: float


def realised(year: Year) -> dict[str, Realised]:
    """By budget."""
    said = findings(year.city, journal(year))
    days = judged_days(year)
    return {
        f"{budget:g}": Realised(
            controlled=round(len(notifications(year.city, said, budget=budget)) / days, 3),
            fixed=round(len(notifications(year.city, said, budget=budget, controlled=False)) / days, 3),
        )
        for budget in BUDGETS
    }


class BudgetReport(TypedDict):
    """``budget``: by budget, as realised in Boston with the controller; ``budget_detail``: on both backgrounds, with and without it."""

    budget: dict[str, float]
    budget_detail: dict[str, dict[str, Realised]]


def report(seed: int) -> BudgetReport:
    """Both backgrounds: ``boston`` and ``null``."""
    year = without_known(public(boston()))
    detail = {"boston": realised(year), "null": realised(moved(year, seed))}
    return BudgetReport(budget={key: found["controlled"] for key, found in detail["boston"].items()}, budget_detail=detail)
