"""``tocsin bench attention``: how many things people must look at, against a plain threshold over the same scores; and a shift at four levels.

A plain threshold tells of every series whenever it comes to stand above the threshold that Tocsin itself uses at that time.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from datetime import datetime
from statistics import median
from zoneinfo import ZoneInfo

from msgspec import Struct, json

from load_tests.boston_year import Year, boston, findings, journal, judged_days, public
from sinks.cockpit.city import LEVELS, on_duty
from streams.core.areas import AreaTree
from streams.core.decide import Decide
from streams.core.shard import shards_of
from streams.loading import find_city, load
from streams.model import DAY_S, Alert, Closed, Command, Finding, Tick, Transition
from streams.settings import City
from streams.shells.records import demo_stretch

LESS_MIN = 0.6
"""Part by which the things to look at must become fewer."""
TAKES_ON = 0.8
"""Of those who are there and are told, so many take it on; the others are out, busy or asleep."""
TICK_S = 60
DAYS = 21
SHIFT_DAYS = 7


class Looked(Struct):
    """A year. ``less``: by which incidents are fewer than crossings; a notification may be the second or third of an incident, or a reminder.
    ``events_lost``: known events that the plain threshold told of and nobody was told of.
    """

    days: float
    crossings: int
    notifications: int
    incidents: int
    less: float
    events: int
    events_lost: list[str]


class Shift(Struct):
    """Days of alerts at four levels. ``taken_on``: by the level that did; ``escalated``: by the level that it went up to."""

    days: float
    alerts: int
    taken_on: dict[str, int]
    escalated: dict[str, int]
    to_take_on_s: dict[str, float]
    never: int
    wrong: list[str]


class Report(Struct):
    """Both."""

    boston: Looked
    hangzhou: Shift

    @property
    def ok(self) -> bool:
        """Whether fewer things are to be looked at with nothing lost, and every escalation was one level up and in time."""
        return self.boston.less >= LESS_MIN and not self.boston.events_lost and not self.hangzhou.wrong and bool(self.hangzhou.escalated)


def run(seed: int) -> Report:
    """Both, on the year and the weeks that come with the product."""
    return Report(looked(public(boston())), shift(seed))


def looked(year: Year) -> Looked:
    """What a plain threshold tells of a year, and what people are told."""
    decide = Decide(year.city, shards_of(year.city))
    crossings: list[Finding] = []
    told: list[Transition] = []
    window: dict[int, set[tuple[str, str]]] = defaultdict(set)
    for record in findings(year.city, journal(year)):
        if isinstance(record, Finding) and not record.early and record.recurrence_s >= decide.threshold_s:
            series = (record.area, record.signal)
            if series not in window[record.window_end_s - year.city.detection.window_s]:
                crossings.append(record)
            window[record.window_end_s].add(series)
        told += [step for step in decide.apply(record).transitions if step.notify]
        for end_s in [end_s for end_s in window if isinstance(record, Closed) and end_s < record.window_end_s - DAY_S]:
            del window[end_s]
    groups = {signal.name: signal.group for signal in year.city.signals}
    incidents = len({step.alert_id for step in told})
    lost = [
        event.event
        for event in year.known
        if any(event.start_s <= f.window_end_s < event.end_s and groups[f.signal] == event.group for f in crossings)
        and not any(event.start_s <= t.at_s < event.end_s and any(groups[name] == event.group for name in t.signals) for t in told)
    ]
    return Looked(
        days=round(judged_days(year), 1),
        crossings=len(crossings),
        notifications=len(told),
        incidents=incidents,
        less=round(1 - incidents / len(crossings), 3),
        events=len(year.known),
        events_lost=lost,
    )


class Staff:
    """Who is told takes an alert on after some minutes, or does not; nobody where nobody is."""

    def __init__(self, city: City, seed: int) -> None:
        self._city, self._random = city, random.Random(seed)
        self._zone = ZoneInfo(city.timezone)
        self._plans: dict[tuple[str, str, int], tuple[str, int] | None] = {}

    def due(self, alert: Alert, now_s: int) -> str:
        """Who takes it on now; empty: nobody yet."""
        assert alert.duty is not None, "every alert is somebody's"
        key = (alert.id, alert.duty.area, alert.duty.escalated)
        if key not in self._plans:
            self._plans[key] = self._plan(alert, now_s)
        plan = self._plans[key]
        return plan[0] if plan is not None and plan[1] <= now_s else ""

    def _plan(self, alert: Alert, now_s: int) -> tuple[str, int] | None:
        assert alert.duty is not None
        minute = datetime.fromtimestamp(now_s, self._zone).strftime("%H:%M")
        _, there = on_duty(self._city.rosters, (alert.duty.area,), alert.duty.department, minute)
        if not there or self._random.random() > TAKES_ON:
            return None
        return self._random.choice(there), now_s + int(60 * self._random.lognormvariate(1.8, 0.8))


def shift(seed: int) -> Shift:
    """The last week of Hangzhou's three, with ticks each minute and people who answer, or do not."""
    city = load(find_city("hangzhou"))
    stretch = demo_stretch(city, days=DAYS, seed=seed)
    year = Year(city, tuple(stretch.records), stretch.expected)
    records = findings(city, journal(year))
    decide, staff, watched = Decide(city, shards_of(city)), Staff(city, seed), Watched(city)
    last_s = max(record.window_end_s for record in records)
    clock_s = first_s = last_s - SHIFT_DAYS * DAY_S
    closed: Counter[int] = Counter()
    for record in records:
        for step in decide.apply(record).transitions:
            watched.step(step)
        if not isinstance(record, Closed):
            continue
        closed[record.window_end_s] += 1
        if closed[record.window_end_s] == len(shards_of(city)):
            while first_s <= clock_s < record.window_end_s:
                clock_s += TICK_S
                _minute(decide, staff, watched, clock_s)
    return watched.report((last_s - first_s) / DAY_S, decide)


def _minute(decide: Decide, staff: Staff, watched: Watched, now_s: int) -> None:
    for step in decide.apply(Tick(now_s)).transitions:
        watched.step(step)
    for alert in decide.open_alerts():
        if alert.state == "provisional" or alert.owner or alert.duty is None or not alert.duty.since_s:
            continue
        watched.waits(alert)
        actor = staff.due(alert, now_s)
        if actor:
            body = json.encode({"alert": alert.id}).decode()
            watched.taken(alert, now_s)
            for step in decide.apply(Command(f"{alert.id}-{now_s}", now_s, actor, "acknowledge", body)).transitions:
                watched.step(step)


class Watched:
    """What is seen of a shift from outside."""

    def __init__(self, city: City) -> None:
        self._tree = AreaTree(city.areas)
        self._waiting: dict[str, Alert] = {}
        self._first: dict[str, int] = {}
        self._taken: Counter[str] = Counter()
        self._up: Counter[str] = Counter()
        self._took: dict[str, list[int]] = defaultdict(list)
        self._wrong: list[str] = []

    def waits(self, alert: Alert) -> None:
        assert alert.duty is not None
        self._waiting[alert.id] = alert
        self._first.setdefault(alert.id, alert.duty.since_s)

    def taken(self, alert: Alert, now_s: int) -> None:
        assert alert.duty is not None
        self._taken[LEVELS[self._tree[alert.duty.area].level]] += 1
        self._took[alert.band].append(now_s - self._first[alert.id])

    def step(self, step: Transition) -> None:
        if step.reason != "escalated":
            return
        known = self._waiting.get(step.alert_id)
        area = step.what.partition("/")[0]
        self._up[LEVELS[self._tree[area].level]] += 1
        if known is None or known.duty is None:
            self._wrong.append(f"{step.alert_id} went up before it was anybody's")
        elif self._tree.parent(known.duty.area) != area and not step.at_s < (known.duty.due_s or 0):
            self._wrong.append(f"{step.alert_id} went from {known.duty.area} to {area}")
        elif not known.duty.due_s or not 0 <= step.at_s - known.duty.due_s <= TICK_S:
            self._wrong.append(f"{step.alert_id} went up at {step.at_s}, due at {known.duty.due_s}")

    def report(self, days: float, decide: Decide) -> Shift:
        open_now = decide.open_alerts()
        return Shift(
            days=round(days, 1),
            alerts=len(self._first),
            taken_on=dict(sorted(self._taken.items())),
            escalated=dict(sorted(self._up.items())),
            to_take_on_s={band: float(median(times)) for band, times in sorted(self._took.items())},
            never=sum(not alert.owner for alert in open_now),
            wrong=self._wrong,
        )
