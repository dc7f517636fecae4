"""What a detector is, and the registry of them.

A detector is a bank: it holds all series of one shard that it is responsible for in numpy arrays and scores one
window for all of them at once. It has no clock, no randomness and no I/O. The contract (checked by ``detectors.checks``
on every registered one):

- ``score`` changes nothing; ``learn`` is called once per window, in order, after ``score`` of the same window;
- what ``score`` says of a window depends on what was learned at most until the end of the block before the previous one,
  so that a window still open is scored with the same expectation as once it is closed (see ``Detector.block``);
- p-values are one-sided or two-sided tail probabilities under the detector's own null, in (0, 1];
- a snapshot aliases nothing that goes on changing; ``restore(snapshot())`` equals never having stopped;
- missing data (``present`` is false) never lowers a p-value, and is not learned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from streams.model import Signal

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
State = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Setup:
    """What a bank is built for. Arrays have one row a series (S)."""

    signals: tuple[Signal, ...]
    signal: Ints  # (S,) index into signals
    depth: Ints  # (S,) level of the series' area, 0 the city
    window_s: int
    durations: tuple[int, ...]  # in windows, ascending, the first is 1
    params: Mapping[str, float | str]
    pool: Ints | None = None  # (S,) the series' shard: only series of one pool may learn from one another; None: all may


@dataclass(frozen=True, slots=True)
class Window:
    """One base window. ``index`` counts windows since the epoch; season keys are in local civil time."""

    index: int
    start_s: int
    hour: int  # 0..23
    weekday: int  # 0 Monday .. 6
    year: float  # part of the year that has passed, [0, 1)


@dataclass(frozen=True, slots=True)
class Observed:
    """What was seen in one window, one row a series (S,). Counts fill ``n``; levels all of it (NaN without readings)."""

    n: Floats  # counts: events; levels: readings
    total: Floats
    least: Floats
    most: Floats
    present: Bools  # False: nothing is known of this series in this window


@dataclass(frozen=True, slots=True)
class Verdict:
    """Scores of R series (``rows``) over D durations; a duration that does not apply has p = 1 and observed = expected = 0."""

    rows: Ints  # (R,) series, ascending
    observed: Floats  # (R, D)
    expected: Floats  # (R, D)
    lower: Floats  # (R, D) central 95% interval under the null
    upper: Floats  # (R, D)
    p: Floats  # (R, D)
    ready: Bools  # (R,) enough history
    new_level: Bools | None = None  # (R,) surprising for so long that it is believed to be what is usual now
    onset: Floats | None = None  # (R,) p-value of a sequential test, without a duration, for something that began; NaN: not looked for


class Detector(Protocol):
    """A bank of one kind of model over many series."""

    name: ClassVar[str]
    kind: ClassVar[str]  # "count", "level" or "silence"
    defaults: ClassVar[Mapping[str, Any]]  # every parameter with its default: a number, or a name
    block: int  # windows per learning block; score of a window uses what was learned before the previous block ended

    def __init__(self, setup: Setup) -> None: ...

    def score(self, window: Window, observed: Observed, rows: Ints | None = None, ahead: Sequence[tuple[Window, Observed]] = ()) -> Verdict:
        """Score ``window`` for ``rows`` (ascending; None: all). ``ahead``: windows before it that are not learned yet, oldest first."""
        ...

    def learn(self, window: Window, observed: Observed, p: Floats) -> None:
        """Take ``window`` in. ``p`` (S,): the least p-value of each series at this window, 1 where not scored."""
        ...

    def amend(self, windows_ago: int, row: int, n: float) -> bool:
        """Add late events to a window already learned, ``windows_ago`` >= 1. False when it is out of reach."""
        ...

    def snapshot(self) -> State: ...

    def restore(self, state: State) -> None: ...


class Moments(NamedTuple):
    """What was seen of R series over D durations, and what was expected."""

    observed: Floats  # (R, D)
    expected: Floats  # (R, D) 0 where nothing is expected
    variance: Floats  # (R, D)
    ready: Bools  # (R,) enough history


@runtime_checkable
class Expects(Protocol):
    """A detector of counts whose expectations can be added up: those of neighbours are scanned for what they saw together."""

    def moments(self, window: Window, observed: Observed, rows: Ints, ahead: Sequence[tuple[Window, Observed]] = ()) -> Moments:
        """What ``score`` judges by; changes nothing."""
        ...


D = TypeVar("D", bound=type)
_registry: dict[str, type[Detector]] = {}
_families: dict[str, Callable[[], Mapping[str, type[Detector]]]] = {}


def register(cls: D) -> D:
    """Class decorator: makes a detector known by its ``name``. Names are unique."""
    name = cls.name  # type: ignore[attr-defined]
    assert name not in _registry, f"two detectors are called {name!r}"
    _registry[name] = cls
    return cls


def family(prefix: str, members: Callable[[], Mapping[str, type[Detector]]]) -> None:
    """Make detectors known whose names begin with ``prefix``; ``members`` is asked for them only when such a name comes up."""
    _families[prefix] = members


def registered() -> Mapping[str, type[Detector]]:
    """All detectors but families: the built-in ones and those that installed packages declare in the entry-point group ``tocsin.detectors``."""
    for point in entry_points(group="tocsin.detectors"):
        if point.name not in _registry:
            register(point.load())
    return dict(sorted(_registry.items()))


def families() -> tuple[str, ...]:
    """Prefixes of the names of detectors that are not imported until they are named."""
    return tuple(sorted(_families))


def known(*names: str) -> Mapping[str, type[Detector]]:
    """All detectors that ``names`` may mean: the registered ones, and the families that some name belongs to."""
    found = dict(registered())
    for prefix, members in _families.items():
        if any(name.startswith(prefix) for name in names):
            found |= members()
    return dict(sorted(found.items()))


def find(name: str) -> type[Detector]:
    """The detector called ``name``.

    Raises:
        ValueError: there is none; names those there are.
    """
    found = known(name)
    if name not in found:
        raise ValueError(f"{name!r} is not a detector; known are {', '.join((*found, *(f'{prefix}*' for prefix in families())))}")
    return found[name]


def params_of(cls: type[Detector], given: Mapping[str, float | str]) -> dict[str, Any]:
    """Defaults overlaid with ``given``; refuses a parameter the detector does not have, and a value that it cannot take.

    Raises:
        ValueError: names the detector, the parameter and the ones it knows.
    """
    unknown = sorted(set(given) - set(cls.defaults))
    if unknown:
        raise ValueError(f"detector {cls.name!r} has no parameter {unknown[0]!r}; it has {sorted(cls.defaults)}")
    choices: Mapping[str, tuple[str, ...]] = getattr(cls, "choices", {})  # names that a parameter may have
    limits: Mapping[str, tuple[float, float]] = getattr(cls, "limits", {})  # least and greatest number
    for name, value in given.items():
        low, high = limits.get(name, (-np.inf, np.inf))
        if name in choices and value not in choices[name]:
            raise ValueError(f"parameter {name!r} of detector {cls.name!r} is {value!r}; choose one of {', '.join(choices[name])}")
        if name not in choices and isinstance(value, str):
            raise ValueError(f"parameter {name!r} of detector {cls.name!r} is {value!r}; give a number")
        if not isinstance(value, str) and not low <= value <= high:
            raise ValueError(f"parameter {name!r} of detector {cls.name!r} is {value}; give a number from {low} to {high}")
    return {**cls.defaults, **given}


Make = Callable[[Setup], Detector]
