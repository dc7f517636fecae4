"""The past as people ask for it: what the cockpit wants to know of the tables. Which engine holds them is the shell's to know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Hour(NamedTuple):
    """One signal in one hour of an area: how many, or what its gauges read on average."""

    at_s: int
    signal: str
    n: int | None
    average: float | None


class Risk(NamedTuple):
    """The greatest risk of an area's series in one window."""

    at_s: int
    risk: float
    signal: str


class PastAlert(NamedTuple):
    """An alert as it stands now."""

    id: str
    area: str
    areas: tuple[str, ...]  # of its members
    signals: tuple[str, ...]
    band: str
    risk: float
    state: str
    onset_s: int
    updated_s: int
    reason: str
    label: str


class Amount(NamedTuple):
    """Records of one source in one hour that went one way: accepted, or for a reason not as they should be."""

    at_s: int
    source: str
    reason: str
    n: int


class Handled(NamedTuple):
    """What people did with one alert, and when; None: nothing yet. ``hands``: who acted on it, as numbers that mean nobody elsewhere."""

    id: str
    area: str
    signals: tuple[str, ...]
    raised_s: int
    acknowledged_s: int | None
    resolved_s: int | None
    label: str
    hands: tuple[int, ...]
    department: str = ""  # whose it is now; empty: nobody's


class Yearly(NamedTuple):
    """Reports of all signals in a year: of a district exact, of a street rounded."""

    year: int
    area: str
    reports: int


class Archive(Protocol):
    """Asked in worker threads. Every method raises ``SinkError`` while the tables cannot be asked; times are whole seconds, ends exclusive."""

    def hours(self, area: str, level: int, since_s: int, until_s: int) -> Sequence[Hour]:
        """Hours of an area, in order. Counts of districts and the city only: ``sinks.cockpit.small`` says why."""
        ...

    def risks(self, area: str, since_s: int, until_s: int) -> Sequence[Risk]:
        """Windows in which the area's scores were kept, in order."""
        ...

    def alerts(self, areas: Sequence[str], since_s: int, until_s: int, limit: int) -> Sequence[PastAlert]:
        """Alerts in one of the areas that were open at some time of the span, the newest onset first."""
        ...

    def newest(self) -> dict[str, int]:
        """Source to the minute of its newest record."""
        ...

    def amounts(self, since_s: int, until_s: int) -> Sequence[Amount]:
        """Records by hour, source and reason; reason ``accepted`` for those that were counted."""
        ...

    def handled(self, since_s: int, until_s: int) -> Sequence[Handled]:
        """Alerts that were first raised in the span, by the time they were."""
        ...

    def yearly(self) -> Sequence[Yearly]:
        """Reports by year and area."""
        ...

    def alerts_yearly(self) -> Sequence[Yearly]:
        """Alerts by the year of their onset and the area they were placed in; ``reports`` is their number."""
        ...
