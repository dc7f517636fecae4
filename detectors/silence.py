"""Feeds that fall silent: fewer readings than a camera, an area or a source is wont to send.

The number of readings in a window has a mean for each hour of the day, shrunk towards the series' own as far as the
hours do not differ, and a dispersion, which is far below a Poisson's for machines. Readings over the last d windows
have mean M and variance ``phi M + (drift M)^2``; the tail is that of the binomial, the Poisson or the negative binomial
with this mean and variance. To it comes the part of windows in which such episodes began earlier, and a little for
those not seen yet: so a feed that drops out every week says less each time. An episode counts once it is over, and
windows that were flagged are learned with little weight: a feed does not get used to being silent, until after
``accept_blocks`` it is believed to be gone, forgotten, and quiet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from scipy import special

from detectors.base import Bools, Floats, Ints, Observed, Setup, State, Verdict, Window, params_of, register
from detectors.running import Running
from streams.model import DAY_S

P_MIN = 1e-12

_ALIVE = 0.8  # at this part of its expectation in the newest window, a feed reports
_LOW_P = 1e-3  # a tail below it is an episode
_POISSON_PRIOR = 20.0  # windows' worth of belief in a Poisson's dispersion
_PHI_MIN = 0.01
_NEAR_POISSON = 1e-3
_RECOVERY = 4.0  # one good window takes back so many flagged ones


@register
class Silence:
    """Bank of kind silence. Zero readings are evidence; a series that never reported regularly says nothing."""

    name: ClassVar[str] = "silence"
    kind: ClassVar[str] = "silence"
    defaults: ClassVar[Mapping[str, float]] = {
        "memory_blocks": 28.0,  # a block's weight falls to 1/e in so many
        "blocks_min": 3.0,  # blocks learned before a series is ready
        "drift": 0.1,  # relative error of a rate that is still ordinary
        "flag_p": 0.01,  # below it a window counts as silent
        "flag_weight": 0.05,  # what such a window counts when learned
        "accept_blocks": 0.0,  # silent for so long, a feed is believed to be gone; 0: 7 days, at least 7 blocks
        "unseen_episodes": 1e-3,  # episodes reckoned with before any was seen, in the whole memory
    }

    def __init__(self, setup: Setup) -> None:
        params = params_of(type(self), setup.params)
        self.block = max(1, DAY_S // setup.window_s)
        self._size = len(setup.signal)
        self._durations = np.array(setup.durations, np.int64)
        self._slots = min(24, self.block)
        self._keep = float(np.exp(-1.0 / params["memory_blocks"]))
        self._windows_min = 0.9 * params["blocks_min"] * self.block
        self._drift, self._unseen = params["drift"], params["unseen_episodes"]
        self._flag_p, self._flag_weight = params["flag_p"], params["flag_weight"]
        self._accept = (params["accept_blocks"] or 7.0) * self.block
        self._last, self._at = -1, -1  # window learned last, block that predictions[0] is for
        self._running = Running(setup.durations, 3, self._size)  # windows, readings, expected readings
        self._moments = np.zeros((3, self._slots, self._size))  # weights, weighted readings, weighted squares
        self._begun = np.zeros(self._size, bool)  # has reported
        self._silent_for = np.zeros(self._size)  # windows, good ones taken off
        self._judged = np.zeros(self._size)  # windows, discounted
        self._episodes = np.zeros((len(setup.durations), self._size))  # over, discounted
        self._low = np.zeros((len(setup.durations), self._size), bool)  # in one now
        self._predictions = np.zeros((2, self._slots + 2 + len(setup.durations), self._size))  # of this block and the next

    def score(self, window: Window, observed: Observed, rows: Ints | None = None, ahead: Sequence[tuple[Window, Observed]] = ()) -> Verdict:
        """Probabilities of so few readings in ``window`` and over the longer durations that end with it."""
        chosen: slice | Ints = slice(None) if rows is None else rows
        chain = [self._running.now]
        for earlier in ahead:
            chain.append(chain[-1] + self._step(*earlier))
        prediction = self._prediction(window)
        step = self._step(window, observed)
        seen, mean, variance, applies = self._totals(chain, step, prediction, chosen)
        tail = _at_most(seen, mean, variance)
        part = prediction[self._slots + 2 :, chosen]
        speaks = applies & (step[1] < _ALIVE * step[2])[chosen]
        p = np.where(speaks & (tail < 1.0), np.clip(tail + part, P_MIN, 1.0), 1.0)
        reach = 1.96 * np.sqrt(variance)
        lower = np.where(applies, np.maximum(mean - reach, 0.0), np.nan)
        upper = np.where(applies, mean + reach, np.nan)
        at = np.arange(self._size) if rows is None else rows
        ready = prediction[self._slots + 1, chosen] > 0
        return Verdict(at, seen.T.copy(), mean.T.copy(), lower.T.copy(), upper.T.copy(), p.T.copy(), ready)

    def learn(self, window: Window, observed: Observed, p: Floats) -> None:
        """Take ``window`` in; the last window of a block publishes what the block after the next will be judged by."""
        assert self._last < 0 or window.index == self._last + 1, f"window {window.index} does not follow {self._last}"
        self._at = window.index // self.block
        step = self._step(window, observed)
        prediction = self._prediction(window)
        seen, mean, variance, applies = self._totals([self._running.now], step, prediction, slice(None))
        judged = step[0] > 0
        low = np.where(observed.present, applies & (_at_most(seen, mean, variance) < _LOW_P), self._low)
        self._episodes += self._low & ~low & judged
        self._low = low
        self._judged += step[0]
        self._running.push(step)
        self._learn_rate(window, observed, judged & (p < self._flag_p))
        self._last = window.index
        if (window.index + 1) % self.block == 0:
            self._finish_block()

    def amend(self, windows_ago: int, row: int, n: float) -> bool:
        """Add late readings to the durations that still reach back to them; rates are left as they were learned."""
        return self._running.amend(windows_ago, row, 1, n)

    def snapshot(self) -> State:
        return {
            "at": np.array([self._last, self._at]),
            **self._running.snapshot(),
            "moments": self._moments.copy(),
            "begun": self._begun.copy(),
            "silent_for": self._silent_for.copy(),
            "judged": self._judged.copy(),
            "episodes": self._episodes.copy(),
            "low": self._low.copy(),
            "predictions": self._predictions.copy(),
        }

    def restore(self, state: State) -> None:
        self._last, self._at = (int(v) for v in state["at"])
        self._running.restore(state)
        self._moments, self._silent_for, self._judged, self._episodes, self._predictions = (
            np.array(state[key], float) for key in ("moments", "silent_for", "judged", "episodes", "predictions")
        )
        self._begun, self._low = np.array(state["begun"], bool), np.array(state["low"], bool)

    def _prediction(self, window: Window) -> Floats:
        return np.asarray(self._predictions[int(self._at >= 0 and window.index // self.block > self._at)])

    def _step(self, window: Window, observed: Observed) -> Floats:
        """What a window adds to the running sums (3, S): nothing for series that are not ready or not known."""
        prediction = self._prediction(window)
        judged = observed.present & (prediction[self._slots + 1] > 0)
        mean = prediction[window.hour * self._slots // 24]
        return np.asarray(np.where(judged, np.stack((np.ones(self._size), observed.n, mean)), 0.0))

    def _totals(self, chain: list[Floats], step: Floats, prediction: Floats, chosen: slice | Ints) -> tuple[Floats, Floats, Floats, Bools]:
        """Seen, mean, variance (D, R) over each duration that ends with ``step``, and where there is enough to go by."""
        sums = self._running.over(chain, step)[:, :, chosen]
        applies = (step[0, chosen] > 0) & (2 * sums[:, 0] >= self._durations[:, None])
        seen, mean = (np.where(applies, np.maximum(sums[:, i], 0.0), 0.0) for i in (1, 2))
        return seen, mean, prediction[self._slots, chosen] * mean + (self._drift * mean) ** 2, applies

    def _learn_rate(self, window: Window, observed: Observed, silent: Bools) -> None:
        self._begun |= observed.present & (observed.n > 0)
        self._silent_for = np.where(silent, self._silent_for + 1.0, np.maximum(self._silent_for - _RECOVERY * observed.present, 0.0))
        weight = np.where(observed.present & self._begun, np.where(silent, self._flag_weight, 1.0), 0.0)
        n = np.where(weight > 0, observed.n, 0.0)
        self._moments[:, window.hour * self._slots // 24] += weight * np.stack((np.ones(self._size), n, n * n))
        gone = self._silent_for >= self._accept
        if gone.any():
            for array in (self._moments, self._judged, self._episodes, self._silent_for, self._begun, self._low):
                array[..., gone] = 0

    def _finish_block(self) -> None:
        self._predictions[0] = self._predictions[1]
        self._predictions[1] = self._publish()
        self._moments *= self._keep
        self._judged *= self._keep
        self._episodes *= self._keep
        self._at += 1

    def _publish(self) -> Floats:
        """Mean readings of a window by slot, dispersion, ready, part of windows in which an episode begins by duration."""
        weight, total, square = self._moments
        hourly = total / np.maximum(weight, 1e-12)
        windows = weight.sum(axis=0)
        mean = total.sum(axis=0) / np.maximum(windows, 1e-12)
        scatter = np.maximum(square - hourly * total, 0.0).sum(axis=0)
        phi = (scatter + _POISSON_PRIOR * mean) / np.maximum(total.sum(axis=0) + _POISSON_PRIOR * mean, 1e-12)
        phi = np.maximum(phi, _PHI_MIN)
        chance = phi * mean / np.maximum(weight, 1e-12)
        between = np.where(weight > 0, (hourly - mean) ** 2 - chance, 0.0).sum(axis=0) / np.maximum((weight > 0).sum(axis=0), 1)
        own = np.where((weight > 0) & (between > 0), between / np.maximum(between + chance, 1e-300), 0.0)
        ready = (windows >= self._windows_min) & (mean > 0)
        begin = (self._unseen / self._durations[:, None] + self._episodes) / (1.0 + self._judged)
        return np.where(ready, np.concatenate((mean + own * (hourly - mean), phi[None], ready[None], begin)), 0.0)


def _at_most(seen: Floats, mean: Floats, variance: Floats) -> Floats:
    """P(Y <= seen) where seen is well below the mean, else 1; elementwise. Binomial, Poisson-like or negative binomial by dispersion.

    >>> _at_most(np.array([0.0, 0.0, 9.0]), np.array([4.0, 4.0, 4.0]), np.array([4.0, 1.0, 4.0])).round(4).tolist()
    [0.0184, 0.0006, 1.0]
    """
    p = np.ones_like(mean)
    few = seen < _ALIVE * mean
    n, m = seen[few], mean[few]
    phi = variance[few] / m
    phi = np.where(np.abs(phi - 1.0) < _NEAR_POISSON, 1.0 + _NEAR_POISSON, phi)
    size = m / np.abs(phi - 1.0)
    under = phi < 1.0
    left = np.where(under, size - n, size)
    tail = special.betainc(np.maximum(left, 1e-12), n + 1.0, np.where(under, phi, 1.0 / phi))
    p[few] = np.where(left > 0, tail, 1.0)
    return p
