"""What past scores of a model say of a new one: a sketch of their distribution, and p-values from it.

Scores lie in bins of one width on a scale on which their tail is about exponential; old ones count less. Of n scores
seen, of which r stand in the bin of a new one or above it, p = (r + 1) / (n + 1): valid for whatever model made them,
if only new scores come from where the old ones came from (Vovk, Gammerman and Shafer 2005). At x beyond the largest, the 1 becomes the
chance that a record is broken by so much under an exponential law of which k scores above a high threshold are known. The spacings
of its ordered scores, each times its rank, are alike and independent (Renyi 1953); the k known ones sum to the excesses over the threshold,
the largest counted twice: T. So the chance is (1 + x / T)^-k, a generalised Pareto with shape 1 / k (Pickands 1975).
"""

from __future__ import annotations

import numpy as np

from detectors.base import Floats, Ints, State

P_MIN = 1e-12

_LOW, _STEP, _BINS = -8.0, 0.125, 384  # the least score told from lower ones, the width of a bin, how many: up to 40
_TAIL_PART = 0.05  # of the scores, and
_TAIL_MIN = 10.0  # at least so many, are the tail that is fitted
_POWER_MAX = 20.0  # a shape of at least 1 / 20: the tail is about exponential, not quite
_EXCESS_MIN = 0.25  # mean excess that is believed at least
_FAINT = 0.01  # less than this in a bin is as good as forgotten
_REAL = 0.5  # above the largest score there is less than half a one


class Sketch:
    """Distributions of past scores for U models."""

    def __init__(self, units: int) -> None:
        self._weights = np.zeros((units, _BINS), np.float32)
        self._tables = np.zeros((2, units, _BINS), np.float32)  # what scores of this block and the next are judged by

    def add(self, t: Floats, weight: Floats) -> None:
        """Take in scores (U,), each counting ``weight`` (U,); NaN are none."""
        units = np.flatnonzero(np.isfinite(t))
        self._weights[units, _bin(t[units])] += weight[units].astype(np.float32)

    def count(self, units: Ints, t: Floats) -> None:
        """Take in a score of each of ``units``, of which some may come more than once."""
        np.add.at(self._weights, (units, _bin(t)), np.float32(1.0))

    def end_block(self, discount: float) -> None:
        """Forget a little, and publish what the block after the next will be judged by."""
        self._weights *= np.float32(discount)
        self._tables[0] = self._tables[1]
        self._tables[1] = self._weights

    def clear(self, units: Ints) -> None:
        """Forget all scores of some models."""
        self._weights[units] = 0.0

    def number(self, which: int) -> Floats:
        """Scores (U,) that are known, discounted. ``which``: 0 in this block, 1 in the next."""
        return np.asarray(self._tables[which].sum(axis=1, dtype=np.float64))

    def p(self, which: int, t: Floats) -> Floats:
        """P(score >= t), elementwise for t (U,); 1 where t is NaN or nothing is known."""
        p = np.ones(len(t))
        units = np.flatnonzero(np.isfinite(t))
        if len(units):
            p[units] = _tail(self._tables[which, units].astype(np.float64), t[units])
        return p

    def p_of(self, which: int, units: Ints, t: Floats) -> Floats:
        """P(score >= t), elementwise for t (R,) of ``units``, of which some may come more than once."""
        return _tail(self._tables[which, units].astype(np.float64), t)

    def snapshot(self) -> State:
        return {"weights": self._weights.copy(), "tables": self._tables.copy()}

    def restore(self, state: State) -> None:
        """Go on from a snapshot."""
        self._weights, self._tables = np.array(state["weights"], np.float32), np.array(state["tables"], np.float32)


def _bin(t: Floats) -> Ints:
    return np.clip(np.floor((t - _LOW) / _STEP), 0, _BINS - 1).astype(np.int64)


def _tail(weights: Floats, t: Floats) -> Floats:
    """P(score >= t) for t (R,) by the weights (R, bins) of past scores.

    >>> seen = np.bincount(_bin(np.linspace(0.0, 5.0, 99)), minlength=_BINS)[None].astype(float)
    >>> _tail(seen.repeat(3, axis=0), np.array([0.0, 5.0, 6.0])).round(4).tolist()
    [1.0, 0.02, 0.0014]
    """
    above = weights[:, ::-1].cumsum(axis=1)[:, ::-1]
    total = above[:, 0]
    row = np.arange(len(t))
    top = np.maximum((above >= _REAL).sum(axis=1) - 1, 0)
    beyond = np.maximum(t - (_LOW + _STEP * (top + 1)), 0.0)
    wanted = np.minimum(np.maximum(_TAIL_PART * total, _TAIL_MIN), total)
    start = np.maximum((above >= wanted[:, None]).sum(axis=1) - 1, 0)
    number = np.maximum(above[row, start], 1e-9)
    known = (weights > _FAINT) & (np.arange(_BINS) < start[:, None])
    below = np.where(known.any(axis=1), _BINS - known[:, ::-1].argmax(axis=1), start)  # where scores come in steps, excesses do too
    reach = np.where(np.arange(_BINS) < start[:, None], 0.0, _STEP * (np.arange(_BINS) + 1 - below[:, None]))
    spacings = np.maximum((weights * reach).sum(axis=1) + reach[row, top], _EXCESS_MIN * number)
    power = np.minimum(number, _POWER_MAX)
    tail = np.exp(-power * np.log1p(beyond * number / (power * spacings)))
    p = np.clip((above[row, _bin(t)] + tail) / (total + 1.0), P_MIN, 1.0)
    return np.asarray(np.where(total >= 1.0, p, 1.0))
