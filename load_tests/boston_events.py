"""What Boston's year looks like to who watches its alerts: known events, how late each was told, how much else was told."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict
from zoneinfo import ZoneInfo

from load_tests.boston_year import Year, boston, findings, journal, judged_days, notifications, public
from streams.model import DAY_S, HOUR_S, Transition
from streams.shells.records import Expected

BUDGET = 2.0
STRONGEST = 20


class Caught(TypedDict):
    """An event and the first notification on its group of signals, in hours from its first midnight; None: none.

    Reminders of an alert that was open before count as they do for the budget, but where news is asked for.
    """

    event: str
    delay_h: float | None  # at the city or a district
    delay_anywhere_h: float | None
    delay_news_h: float | None  # without reminders, at the city or a district
    delay_news_anywhere_h: float | None
    area: str
    said: str


class Alerted(TypedDict):
    """One notification that was none of the known events'."""

    at: str
    area: str
    signals: list[str]
    years: float  # chance alone does it once in so many years
    why: str


class BostonYear(TypedDict):
    """What else was told in the year of the public's requests."""

    notifications_a_day: float
    incidents_a_day: float
    strongest: list[Alerted]


class BostonReport(TypedDict):
    """The known events, and the year around them."""

    boston: list[Caught]
    boston_year: BostonYear


def report() -> BostonReport:
    """All of it, at two false alerts a day."""
    year = public(boston())
    told = notifications(year.city, findings(year.city, journal(year)), budget=BUDGET)
    days = judged_days(year)
    other = [step for step in told if not any(_is_of(year, step, event) for event in year.known)]
    raised = {}
    for step in sorted(other, key=lambda step: step.recurrence_s):
        raised[step.alert_id] = step
    strongest = sorted(raised.values(), key=lambda step: -step.recurrence_s)[:STRONGEST]
    around = BostonYear(
        notifications_a_day=round(len(told) / days, 3),
        incidents_a_day=round(len({step.alert_id for step in told}) / days, 3),
        strongest=[_alerted(year, step) for step in strongest],
    )
    return BostonReport(boston=[_caught(year, told, event) for event in year.known], boston_year=around)


def _caught(year: Year, told: list[Transition], event: Expected) -> Caught:
    level = {area.code: area.level for area in year.city.areas}
    mine = [step for step in told if _is_of(year, step, event)]
    wide = [step for step in mine if level[step.area] <= year.city.shard_level]
    first = next(iter(wide or mine), None)
    return Caught(
        event=event.event,
        delay_h=_hours(wide, event),
        delay_anywhere_h=_hours(mine, event),
        delay_news_h=_hours(_news(wide), event),
        delay_news_anywhere_h=_hours(_news(mine), event),
        area=first.area if first is not None else "",
        said=first.why if first is not None else "",
    )


def _news(steps: list[Transition]) -> list[Transition]:
    return [step for step in steps if step.reason != "repeated"]


def _hours(steps: list[Transition], event: Expected) -> float | None:
    return round((steps[0].at_s - event.start_s) / HOUR_S, 1) if steps else None


def _is_of(year: Year, step: Transition, event: Expected) -> bool:
    groups = {signal.name: signal.group for signal in year.city.signals}
    return event.start_s <= step.at_s < event.end_s and any(groups[name] == event.group for name in step.signals)


def _alerted(year: Year, step: Transition) -> Alerted:
    at = datetime.fromtimestamp(step.at_s, ZoneInfo(year.city.timezone))
    years = float(f"{step.recurrence_s / (365.25 * DAY_S):.3g}")
    return Alerted(at=f"{at:%Y-%m-%d %H:%M}", area=step.area, signals=list(step.signals), years=years, why=step.why)
