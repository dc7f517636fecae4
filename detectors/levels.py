"""Levels that are measured: occupancy, crowds, water. A robust seasonal baseline per series, with heavy tails.

Every block (a day, or a window if windows are longer) leaves one row of cells, a sampled window for each hour of the
day; the last ``history_blocks`` rows are the whole memory. From them come, by medians: a centre for each hour on working
days and weekends, shrunk towards the series' own as far as the hours do not differ (empirical Bayes, Efron and Morris
1975); a scale from the median absolute deviation; and how much further either tail reaches than that. What is beyond
is judged by Student's t, and where such episodes begin more often than they should, by so much less. Readings of one
series hang together, so a mean over d windows is judged by the scale of a single window (as if it were one reading): it
can only be too careful. Medians forget a new level's strangeness once it fills half of the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple

import numpy as np
from scipy import special

from detectors.base import Bools, Floats, Ints, Observed, Setup, State, Verdict, Window, params_of, register
from detectors.running import Running
from streams.model import DAY_S

LIMIT_P = 1e-12
"""The p-value of a reading at or beyond a physical limit of its signal, from the first reading on."""
P_MIN = 1e-12
READING_MAX = 1e12
"""A reading beyond this in size is no reading: it is treated as missing."""

_Z_MAX = 32.0  # one reading counts no more than this in a mean over several
_Z_STEP = 1.0 / 1024  # means are summed in these steps, so that sums are exact in any order
_Z_LASTING = 1.0  # a longer duration speaks only while the newest reading itself is this far out,
_PART_LASTING = 0.5  # and at least this part of the mean
_Z_RISING = 0.5  # a rise speaks only when it ends this far out; what was made good below -1 does not count
_RISE_MIN = 48  # differences seen before a rise is judged
_RISE_MEMORY = 2000.0
_RISE_SCALE_MIN = 0.02
_MEDIAN_VAR = 1.57  # variance of a median of n normal values, times n
_MAD_TO_SD = 1.4826
_HOUR_PRIOR = 10.0  # cells' worth of the series' scale in that of an hour
_CONSTANT = 1e-6  # scatter below this part of the centre is none
_EPISODE_P = 1e-3  # windows beyond this tail are one episode while they last


class _Seen(NamedTuple):
    """One window against its prediction, (S,) each; NaN where missing or not ready."""

    value: Floats
    centre: Floats
    up: Floats  # scale above the centre
    down: Floats  # below it
    z: Floats
    prediction: Floats
    step: Floats  # (4, S) what the window adds to the running sums: 1, z, value, centre


@register
class Levels:
    """Bank for signals of kind level."""

    name: ClassVar[str] = "levels"
    kind: ClassVar[str] = "level"
    defaults: ClassVar[Mapping[str, float]] = {
        "history_blocks": 28.0,  # blocks remembered
        "blocks_min": 7.0,  # blocks' worth of cells before a series is ready
        "tail_df": 8.0,  # degrees of freedom of the tails
        "flag_p": 1e-3,  # below it a window is left out of the tails
        "accept_part": 0.25,  # unless so much of the memory is flagged: then it is believed
    }

    def __init__(self, setup: Setup) -> None:
        params = params_of(type(self), setup.params)
        self.block = max(1, DAY_S // setup.window_s)
        self._size = len(setup.signal)
        self._durations = np.array(setup.durations, np.int64)
        self._slots = min(24, self.block)
        self._rows = int(params["history_blocks"])
        self._cells_min = max(20.0, params["blocks_min"] * self._slots / 2)
        self._df, self._flag_p, self._accept_part = params["tail_df"], params["flag_p"], params["accept_part"]
        signals = [setup.signals[s] for s in setup.signal]
        self._sign = np.array([{"up": 1.0, "down": -1.0, "both": 0.0}[s.direction] for s in signals], float)
        self._low = np.array([-np.inf if s.limit_low is None else s.limit_low for s in signals], float)
        self._high = np.array([np.inf if s.limit_high is None else s.limit_high for s in signals], float)
        self._far = special.stdtrit(self._df, [1.0 - _EPISODE_P, 1.0 - _EPISODE_P / 2.0])
        self._keep = float(np.exp(-1.0 / self._rows))
        self._last, self._at = -1, -1  # window learned last, block that predictions[0] is for
        self._running = Running(setup.durations, 4, self._size)  # windows, z, values, centres
        self._cells = np.full((self._rows, self._slots, self._size), np.nan)
        self._flagged = np.zeros((self._rows, self._slots, self._size), bool)
        self._weekend = np.zeros((self._rows, self._slots), bool)
        self._rises = np.zeros((2, self._size))  # number, mean square of differences of z
        self._episodes = np.zeros((3, self._size))  # windows judged, episodes begun (both discounted), in one now
        self._z = np.full(self._size, np.nan)  # of the window learned last
        self._predictions = np.full((2, 6 * self._slots + 4, self._size), np.nan)  # of this block and the next
        self._predictions[:, -1] = 0.0

    def score(self, window: Window, observed: Observed, rows: Ints | None = None, ahead: Sequence[tuple[Window, Observed]] = ()) -> Verdict:
        """Tail probabilities of ``window`` and of the means over the longer durations that end with it."""
        chosen: slice | Ints = slice(None) if rows is None else rows
        chain, before = [self._running.now], self._z
        for earlier in ahead:
            seen = self._look(*earlier)
            chain.append(chain[-1] + seen.step)
            before = seen.z
        seen = self._look(window, observed)
        sums = self._running.over(chain, seen.step)[:, :, chosen]
        z = seen.z[chosen]
        number = np.maximum(sums[:, 0], 1.0)
        applies = np.isfinite(z) & (2 * sums[:, 0] >= self._durations[:, None])
        far = np.where(applies, sums[:, 1] / number, np.nan)
        far[0] = z
        p = self._tails(far, z, _rise(z, before[chosen]) / seen.prediction[-2, chosen], chosen)
        least, excess = seen.prediction[-4:-2, chosen]
        p = np.where(applies, np.clip(np.maximum(p * excess, least), P_MIN, 1.0), 1.0)
        value, centre = np.where(applies, sums[:, 2:].transpose(1, 0, 2) / number, 0.0)
        value[0], centre[0] = np.where(applies[0], seen.value[chosen], 0.0), np.where(applies[0], seen.centre[chosen], 0.0)
        reach = float(special.stdtrit(self._df, 0.975))
        lower = np.where(applies, centre - reach * seen.down[chosen], np.nan)
        upper = np.where(applies, centre + reach * seen.up[chosen], np.nan)
        ready = seen.prediction[-1, chosen] > 0
        crossed, reading, limit = self._limits(observed, chosen)
        p[0] = np.where(crossed, LIMIT_P, p[0])
        fresh = crossed & ~applies[0]
        value[0], centre[0] = np.where(crossed, reading, value[0]), np.where(fresh, limit, centre[0])
        lower[0], upper[0] = np.where(fresh, limit, lower[0]), np.where(fresh, limit, upper[0])
        at = np.arange(self._size) if rows is None else rows
        return Verdict(at, value.T.copy(), centre.T.copy(), lower.T.copy(), upper.T.copy(), p.T.copy(), ready | crossed)

    def learn(self, window: Window, observed: Observed, p: Floats) -> None:
        """Take ``window`` in; the last window of a block publishes what the block after the next will be judged by."""
        assert self._last < 0 or window.index == self._last + 1, f"window {window.index} does not follow {self._last}"
        self._at = block = window.index // self.block
        row = block % self._rows
        seen = self._look(window, observed)
        self._running.push(seen.step)
        self._learn_tails(seen.z)
        slot = window.hour * self._slots // 24
        inside = self.block // self._slots  # windows a cell stands for: the sampled one moves on by one every block
        position = window.index % inside
        cell = self._cells[row, slot]
        taken = np.isfinite(seen.value) & (np.isnan(cell) | (position <= block % inside))
        np.copyto(cell, seen.value, where=taken)
        np.copyto(self._flagged[row, slot], p < self._flag_p, where=taken)
        self._weekend[row, slot] = window.weekday >= 5
        self._z, self._last = seen.z, window.index
        if (window.index + 1) % self.block == 0:
            self._finish_block()

    def amend(self, windows_ago: int, row: int, n: float) -> bool:  # noqa: ARG002
        """A late reading does not change a level that was judged."""
        return False

    def snapshot(self) -> State:
        return {
            "at": np.array([self._last, self._at]),
            **self._running.snapshot(),
            "cells": self._cells.copy(),
            "flagged": self._flagged.copy(),
            "weekend": self._weekend.copy(),
            "rises": self._rises.copy(),
            "episodes": self._episodes.copy(),
            "z": self._z.copy(),
            "predictions": self._predictions.copy(),
        }

    def restore(self, state: State) -> None:
        self._last, self._at = (int(v) for v in state["at"])
        self._running.restore(state)
        self._cells, self._rises, self._episodes, self._z, self._predictions = (
            np.array(state[key], float) for key in ("cells", "rises", "episodes", "z", "predictions")
        )
        self._flagged, self._weekend = np.array(state["flagged"], bool), np.array(state["weekend"], bool)

    def _look(self, window: Window, observed: Observed) -> _Seen:
        prediction = self._predictions[int(self._at >= 0 and window.index // self.block > self._at)]
        mean = np.divide(observed.total, observed.n, out=np.full(self._size, np.nan), where=observed.n > 0)
        value = np.where(self._sign > 0, observed.most, np.where(self._sign < 0, observed.least, mean))
        value = np.where(observed.present & (np.abs(value) < READING_MAX), value, np.nan)
        slots = self._slots
        slot = window.hour * slots // 24 + (slots if window.weekday >= 5 else 0)
        centre, up, down = prediction[slot], prediction[2 * slots + slot], prediction[4 * slots + slot]
        away = value - centre
        z = away / np.where(away > 0, up, down)
        known = np.isfinite(z)
        coarse = np.rint(np.clip(z, -_Z_MAX, _Z_MAX) / _Z_STEP) * _Z_STEP
        kept = np.clip(value, centre - _Z_MAX * down, centre + _Z_MAX * up)
        step = np.where(known, np.stack((np.ones(self._size), coarse, kept, centre)), 0.0)
        return _Seen(value, centre, up, down, z, prediction, step)

    def _tails(self, far: Floats, z: Floats, rise: Floats, chosen: slice | Ints) -> Floats:
        """p (D, R) of deviations ``far`` (D, R); that of the first duration is the lesser of level's and rise's, doubled."""
        every = np.concatenate((far, rise[None]))
        both = self._sign[chosen] == 0
        sign = np.where(both, np.sign(every), self._sign[chosen])
        out = sign * every
        lasts = sign * z >= np.maximum(_Z_LASTING, _PART_LASTING * out)
        lasts[0], lasts[-1] = True, sign[-1] * z >= _Z_RISING
        out = np.where(lasts, out, 0.0)
        p = np.ones_like(out)
        notable = out > 0
        p[notable] = special.stdtr(self._df, -out[notable])
        p = np.minimum(1.0, np.where(both, 2.0, 1.0) * p)
        p[0] = np.minimum(1.0, 2.0 * np.minimum(p[0], p[-1]))
        return np.asarray(p[:-1])

    def _limits(self, observed: Observed, chosen: slice | Ints) -> tuple[Bools, Floats, Floats]:
        """Whether a reading of the window reached a limit, which reading and which limit."""
        above = observed.present & (observed.most >= self._high) & (observed.most < READING_MAX)
        below = observed.present & (observed.least <= self._low) & (observed.least > -READING_MAX)
        reading, limit = np.where(above, observed.most, observed.least), np.where(above, self._high, self._low)
        return (above | below)[chosen], reading[chosen], limit[chosen]

    def _learn_tails(self, z: Floats) -> None:
        out = np.where(self._sign == 0, np.abs(z), self._sign * z) > np.where(self._sign == 0, self._far[1], self._far[0])
        windows, begun, now = self._episodes
        windows += np.isfinite(z)
        begun += out & (now == 0)
        now[:] = np.where(np.isfinite(z), out, now)
        number, square = self._rises
        difference = z - self._z
        seen = np.isfinite(difference)
        number += seen
        bound = np.where(number > _RISE_MIN, 25.0 * square, np.inf)
        news = np.minimum(np.clip(difference, -_Z_MAX, _Z_MAX) ** 2, bound)
        square += np.where(seen, (news - square) / np.clip(number, 1.0, _RISE_MEMORY), 0.0)

    def _finish_block(self) -> None:
        self._predictions[0] = self._predictions[1]
        self._predictions[1] = self._publish()
        self._episodes[:2] *= self._keep
        self._at += 1
        row = self._at % self._rows
        self._cells[row], self._flagged[row] = np.nan, False

    def _publish(self) -> Floats:
        """Centres, scales up, scales down, each by kind of day and slot; least p, excess of episodes, scale of a rise, ready."""
        cells = self._cells.transpose(2, 1, 0).copy()
        flagged = self._flagged.transpose(2, 1, 0)
        number = np.isfinite(cells).sum(axis=(1, 2))
        believed = flagged.sum(axis=(1, 2)) > self._accept_part * np.maximum(number, 1)
        base = _baseline(cells, self._weekend.T, flagged & ~believed[:, None, None], self._df)
        rise = np.where(self._rises[0] >= _RISE_MIN, np.maximum(np.sqrt(self._rises[1]), _RISE_SCALE_MIN), np.nan)
        windows, begun, _ = self._episodes
        excess = np.maximum((1.0 + begun) / (1.0 + _EPISODE_P * windows), 1.0)
        ready = np.where(number >= self._cells_min, 1.0, np.nan)
        return np.concatenate((base, np.stack((excess, rise, ready)))) * ready


def _rise(z: Floats, before: Floats) -> Floats:
    """How far z went up or down, not counting the way back from the other side of the centre but for its last unit."""
    return z - np.where(z > before, np.maximum(before, -1.0), np.minimum(before, 1.0))


def _baseline(cells: Floats, weekend: Bools, flagged: Bools, df: float) -> Floats:
    """Centres, scales up and down, each on working days and weekends, and least p (6K + 1, S), from cells (S, K slots, H blocks)."""
    size = len(cells)
    flat = (size, -1)
    number = np.isfinite(cells).sum(axis=-1)
    kinds = [np.where(kind, cells, np.nan) for kind in (~weekend, weekend)]
    apart = np.where(weekend, *(_middle(kind)[:, :, None] for kind in kinds[::-1]))
    noise = _spread((cells - apart).reshape(flat))[:, None]
    overall, hourly = _middle(cells.reshape(flat))[:, None], _middle(cells)
    shift, doubt = _shrunk(hourly - overall, number, noise)
    usual = overall + shift
    centres, doubts = [], []
    for kind in kinds:
        moved, unsure = _shrunk(_middle(kind - usual[:, :, None]), np.isfinite(kind).sum(axis=-1), noise)
        centres.append(usual + moved)
        doubts.append(doubt + unsure)
    away = cells - np.where(weekend, centres[1][:, :, None], centres[0][:, :, None])
    spread = _spread(away.reshape(flat))[:, None]
    own = np.nan_to_num(_MAD_TO_SD * _middle(np.abs(away)))
    scale = (number * own + _HOUR_PRIOR * spread) / (number + _HOUR_PRIOR)
    floor = _CONSTANT * np.maximum(np.abs(overall), _CONSTANT)
    constant = spread <= floor
    scales = [np.maximum(np.sqrt(scale**2 + unsure), floor) for unsure in doubts]
    z = np.where(flagged, np.nan, away / np.where(weekend, scales[1][:, :, None], scales[0][:, :, None])).reshape(flat)
    sides = [np.where(constant, 1.0, _reach(side, df)[:, None]) for side in (z, -z)]
    changes = (np.abs(away) > floor[:, :, None]).sum(axis=(1, 2))
    least = np.where(constant[:, 0], (1.0 + changes) / (1.0 + number.sum(axis=1)), 0.0)
    return np.concatenate([table.T for table in (*centres, *(scale * side for side in sides for scale in scales))] + [least[None]])


def _shrunk(away: Floats, number: Ints, noise: Floats) -> tuple[Floats, Floats]:
    """Deviations (S, K) of medians of ``number`` values, shrunk as far as chance explains them, and the variance left."""
    known = number > 0
    chance = _MEDIAN_VAR * noise**2 / np.maximum(number, 1)
    excess = np.where(known, away**2 - chance, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    between = np.maximum(excess, 0.0)[:, None]
    weight = np.where(known & (between > 0), between / np.maximum(between + chance, 1e-300), 0.0)
    return np.where(known, weight * away, 0.0), between * (1.0 - weight)


def _spread(away: Floats) -> Floats:
    """Robust standard deviation (S,) of deviations (S, N): from the median, or the 95% point where that reaches further."""
    size = np.abs(away)
    return np.maximum(_MAD_TO_SD * _middle(size), _point(size, 0.95) / 2.306)


def _reach(z: Floats, df: float) -> Floats:
    """How many times further the upper tail of z (S, N) reaches than Student's t, at least 1."""
    factors = [_point(z, q) / float(special.stdtrit(df, q)) for q in (0.95, 0.99)]
    return np.fmax(1.0, np.fmax(*factors))


def _middle(x: Floats) -> Floats:
    """Median over the last axis; NaN are left out, and come back where there is nothing else."""
    return 0.5 * (_point(x, 0.5) - _point(-x, 0.5))


def _point(x: Floats, q: float) -> Floats:
    """The least value over the last axis that a part q of the values does not exceed; NaN are left out."""
    number = np.isfinite(x).sum(axis=-1)
    at = np.clip(np.ceil(q * number).astype(np.int64) - 1, 0, None)
    return np.take_along_axis(np.sort(x, axis=-1), at[..., None], axis=-1)[..., 0]
