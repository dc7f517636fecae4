"""What a play came to: how many alerts, which known events they caught, how soon."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, NamedTuple

from msgspec import Struct

from sinks.base import Batch
from streams.core.areas import AreaTree
from streams.model import DAY_S, HOUR_S, Transition
from streams.settings import City
from streams.shells.records import Expected

TOLD_MAX = 1_000_000


class Caught(Struct, frozen=True):
    """A known event that an alert told of; ``delay_h`` from its start to the first time people were told, reminders of what was open before
    included; ``delay_news_h`` without those.
    """

    event: str
    delay_h: float
    delay_news_h: float | None  # None: only reminders
    area: str  # where the alert last said it was, while it was open


class Summary(Struct, frozen=True):
    """Figures of a play. Alerts of the cold start are counted apart; ``alerts_per_day`` is over the days after it."""

    city: str
    events: int
    days: float
    days_judged: float
    alerts: int
    incidents: int
    alerts_per_day: float
    incidents_per_day: float
    cold_start_alerts: int
    caught: tuple[Caught, ...]
    missed: tuple[str, ...]
    duplicate: int
    late: int
    rejected: dict[str, int]
    seconds: float


class Played(NamedTuple):
    """What is known after a play besides its alerts."""

    events: int
    first_s: int
    end_s: int
    duplicate: int
    late: int
    rejected: dict[str, int]
    seconds: float


class Told:
    """A sink that remembers every transition a person would be told of."""

    name: ClassVar[str] = "told"

    def __init__(self) -> None:
        self.steps: list[Transition] = []
        self.areas: dict[str, str] = {}  # of each alert, as it last stood

    def write(self, batch: Batch) -> None:
        """Keep the notifying ones, up to a bound that no budget allows."""
        room = TOLD_MAX - len(self.steps)
        self.steps += [step for _, step in batch.transitions if step.notify][:room]
        for _, step in batch.transitions:
            if step.notify or step.alert_id in self.areas:
                self.areas[step.alert_id] = step.area if step.to_state != "cleared" else self.areas[step.alert_id]

    def close(self) -> None:
        """Nothing to close."""


def summarise(city: City, played: Played, told: Told, expected: Iterable[Expected]) -> Summary:
    """Judge what was told against what is known to have happened in the stretch."""
    warm_s = played.first_s + (city.demo.warm_start_s if city.demo else 0)
    days = (played.end_s - played.first_s) / DAY_S
    judged = max(0.0, (played.end_s - warm_s) / DAY_S)
    warm = [step for step in told.steps if step.at_s >= warm_s]
    incidents = {step.alert_id for step in warm}
    caught, missed = judge(city, warm, told.areas, [event for event in expected if event.start_s >= warm_s])
    return Summary(
        city=city.name,
        events=played.events,
        days=round(days, 2),
        days_judged=round(judged, 2),
        alerts=len(warm),
        incidents=len(incidents),
        alerts_per_day=round(len(warm) / judged, 3) if judged else 0.0,
        incidents_per_day=round(len(incidents) / judged, 3) if judged else 0.0,
        cold_start_alerts=len(told.steps) - len(warm),
        caught=caught,
        missed=missed,
        duplicate=played.duplicate,
        late=played.late,
        rejected=dict(sorted(played.rejected.items())),
        seconds=round(played.seconds, 2),
    )


def judge(
    city: City, steps: Sequence[Transition], areas: Mapping[str, str], expected: Iterable[Expected]
) -> tuple[tuple[Caught, ...], tuple[str, ...]]:
    """An event is caught by the first step inside its stretch on a signal of its group, in its area, above or below it."""
    tree = AreaTree(city.areas)
    groups = {signal.name: signal.group or signal.name for signal in city.signals}
    caught: list[Caught] = []
    missed: list[str] = []
    for event in expected:
        hits = [
            step
            for step in steps
            if event.start_s <= step.at_s <= event.end_s
            and any(groups.get(signal) == event.group for signal in step.signals)
            and (not event.area or tree.related(areas[step.alert_id], event.area))
        ]
        if hits:
            first = min(hits, key=lambda step: (step.at_s, step.alert_id))
            news_s = min((step.at_s for step in hits if step.reason != "repeated"), default=None)
            caught.append(
                Caught(event.event, _hours(event, first.at_s), None if news_s is None else _hours(event, news_s), areas[first.alert_id])
            )
        else:
            missed.append(event.event)
    return tuple(caught), tuple(missed)


def _hours(event: Expected, at_s: int) -> float:
    return round((at_s - event.start_s) / HOUR_S, 2)
