"""The index: how alerts are dealt with, by area or department. ``docs/index.md`` has the formula. Pure. No number is about a person."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

from sinks.archive import Handled, Yearly
from sinks.cockpit.views import Places
from streams.model import DAY_S, HOUR_S

STAFF_MIN = 5
REPEAT_S = 30 * DAY_S
STREET_LEVEL = 2
TRUE = ("true", "new_level")
"""Labels that say: there was something. ``duplicate`` and an empty one say nothing."""
FALSE = ("false", "expected_event")


class Rules(NamedTuple):
    """``cap``: alerts that a street's shift can bear. ``rating``: what citizens say of a group, 0 to 1, where a source tells it."""

    shift_s: int = 8 * HOUR_S
    cap: float = 6.0
    staff_min: int = STAFF_MIN
    rating: Callable[[str], float | None] = lambda _group: None


def index_rows(
    alerts: Sequence[Handled], group_of: Callable[[Handled], str], titles: Mapping[str, str], streets: Callable[[str], int],
    since_s: int, until_s: int, rules: Rules,
) -> list[dict[str, Any]]:  # fmt: skip
    """A row a group, in the order of their names: never by a number. ``alerts`` may reach 30 days further back, for repeats."""
    groups: dict[str, list[Handled]] = defaultdict(list)
    for alert in sorted(alerts, key=lambda a: (a.raised_s, a.id)):
        groups[group_of(alert)].append(alert)
    found = ((group, members) for group, members in groups.items() if any(since_s <= alert.raised_s < until_s for alert in members))
    rows = [_row(group, members, titles.get(group, group), streets(group), (since_s, until_s), rules) for group, members in found]
    return sorted(rows, key=lambda row: (row["title"], row["group"]))


def _row(group: str, alerts: Sequence[Handled], title: str, streets: int, span: tuple[int, int], rules: Rules) -> dict[str, Any]:
    since_s, until_s = span
    own = [alert for alert in alerts if since_s <= alert.raised_s < until_s]
    hands = {hand for alert in own for hand in alert.hands}
    hidden = len(hands) < rules.staff_min
    judged = [alert.label for alert in own if alert.label in TRUE or alert.label in FALSE]
    shifts = max(1.0, (until_s - since_s) / rules.shift_s)
    told: dict[str, Any] = {
        "acknowledge_s_median": _median(a.acknowledged_s - a.raised_s for a in own if a.acknowledged_s is not None),
        "resolve_s_median": _median(a.resolved_s - a.raised_s for a in own if a.resolved_s is not None),
        "true_share": round(sum(label in TRUE for label in judged) / len(judged), 3) if judged else None,
        "repeats_30d": repeats(alerts, since_s),
        "rating": rules.rating(group),
    }
    if hidden:
        told = dict.fromkeys(told)
    per_shift = round(len(own) / shifts / max(1, streets), 4)
    return {"group": group, "title": title, "alerts": len(own), **told, "per_shift": per_shift, "cap": rules.cap, "hidden": hidden}


def repeats(alerts: Sequence[Handled], since_s: int) -> int:
    """Alerts since then that were raised in the same area for one of the same signals within 30 days of an earlier one."""
    last: dict[tuple[str, str], int] = {}
    n = 0
    for alert in alerts:
        before = [last[key] for signal in alert.signals if (key := (alert.area, signal)) in last]
        n += alert.raised_s >= since_s and any(alert.raised_s - at_s <= REPEAT_S for at_s in before)
        last |= {(alert.area, signal): alert.raised_s for signal in alert.signals}
    return n


def bias_rows(places: Places, reports: Sequence[Yearly], alerts: Sequence[Yearly], sees: Callable[[str], bool]) -> list[dict[str, Any]]:
    """Reports and alerts a thousand people, by year and area of district or street level, with how far each is from its siblings' median."""
    raised: dict[tuple[int, str], int] = defaultdict(int)
    for each in alerts:
        for code in places.lineage(each.area):
            raised[each.year, code] += each.reports
    rows: list[dict[str, Any]] = []
    for each in reports:
        area = places.areas.get(each.area)
        if area is None or area.level > STREET_LEVEL or not sees(each.area):
            continue
        thousands = area.population / 1000 if area.population else None
        rows.append(
            {
                "year": each.year,
                "area": each.area,
                "name": area.name,
                "level": area.level,
                "parent": area.parent,
                "population": area.population,
                "reports": each.reports,
                "alerts": raised[each.year, each.area],
                "reports_per_1000": round(each.reports / thousands, 2) if thousands else None,
                "alerts_per_1000": round(raised[each.year, each.area] / thousands, 3) if thousands else None,
            }
        )
    beside: dict[tuple[int, str | None], list[float]] = defaultdict(list)
    for row in rows:
        if row["reports_per_1000"] is not None:
            beside[row["year"], row["parent"]].append(row["reports_per_1000"])
    for row in rows:
        usual = median(beside[row["year"], row["parent"]] or [0.0])
        own = row["reports_per_1000"]
        row["to_median"] = round(own / usual, 2) if own is not None and usual else None
    return sorted(rows, key=lambda row: (row["year"], row["area"]))


def _median(values: Any) -> int | None:
    found = list(values)
    return round(median(found)) if found else None
