"""Anomaly detectors of river as banks: any of them by name, its scores turned into p-values by what it said before.

``river.anomaly.X`` as ``count_detector`` or a signal's ``detector``. What a model is shown are deviations from what is usual at this
hour (``detectors.deviation``): river's models know no season. A detector of vectors gets one model an area, whose features are the
deviations of the area's signals, squeezed into [0, 1]; a detector of numbers ("supervised": its ``y``) one model a series.
An area's p-value is told of those of its series that deviate themselves, in the direction of their signal, by at least ``SPEAKS``
standard deviations; the others have p = 1. Only the window itself is judged; longer durations have p = 1.

Models are frozen for a block and learn what was not flagged; where river's drift detector says that a level has moved, an
area's models and scores begin anew. A score's p-value comes from a sketch of the model's own past scores (``detectors.sketch``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from detectors.base import Bools, Detector, Floats, Ints, Observed, Setup, State, Verdict, Window, family, params_of
from detectors.deviation import Deviations, Look
from detectors.drift import DRIFTS, Drift
from detectors.relearning import Relearning
from detectors.sketch import Sketch
from streams.model import DAY_S

if TYPE_CHECKING:
    from detectors.river_catalog import Offer

SPEAKS = 1.0
"""Standard deviations from the mean from which on a series may be what an area's verdict is about."""

_SQUEEZE = 3.0  # the deviation that is squeezed to a quarter of [0, 1] from the middle
_WARM_MIN, _WARM_BLOCKS = 48, 10  # items, and blocks' worth of them, that a model has learned before its scores count
_MOVED_MAX = 8.0  # a block's deviation counts no more for drift
_OWN: Mapping[str, float | str] = {
    "profile_blocks": 5.0,  # blocks learned before deviations are believed
    "rate_blocks": 28.0,  # a block's weight in the usual rate falls to 1/e in so many
    "memory_blocks": 28.0,  # a model knows the items of at least so many blocks, at most twice as many
    "scores_blocks": 200.0,  # a score's weight in the sketch falls to 1/e in so many
    "scores_min": 60.0,  # scores known before a series is ready
    "flag_p": 1e-3,  # below it an item counts as flagged: the model does not learn it
    "flag_weight": 0.1,  # what the score of a flagged window behind a flagged one counts in the sketch
    "drift": "ADWIN",
}
_OWN_LIMITS: Mapping[str, tuple[float, float]] = {
    "profile_blocks": (1, 1_000),
    "rate_blocks": (1, 10_000),
    "memory_blocks": (1, 1_000),
    "scores_blocks": (1, 100_000),
    "scores_min": (10, 100_000),
    "flag_p": (0.0, 0.1),
    "flag_weight": (0.0, 1.0),
}


class _Part(Protocol):
    def snapshot(self) -> State: ...

    def restore(self, state: State) -> None: ...


class RiverBank:
    """Bank for signals of kind count around one detector of river."""

    name: ClassVar[str]
    kind: ClassVar[str] = "count"
    defaults: ClassVar[Mapping[str, Any]]
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {"drift": DRIFTS}
    limits: ClassVar[Mapping[str, tuple[float, float]]]
    exempt: ClassVar[Mapping[str, str]] = {}
    offer: ClassVar[Offer]

    def __init__(self, setup: Setup) -> None:
        params = params_of(type(self), setup.params)
        self.block = max(1, DAY_S // setup.window_s)
        self._size, self._durations = len(setup.signal), len(setup.durations)
        self._every: Ints = np.arange(self._size)
        self._sign = np.array([{"up": 1.0, "down": -1.0, "both": 0.0}[setup.signals[s].direction] for s in setup.signal], float)
        self._unit = self._every if self.offer.supervised else _areas(setup)  # (S,) the model of a series
        self._units = int(self._unit.max(initial=-1)) + 1
        self._members = [np.flatnonzero(self._unit == u) for u in range(self._units)]
        self._names = [[setup.signals[s].name for s in setup.signal[rows]] for rows in self._members]
        self._flag_p, self._flag_weight = params["flag_p"], params["flag_weight"]
        self._scores_min, self._discount = params["scores_min"], float(np.exp(-1.0 / params["scores_blocks"]))
        own = {key: params[key] for key in self.offer.defaults}
        asked = max((own[key] for key in self.offer.warm), default=0.0)
        self._warm = int(asked) or max(_WARM_MIN, _WARM_BLOCKS * self.block)
        own |= {key: float(self._warm) for key in self.offer.warm if not own[key]}
        memory = max(int(params["memory_blocks"]), -(-2 * self._warm // self.block))
        self._deviations = Deviations(setup, memory_blocks=params["rate_blocks"], blocks_min=int(params["profile_blocks"]))
        self._models = Relearning(
            self._units, self._size, block=self.block, memory_blocks=memory, make=lambda: self.offer.make(own), learn=self._teach
        )
        self._sketch = Sketch(self._units)
        self._drift = Drift(params["drift"], self._units)
        self._parts: dict[str, _Part] = {
            "deviations": self._deviations,
            "models": self._models,
            "sketch": self._sketch,
            "drift": self._drift,
        }
        self._last, self._at = -1, -1  # window learned last, block that is learned now
        self._flagged = np.zeros(self._units, bool)  # in the window learned last
        self._moved = np.zeros((2, self._units))  # sums of deviations in this block, how many

    def score(self, window: Window, observed: Observed, rows: Ints | None = None, ahead: Sequence[tuple[Window, Observed]] = ()) -> Verdict:  # noqa: ARG002
        """Tail probabilities of ``window``. What is ``ahead`` of it was learned by no model that judges it."""
        rows = self._every if rows is None else rows
        which = self._which(window)
        look = self._deviations.look(which, window, observed)
        lean = np.where(self._sign == 0, np.abs(look.z), self._sign * look.z)
        speaks = lean[rows] >= SPEAKS
        units = np.unique(self._unit[rows[speaks]])
        p = np.ones((len(rows), self._durations))
        p[:, 0] = np.where(speaks, self._sketch.p(which, self._scores(which, look.z, units))[self._unit[rows]], 1.0)
        columns = np.zeros((4, len(rows), self._durations))
        columns[:, :, 0] = np.where(np.isfinite(look.z[rows]), _columns(observed, look)[:, rows], 0.0)
        ready = self._sketch.number(which)[self._unit[rows]] >= self._scores_min
        p[~ready] = 1.0
        return Verdict(rows, columns[0], columns[1], columns[2], columns[3], p, ready)

    def learn(self, window: Window, observed: Observed, p: Floats) -> None:
        """Take ``window`` in; at the end of a block the models learn it and what will be judged by them is published."""
        assert self._last < 0 or window.index == self._last + 1, f"window {window.index} does not follow {self._last}"
        self._at = window.index // self.block
        look = self._deviations.look(0, window, observed)
        known = np.isfinite(look.z)
        least = np.ones(self._units)
        np.minimum.at(least, self._unit, np.where(known, p, 1.0))
        flagged = least < self._flag_p
        t = self._scores(0, look.z, np.unique(self._unit[known]))
        self._sketch.add(t, np.where(flagged & self._flagged, self._flag_weight, 1.0))
        seen = np.bincount(self._unit, known, self._units)
        self._models.push(window.index, look.z, (seen > 0) & ~flagged)
        self._moved += np.stack((np.bincount(self._unit, np.where(known, look.z, 0.0), self._units), seen))
        self._deviations.learn(window, observed, look, flagged[self._unit])
        self._flagged = np.where(seen > 0, flagged, self._flagged)
        self._last = window.index
        if (window.index + 1) % self.block == 0:
            self._end_block()

    def amend(self, windows_ago: int, row: int, n: float) -> bool:  # noqa: ARG002
        """A late event does not change a window that was judged: there are no longer durations to put it into."""
        return False

    def snapshot(self) -> State:
        """Copies; of models what they have learned."""
        own = {"at": np.array([self._last, self._at]), "flagged": self._flagged.copy(), "moved": self._moved.copy()}
        return own | {f"{name}.{key}": value for name, part in self._parts.items() for key, value in part.snapshot().items()}

    def restore(self, state: State) -> None:
        """Go on from a snapshot of a bank with the same setup; the models learn again what they had learned."""
        self._last, self._at = (int(v) for v in state["at"])
        self._flagged, self._moved = np.array(state["flagged"], bool), np.array(state["moved"], float)
        for name, part in self._parts.items():
            part.restore({key.partition(".")[2]: value for key, value in state.items() if key.startswith(f"{name}.")})

    def _which(self, window: Window) -> int:
        return int(self._at >= 0 and window.index // self.block > self._at)

    def _scores(self, which: int, z: Floats, units: Ints) -> Floats:
        """Scores (U,) of some units, on their scale; NaN for others and where the model has not learned enough."""
        t = np.full(self._units, np.nan)
        for unit in units[self._models.learned(which)[units] >= self._warm].tolist():
            model = self._models.model(which, unit)
            score = (model if self.offer.pure else deepcopy(model)).score_one(*self._item(unit, z))
            t[unit] = self.offer.scale(float(score))
        return t

    def _teach(self, model: Any, unit: int, z: Floats) -> None:
        item = self._item(unit, z)
        if not self.offer.pure:
            model.score_one(*item)
        model.learn_one(*item)

    def _item(self, unit: int, z: Floats) -> tuple[Any, ...]:
        """What a model of river is shown; what is not known is usual."""
        if self.offer.supervised:
            return {}, float(z[unit])
        known = np.nan_to_num(z[self._members[unit]])
        return (dict(zip(self._names[unit], (0.5 + 0.5 * known / (np.abs(known) + _SQUEEZE)).tolist(), strict=True)),)

    def _end_block(self) -> None:
        total, number = self._moved
        away = total / np.sqrt(np.maximum(number, 1.0))
        moved: Bools = self._drift.update(np.clip(away, -_MOVED_MAX, _MOVED_MAX), number > 0)
        self._moved[:] = 0.0
        self._sketch.clear(np.flatnonzero(moved))
        self._deviations.end_block(moved[self._unit])
        self._models.end_block(moved)
        self._sketch.end_block(self._discount)
        self._at += 1


def _areas(setup: Setup) -> Ints:
    """The area (S,) of each series: rows of an area stand together, its signals ascending."""
    if not len(setup.signal):
        return np.zeros(0, np.int64)
    pool = np.zeros(len(setup.signal), np.int64) if setup.pool is None else setup.pool
    begins = (np.diff(setup.signal) <= 0) | (np.diff(pool) != 0)
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(begins)))


def _columns(observed: Observed, look: Look) -> Floats:
    """Seen, expected, lower and upper (4, S)."""
    root = np.sqrt(look.mean + 0.375)
    low, high = (np.maximum(np.maximum(root + side * look.scale, 0.0) ** 2 - 0.375, 0.0) for side in (-0.98, 0.98))
    return np.stack((observed.n, look.mean, np.minimum(low, look.mean), high))


def _members() -> Mapping[str, type[Detector]]:
    """A bank for each detector of river. Importing river takes a second: only who names one of its detectors waits for it."""
    from detectors.river_catalog import LIMITS, offers  # noqa: PLC0415

    for name, offer in offers().items():
        if name not in _banks:
            body = {
                "name": name,
                "offer": offer,
                "defaults": {**_OWN, **offer.defaults},
                "limits": {**_OWN_LIMITS, **LIMITS},
                "exempt": offer.exempt,
            }
            _banks[name] = type(name.rpartition(".")[2], (RiverBank,), body)
    return _banks


_banks: dict[str, type[Detector]] = {}
family("river.anomaly.", _members)
