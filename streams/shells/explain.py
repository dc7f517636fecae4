"""Why an alert was raised, from the journals of a state folder or from the files of a run.

What is explained is the moment at which people were last told of it: what was seen then, over which durations, by whom.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from sinks.cockpit.views import Places
from streams.core.story import Row, Said, Shares, at_duration, by_area, by_signal, chinese, english
from streams.core.watch import Point
from streams.model import Area, Evidence, Signal, Transition
from streams.shells.errors import ShellError

TOLD = ("raised", "raised_early", "silenced", "inhibited", "confirmed", "worse")
"""Reasons of steps that speak of what was seen, and not of what people did."""
NEAR_MAX = 3
WIDE_WINDOWS = 36
WIDE_DURATIONS = 4
POINTS_MAX = 1_500
Series = tuple[str, str]


class ExplainError(ShellError):
    """No such alert, or nothing to explain it from; the message names what is near and what to do."""


class Place(Struct, frozen=True):
    """An area and the names on the way to it."""

    code: str
    name: str
    path: tuple[str, ...]


class Seen(Struct, frozen=True):
    """One duration, or one point of the chart (``end_s``). Hidden: a small count of a small area, of which no number is told."""

    duration_s: int
    end_s: int
    observed: float | None
    expected: float | None
    lower: float | None  # central 95% interval; None in a run's files, which do not have it
    upper: float | None
    p: float | None
    hidden: bool = False


class Chart(Struct, frozen=True):
    """Observed against expected over ``duration_s`` at the end of each window around the onset."""

    area: str
    signal: str
    title: str
    duration_s: int
    onset_s: int
    told_s: int
    points: tuple[Seen, ...]


class Stage(Struct, frozen=True, rename={"from_state": "from", "to_state": "to"}):
    """A step in the alert's life."""

    at_s: int
    from_state: str
    to_state: str
    reason: str
    band: str
    area: str
    notify: bool
    actor: str = ""
    muted_by: str = ""


class Story(Struct, frozen=True):
    """All that is told of one alert. ``told_s``: end of the window that people were last told of."""

    id: str
    state: str
    band: str
    risk: float
    recurrence_s: float | None  # None where it would give a hidden count away
    place: Place
    signals: tuple[str, ...]
    onset_s: int
    told_s: int
    updated_s: int
    english: str
    chinese: str
    evidence: tuple[Seen, ...]
    by_signal: Shares | None
    by_area: Shares | None
    chart: Chart
    timeline: tuple[Stage, ...]
    clears: str
    suppress_below: int
    timezone: str
    titles: dict[str, str]  # of signals
    names: dict[str, str]  # of areas
    notes: tuple[str, ...] = ()


class Names:
    """What areas and signals are called, what lies in what, and which areas are small; a code that is not known is small and called by itself."""

    def __init__(self, areas: Sequence[Area], signals: Sequence[Signal]) -> None:
        self._places = Places(areas)
        self._signals = {signal.name: signal for signal in signals}
        self._children: dict[str, list[str]] = {}
        for area in areas:
            if area.parent is not None:
                self._children.setdefault(area.parent, []).append(area.code)

    def area(self, code: str) -> Area:
        return self._places.areas.get(code) or Area(code, code, 0, None)

    def signal(self, name: str) -> Signal:
        return self._signals.get(name) or Signal(name, name, "")

    def place(self, code: str) -> Place:
        return Place(code, self.area(code).name, tuple(self._places.path(code)))

    def children(self, code: str) -> list[str]:
        return sorted(self._children.get(code, []))

    def small(self, area: str, signal: str) -> bool:
        """Whether small counts of this series are hidden."""
        return self._places.small(area) and self.signal(signal).kind == "count"


class Material(NamedTuple):
    """What is known of one alert, wherever it came from. ``points``: what series showed; at ``told_s`` those that contributions need."""

    id: str
    state: str
    band: str
    risk: float
    recurrence_s: float
    place: str
    signals: tuple[str, ...]
    onset_s: int
    told_s: int
    updated_s: int
    lead: Series
    flags: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    points: Mapping[Series, Sequence[Point]]
    steps: Sequence[Transition]
    clears: str
    names: Names
    timezone: str
    suppress_below: int
    notes: tuple[str, ...] = ()


def found(wanted: str, ids: Sequence[str], where: str) -> str:
    """The id that is meant: the whole of it or a unique beginning.

    Raises:
        ExplainError: none or several; names the nearest.
    """
    fitting = [name for name in ids if name.startswith(wanted)]
    if wanted in fitting:
        return wanted
    if len(fitting) == 1:
        return fitting[0]
    how = f"tocsin explain {where} lists all"
    if fitting:
        raise ExplainError(f"{wanted}: {len(fitting)} alerts begin so, among them {', '.join(fitting[:NEAR_MAX])}; {how}")
    near = difflib.get_close_matches(wanted, ids, n=NEAR_MAX, cutoff=0.0) if ids else []
    what = f"the nearest are {', '.join(near)}" if near else "there are none"
    raise ExplainError(f"{wanted}: no such alert; {what}; {how}")


def told_step(steps: Sequence[Transition]) -> Transition | None:
    """The step at which people were last told of what was seen, or would have been but for a silence."""
    speaking = [step for step in steps if step.reason in TOLD]
    return next((step for step in reversed(speaking) if step.notify), speaking[0] if speaking else None)


def reach_s(duration_s: int, window_s: int) -> int:
    """How far the chart goes before the onset and after the moment that is told."""
    return max(WIDE_WINDOWS * window_s, WIDE_DURATIONS * duration_s)


def bounds_s(onset_s: int, told_s: int, duration_s: int, window_s: int) -> tuple[int, int]:
    """From and until when the chart goes: at most ``POINTS_MAX`` windows, the moment among them."""
    reach = reach_s(duration_s, window_s)
    from_s, until_s = onset_s - reach, told_s + reach
    if until_s - from_s > POINTS_MAX * window_s:
        until_s = max(told_s, from_s + POINTS_MAX * window_s)
        from_s = until_s - POINTS_MAX * window_s
    return from_s, until_s


def leading(evidence: Sequence[Evidence]) -> Evidence:
    """The duration that says most."""
    return min(evidence, key=lambda e: (e.p, e.duration_s))


def tell(given: Material, window_s: int) -> Story:
    """The story of an alert; ``window_s``: of the city's windows."""
    area, signal = given.lead
    names, lead = given.names, leading(given.evidence)
    small = names.small(area, signal)
    said = Said(names.signal(signal), names.area(area), lead, given.recurrence_s, given.flags, given.suppress_below, small)
    from_s, until_s = bounds_s(given.onset_s, given.told_s, lead.duration_s, window_s)
    points = [point for point in given.points.get(given.lead, ()) if from_s < point.window_end_s <= until_s]
    moments = [(point.window_end_s, e) for point in points if (e := at_duration(point.evidence, lead.duration_s)) is not None]
    chart = tuple(_seen(end_s, e, hidden=small and e.observed < given.suppress_below) for end_s, e in moments)
    signals, areas = _contributions(given, lead)
    codes = {given.place, area, *(step.area for step in given.steps), *(row.area for row in (*_rows(signals), *_rows(areas)))}
    return Story(
        id=given.id,
        state=given.state,
        band=given.band,
        risk=given.risk,
        recurrence_s=None if said.hidden else given.recurrence_s,
        place=names.place(given.place),
        signals=given.signals,
        onset_s=given.onset_s,
        told_s=given.told_s,
        updated_s=given.updated_s,
        english=english(said),
        chinese=chinese(said),
        evidence=tuple(_seen(given.told_s, e, hidden=small and e.observed < given.suppress_below) for e in given.evidence),
        by_signal=signals,
        by_area=areas,
        chart=Chart(
            area, signal, f"{names.signal(signal).title}, {names.area(area).name}", lead.duration_s, given.onset_s, given.told_s, chart
        ),
        timeline=tuple(_stage(step) for step in given.steps),
        clears=given.clears,
        suppress_below=given.suppress_below,
        timezone=given.timezone,
        titles={name: names.signal(name).title for name in sorted({*given.signals, signal})},
        names={code: names.area(code).name for code in sorted(codes)},
        notes=given.notes,
    )


def _contributions(given: Material, lead: Evidence) -> tuple[Shares | None, Shares | None]:
    """By signal and by area below, at the duration that says most; None where there is nothing to divide."""
    (area, signal), names, floor = given.lead, given.names, given.suppress_below
    now = {series: e for series, points in given.points.items() if (e := _at(points, given.told_s, lead.duration_s)) is not None}
    counts = {name: now[area, name] for name in given.signals if (area, name) in now and names.signal(name).kind == "count"}
    small = names.small(area, signal)
    signals = by_signal(counts, area=area, duration_s=lead.duration_s, fewer_than=floor, small=small) if len(counts) > 1 else None
    below = {code: now[code, signal] for code in names.children(area) if (code, signal) in now}
    if not below or names.signal(signal).kind != "count" or (small and lead.observed < floor):
        return signals, None
    hideable = frozenset(code for code in (*below, area) if names.small(code, signal))
    return signals, by_area(area, lead, below, signal=signal, fewer_than=floor, small=hideable)


def _at(points: Sequence[Point], end_s: int, duration_s: int) -> Evidence | None:
    return next((at_duration(point.evidence, duration_s) for point in points if point.window_end_s == end_s), None)


def _seen(end_s: int, e: Evidence, *, hidden: bool) -> Seen:
    if hidden:
        return Seen(e.duration_s, end_s, None, None, None, None, None, True)
    known = e.lower == e.lower  # NaN: a run's files have no interval
    return Seen(e.duration_s, end_s, e.observed, e.expected, e.lower if known else None, e.upper if known else None, e.p)


def _rows(shares: Shares | None) -> tuple[Row, ...]:
    return shares.rows if shares is not None else ()


def _stage(step: Transition) -> Stage:
    return Stage(step.at_s, step.from_state, step.to_state, step.reason, step.band, step.area, step.notify, step.actor, step.muted_by)
