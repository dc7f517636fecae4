"""Every registered detector keeps the contract, and each check catches the fault it is there for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

import detectors
from detectors import checks
from detectors.base import Floats, Ints, Observed, Setup, State, Verdict, Window
from detectors.checks import CHECKS, all_checks
from detectors.counts import Counts
from detectors.levels import Levels
from detectors.silence import Silence

RIVER = detectors.known("river.anomaly.")
SLOW = {f"river.anomaly.{name}" for name in ("LocalOutlierFactor", "OneClassSVM", "PredictiveAnomalyDetection")}  # half a minute each
CASES = [
    pytest.param(cls, check, id=f"{name}-{check.__name__}")
    for name, cls in RIVER.items()
    for check in all_checks(cls)
    if not (name in SLOW and check is checks.check_p_values)  # all of river's p-values come from one sketch
]


@pytest.mark.parametrize("cls,check", CASES)
def test_every_registered_detector_keeps_the_contract(cls, check):
    check(cls)


def test_the_built_in_detectors_and_those_of_river_are_among_them():
    assert {"counts", "levels", "silence"} <= set(detectors.registered())
    assert {"river.anomaly.HalfSpaceTrees", "river.anomaly.GaussianScorer"} <= {case.values[0].name for case in CASES}


class Overconfident(Levels):
    """Its p-values are far smaller than they should be."""

    def score(self, window: Window, observed: Observed, rows: Ints | None = None, ahead: Sequence[tuple[Window, Observed]] = ()) -> Verdict:
        verdict = super().score(window, observed, rows, ahead)
        return replace(verdict, p=np.maximum(verdict.p**3, 1e-30))


class Deaf(Levels):
    """Sees nothing, ever."""

    def score(self, window: Window, observed: Observed, rows: Ints | None = None, ahead: Sequence[tuple[Window, Observed]] = ()) -> Verdict:
        verdict = super().score(window, observed, rows, ahead)
        return replace(verdict, p=np.ones_like(verdict.p))


class OutOfRange(Levels):
    """A probability of zero."""

    def score(self, window: Window, observed: Observed, rows: Ints | None = None, ahead: Sequence[tuple[Window, Observed]] = ()) -> Verdict:
        verdict = super().score(window, observed, rows, ahead)
        return replace(verdict, p=verdict.p - verdict.p.min())


class Hoarder(Silence):
    """Keeps every window it ever learned, outside the snapshot."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.seen: list[float] = []

    def learn(self, window: Window, observed: Observed, p: Floats) -> None:
        self.seen.append(float(observed.n.sum()))
        super().learn(window, observed, p)


class GrowingSnapshot(Silence):
    """Its snapshot grows by a number a window."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.seen = np.zeros(0)

    def learn(self, window: Window, observed: Observed, p: Floats) -> None:
        self.seen = np.append(self.seen, observed.n.sum())
        super().learn(window, observed, p)

    def snapshot(self) -> State:
        return super().snapshot() | {"seen": self.seen}


class LiveSnapshot(Levels):
    """Hands out its own arrays."""

    def snapshot(self) -> State:
        return super().snapshot() | {"cells": self._cells}


class LiveRestore(Levels):
    """Goes on in the arrays it was given."""

    def restore(self, state: State) -> None:
        super().restore(state)
        self._cells = state["cells"]  # type: ignore[assignment]


class Forgetful(Levels):
    """Leaves something out of what it restores."""

    def restore(self, state: State) -> None:
        super().restore(state)
        self._z[:] = np.nan


class Impure(Levels):
    """Learns a little while it scores."""

    def score(self, window: Window, observed: Observed, rows: Ints | None = None, ahead: Sequence[tuple[Window, Observed]] = ()) -> Verdict:
        verdict = super().score(window, observed, rows, ahead)
        self._predictions[0, : self._slots] += 0.01
        return verdict


class Meddler(Silence):
    """Writes into what it was shown."""

    def learn(self, window: Window, observed: Observed, p: Floats) -> None:
        super().learn(window, observed, p)
        observed.n[:] = 0.0


class Peeking(Levels):
    """Its expectation leans on what the window itself shows."""

    def score(self, window: Window, observed: Observed, rows: Ints | None = None, ahead: Sequence[tuple[Window, Observed]] = ()) -> Verdict:
        verdict = super().score(window, observed, rows, ahead)
        return replace(verdict, expected=0.9 * verdict.expected + 0.1 * verdict.observed)


class Hasty(Levels):
    """Publishes at once what it learned, in the middle of a block."""

    def learn(self, window: Window, observed: Observed, p: Floats) -> None:
        super().learn(window, observed, p)
        self._predictions[0] = self._predictions[1] = self._publish()


class Gossip(Levels):
    """Banks tell each other the highest level they ever saw."""

    highest: ClassVar[list[float]] = [0.0]

    def score(self, window: Window, observed: Observed, rows: Ints | None = None, ahead: Sequence[tuple[Window, Observed]] = ()) -> Verdict:
        self.highest[0] = max(self.highest[0], float(np.nanmax(observed.most, initial=0.0)))
        verdict = super().score(window, observed, rows, ahead)
        return replace(verdict, upper=np.maximum(verdict.upper, self.highest[0]))


class DeafAhead(Silence):
    """Does not look at the windows before that are not learned yet."""

    def score(self, window: Window, observed: Observed, rows: Ints | None = None, ahead: Sequence[tuple[Window, Observed]] = ()) -> Verdict:
        return super().score(window, observed, rows)


class AllRows(Silence):
    """Gives all rows, whatever was asked for."""

    def score(self, window: Window, observed: Observed, rows: Ints | None = None, ahead: Sequence[tuple[Window, Observed]] = ()) -> Verdict:
        return super().score(window, observed, None, ahead)


class MissingIsZero(Silence):
    """Takes a window without data for one without readings."""

    def score(self, window: Window, observed: Observed, rows: Ints | None = None, ahead: Sequence[tuple[Window, Observed]] = ()) -> Verdict:
        return super().score(window, replace(observed, present=np.ones_like(observed.present)), rows, ahead)

    def learn(self, window: Window, observed: Observed, p: Floats) -> None:
        super().learn(window, replace(observed, present=np.ones_like(observed.present)), p)


class LearnsMissing(Levels):
    """Reads the fields of a window without data."""

    def learn(self, window: Window, observed: Observed, p: Floats) -> None:
        super().learn(window, replace(observed, present=np.ones_like(observed.present)), p)


class Nervous(Levels):
    """Finds a series without any scatter alarming."""

    def score(self, window: Window, observed: Observed, rows: Ints | None = None, ahead: Sequence[tuple[Window, Observed]] = ()) -> Verdict:
        verdict = super().score(window, observed, rows, ahead)
        return replace(verdict, p=np.where(verdict.upper - verdict.lower < 1e-3, 1e-6, verdict.p))


class Promises(Silence):
    """Says that it took late events, and does nothing."""

    def amend(self, windows_ago: int, row: int, n: float) -> bool:
        return windows_ago < 100


class Mingling(Silence):
    """All its series lean on one another."""

    def score(self, window: Window, observed: Observed, rows: Ints | None = None, ahead: Sequence[tuple[Window, Observed]] = ()) -> Verdict:
        verdict = super().score(window, observed, rows, ahead)
        return replace(verdict, expected=0.9 * verdict.expected + 0.1 * verdict.expected.mean())


class AnyParameter(Levels):
    """Takes every parameter it is given."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(replace(setup, params={}))


Gaussian = RIVER["river.anomaly.GaussianScorer"]


class RiverLiveSnapshot(Gaussian):
    """Hands out the scores that it goes on counting."""

    def snapshot(self) -> State:
        return super().snapshot() | {"sketch.weights": self._sketch._weights}


class RiverLiveRestore(Gaussian):
    """Goes on in the items it was given."""

    def restore(self, state: State) -> None:
        super().restore(state)
        self._models._items = state["models.items"]


class RiverLookAhead(Gaussian):
    """Its models learn a window before they score it."""

    def score(self, window: Window, observed: Observed, rows: Ints | None = None, ahead: Sequence[tuple[Window, Observed]] = ()) -> Verdict:
        look = self._deviations.look(0, window, observed)
        for unit in np.flatnonzero(np.isfinite(look.z)):
            self._teach(self._models.model(0, unit), unit, look.z)
        return super().score(window, observed, rows, ahead)


class RiverOneSketch(Gaussian):
    """Banks of one size count their scores together."""

    shared: ClassVar[dict[int, object]] = {}

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._sketch = self.shared.setdefault(self._units, self._sketch)


class RiverUntaught(Gaussian):
    """Restores all but what its models have learned."""

    def restore(self, state: State) -> None:
        super().restore({**state, "models.taken": np.zeros_like(state["models.taken"])})


class RiverUncalibrated(Gaussian):
    """Takes river's score for a probability."""

    def score(self, window: Window, observed: Observed, rows: Ints | None = None, ahead: Sequence[tuple[Window, Observed]] = ()) -> Verdict:
        verdict = super().score(window, observed, rows, ahead)
        which = self._which(window)
        t = self._scores(which, self._deviations.look(which, window, observed).z, np.arange(self._units))
        return replace(verdict, p=np.repeat(np.exp(-3.0 * np.nan_to_num(t))[verdict.rows, None], verdict.p.shape[1], axis=1))


class RiverSeesMissing(Gaussian):
    """Takes a window without data for one in which nothing happened."""

    def score(self, window: Window, observed: Observed, rows: Ints | None = None, ahead: Sequence[tuple[Window, Observed]] = ()) -> Verdict:
        return super().score(window, replace(observed, present=np.ones_like(observed.present)), rows, ahead)


class CountsLiveSnapshot(Counts):
    """Hands out the events of the block that is not over."""

    def snapshot(self) -> State:
        return super().snapshot() | {"events": self._events}


class CountsHasty(Counts):
    """Judges a window by the block it is in."""

    def learn(self, window: Window, observed: Observed, p: Floats) -> None:
        super().learn(window, observed, p)
        self._now = self._prediction(window.year)
        self._now["rate"] = self._now["rate"] + 0.1 * observed.n


PLANTED: list[tuple[type, Callable, str]] = [
    (Overconfident, checks.check_p_values, "on its null"),
    (Deaf, checks.check_event, "does not see an event"),
    (OutOfRange, checks.check_verdicts, "outside"),
    (Hoarder, checks.check_bounded_state, "grows"),
    (GrowingSnapshot, checks.check_bounded_state, "grows"),
    (LiveSnapshot, checks.check_snapshot_alone, "snapshot"),
    (LiveRestore, checks.check_snapshot_alone, "restored from"),
    (Forgetful, checks.check_restore, "restore"),
    (Impure, checks.check_score_pure, "score"),
    (Meddler, checks.check_score_pure, "writes into"),
    (Peeking, checks.check_score_before_learn, "what it shows"),
    (Hasty, checks.check_score_before_learn, "its own block"),
    (Gossip, checks.check_no_look_ahead, "look-ahead"),
    (DeafAhead, checks.check_ahead, "ahead"),
    (AllRows, checks.check_rows, "rows"),
    (MissingIsZero, checks.check_missing, "without data"),
    (LearnsMissing, checks.check_missing, "present is False"),
    (Nervous, checks.check_constant, "never changed"),
    (Promises, checks.check_amend, "late events"),
    (Mingling, checks.check_pools, "of another"),
    (AnyParameter, checks.check_params, "does not have"),
    (RiverLiveSnapshot, checks.check_snapshot_alone, "snapshot"),
    (RiverLiveRestore, checks.check_snapshot_alone, "restored from"),
    (RiverLookAhead, checks.check_score_pure, "differently the second time"),
    (RiverOneSketch, checks.check_no_look_ahead, "look-ahead"),
    (RiverUntaught, checks.check_restore, "after a restore"),
    (RiverUncalibrated, checks.check_p_values, "on its null"),
    (RiverSeesMissing, checks.check_missing, "without data|present is False"),
    (CountsLiveSnapshot, checks.check_snapshot_alone, "snapshot"),
    (CountsHasty, checks.check_score_before_learn, "its own block"),
]


@pytest.mark.parametrize("cls,check,words", PLANTED, ids=[f"{cls.__name__}-{check.__name__}" for cls, check, _ in PLANTED])
def test_a_planted_fault_is_caught_by_the_check_meant_for_it(cls, check, words):
    with pytest.raises(AssertionError, match=rf"(?s)detector '{cls.name}'.*{words}"):
        check(cls)


def test_every_check_has_a_fault_planted_for_it():
    assert {check for _, check, _ in PLANTED} == set(CHECKS)


def test_an_exemption_names_a_check_and_its_reason():
    class Excused(Levels):
        exempt: ClassVar[dict[str, str]] = {"check_amend": "levels are never amended"}

    class Unreasoned(Levels):
        exempt: ClassVar[dict[str, str]] = {"check_amend": ""}

    class Mistaken(Levels):
        exempt: ClassVar[dict[str, str]] = {"check_everything": "why not"}

    assert len(all_checks(Excused)) == len(CHECKS) - 1
    for cls in (Unreasoned, Mistaken):
        with pytest.raises(AssertionError, match="is exempt from"):
            all_checks(cls)
