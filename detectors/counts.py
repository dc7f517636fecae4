"""Counts that arrive in windows: a bank of discounted gamma-Poisson models.

The mean of a window is ``rate x profile``. The *rate* of a block (a day, or a window if windows are longer) follows a
dynamic generalised linear model per series: log rate = level + slope + one yearly harmonic, updated by the conjugate
gamma-Poisson step with linear Bayes for the state vector and discounts for forgetting (West, Harrison and Migon 1985).
The *profile* (hour of the day on working days and weekends, day of the week) is pooled over the shard's series of a
signal and shrunk towards that of all signals. Counts over the last d windows have mean M, the sum of the windows'
predictions, and variance ``phi M + q M^2``: q is the variance of the log rate, phi the dispersion of that duration,
shrunk towards the pool's. A block that a duration flagged is learned clipped and with less weight, for a bounded time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from detectors.base import Floats, Ints, Moments, Observed, Setup, State, Verdict, Window, params_of, register
from detectors.clipped import Clip
from detectors.drift import DRIFTS, Drift
from detectors.onset import Onset, gain
from detectors.profile import Profile
from detectors.rate import Rate
from detectors.rings import Rings
from detectors.tails import interval, lower_mid_p, upper_mid_p
from streams.model import DAY_S

CLIP_SD = 3.0
"""Standard deviations above the mean up to which a flagged window shapes the profile."""
MOVED_MAX = 8.0
"""A block's deviation, in standard deviations, counts no more for drift."""
YEAR_S = 365.25 * DAY_S


@register
class Counts:
    """Bank for signals of kind count."""

    name: ClassVar[str] = "counts"
    kind: ClassVar[str] = "count"
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {"drift": DRIFTS}
    limits: ClassVar[Mapping[str, tuple[float, float]]] = {
        **dict.fromkeys(("level_discount", "dispersion_discount"), (0.0, 1.0)),
        **dict.fromkeys(("drift_discount", "profile_discount"), (0.5, 1.0)),
        **dict.fromkeys(
            ("profile_weight", "dispersion_weight", "dispersion_blocks", "clip_sd", "clip_events", "outbreak_events"), (0.0, 1e6)
        ),
        **dict.fromkeys(("onset_events", "onset_sd"), (0.1, 100.0)),
        **dict.fromkeys(("flag_p", "flag_weight"), (0.0, 1.0)),
        **dict.fromkeys(("accept_blocks", "blocks_min"), (0.0, 1e4)),
    }
    defaults: ClassVar[Mapping[str, Any]] = {
        "level_discount": 0.0,  # a block; 0: .99 for blocks up to a day, .998 for longer ones
        "drift_discount": 0.9995,  # slope and season
        "profile_discount": 0.99,  # a block
        "profile_weight": 200.0,  # events a signal's own profile must have seen to count as much as the pool's
        "dispersion_weight": 0.0,  # windows' worth of evidence the pool's dispersion counts for; 0: 3 for windows up to a day, 10 for longer ones
        "dispersion_discount": 0.0,  # a window of that duration; 0: .99 for windows up to a day, .998 for longer ones
        "dispersion_blocks": 4.0,  # blocks learned before dispersion is
        "onset_events": 3.0,  # an outbreak worth telling adds so many events a day
        "onset_sd": 3.0,  # ... and so many standard deviations of a day's count
        "clip_sd": 4.0,  # deviations are cut so many standard deviations above the mean
        "clip_events": 5.0,  # ... and so many events
        "outbreak_events": 5.0,  # off the mark over about a day, and surprising: an outbreak, and no dispersion
        "flag_p": 1e-3,  # below it a block counts as flagged
        "flag_weight": 0.1,  # what a flagged block counts when learned
        "accept_blocks": 0.0,  # flagged blocks in a row after which the new level is believed; 0: 21 days, or 8 blocks
        "drift": "none",  # river's drift detector that has a new level believed at once; its cost stands in detectors/drift.py
        "blocks_min": 0.0,  # blocks learned before a series is ready; 0: 14 days, or 26 blocks
    }

    def __init__(self, setup: Setup) -> None:
        params = params_of(type(self), setup.params)
        self.block = max(1, DAY_S // setup.window_s)
        daily = setup.window_s <= DAY_S
        self._setup = setup
        self._flag_p = params["flag_p"]
        self._dispersion_blocks = params["dispersion_blocks"]
        self._young = -(-setup.durations[-1] // self.block) + 2  # blocks in which longer durations hold what was expected of a stranger
        self._blocks_min = int(params["blocks_min"] or (14 if daily else 26))
        self._size = len(setup.signal)
        self._every = np.arange(self._size)
        self._up = np.array([setup.signals[s].direction == "up" for s in setup.signal], bool)
        self._down = np.array([setup.signals[s].direction == "down" for s in setup.signal], bool)
        pool = np.zeros(self._size, np.int64) if setup.pool is None else setup.pool
        kind = pool * len(setup.signals) + setup.signal
        self._profile = Profile(setup, kind, params["profile_discount"], params["profile_weight"])
        self._rate = Rate(
            pool=kind * 8 + setup.depth,
            level_discount=params["level_discount"] or (0.99 if daily else 0.998),
            drift_discount=params["drift_discount"],
            flag_weight=params["flag_weight"],
            accept_blocks=int(params["accept_blocks"] or (21 if daily else 8)),
        )
        self._rings = Rings(
            pool,
            kind * 8 + setup.depth,
            setup.durations,
            self.block,
            params["dispersion_weight"] or (3.0 if daily else 10.0),
            params["dispersion_discount"] or (0.99 if daily else 0.998),
            Clip(params["clip_sd"], params["clip_events"]),
            params["outbreak_events"],
        )
        self._onset = Onset(self._size, DAY_S / setup.window_s)
        self._daily = daily
        self._onset_events, self._onset_sd = params["onset_events"], params["onset_sd"]
        self._drift = Drift(params["drift"], self._size)
        self._day = max(i for i, d in enumerate(setup.durations) if i == 0 or d * setup.window_s <= DAY_S)  # the longest of a day or less
        self._at = -1  # block that self._now predicts
        self._last = -1  # window learned last
        self._seen = np.zeros(self._size, np.int32)  # blocks learned
        self._events = np.zeros(self._size)  # of the block so far
        self._exposure = np.zeros(self._size, np.float32)
        self._flagged = np.zeros(self._size, bool)  # a window of this block was
        self._flagged_before = np.zeros(self._size, bool)  # one of the block before was
        self._now = self._prediction(0.0)
        self._next = self._prediction(0.0)

    def score(self, window: Window, observed: Observed, rows: Ints | None = None, ahead: Sequence[tuple[Window, Observed]] = ()) -> Verdict:
        """Tail probabilities of ``window`` and of the longer durations that end with it."""
        rows = self._every if rows is None else rows
        seen, expected, variance, ready = self.moments(window, observed, rows, ahead)
        p = self._tails(rows, seen, expected, variance)
        p = np.where((expected > 0) & observed.present[rows, None], p, 1.0)
        lower, upper = interval(expected, variance)
        onset = self._onset_p(window, observed, rows, ahead) if self._daily else None
        return Verdict(rows, seen, expected, lower, upper, p, ready, self._for(window)["new_level"][rows], onset)

    def moments(self, window: Window, observed: Observed, rows: Ints, ahead: Sequence[tuple[Window, Observed]] = ()) -> Moments:
        """Counts of ``window`` and of the longer durations that end with it, their means and variances."""
        prediction = self._for(window)
        seen, expected = self._rings.sums([(w.index, o.n[rows], self._mean(w, rows, o)) for w, o in ahead], rows)
        seen += np.where(observed.present[rows], observed.n[rows], 0.0)[:, None]
        expected += self._mean(window, rows, observed)[:, None]
        seen = np.maximum(seen, 0.0)
        spread = np.repeat(prediction["q_past"][rows, None], expected.shape[1], axis=1)
        spread[:, 0] = prediction["q"][rows]
        variance = prediction["phi"][rows] * expected + spread * expected * expected
        return Moments(seen, expected, variance, prediction["ready"][rows])

    def learn(self, window: Window, observed: Observed, p: Floats) -> None:
        """Take ``window`` in; at the end of a block the rates move on and a new prediction is published."""
        assert self._last < 0 or window.index == self._last + 1, f"window {window.index} does not follow {self._last}"
        block = window.index // self.block
        if self._at < 0:
            self._at = block
        while self._at < block:
            self._finish_block(window.year)
        n = np.where(observed.present, observed.n, 0.0)
        mean = self._mean(window, self._every, observed)
        flagged = (p < self._flag_p) & self._now["ready"]  # while it warms up a bank believes what it sees
        self._flagged |= flagged
        doubtful = self._flagged | self._flagged_before
        predicted = np.where(mean > 0, n, 0.0)  # what nobody expected anything of cannot surprise later
        self._rings.push(
            window.index, predicted, mean, self._now["q"], self._now["phi"], learn=self._seen >= self._dispersion_blocks, flagged=doubtful
        )
        if self._daily:
            self._onset.push(predicted, mean, *self._added(self._now, self._every), ready=self._now["ready"])
        weight = self._profile.weights(self._now["profile"], window, self._every)
        self._events += n
        self._exposure += np.where(observed.present, weight / self.block, 0.0).astype(np.float32)
        usual = np.minimum(n, mean + 1.0 + CLIP_SD * np.sqrt(mean * (2.0 + self._now["q"] * mean)))
        self._profile.add(window, np.where(flagged, usual, n), observed.present)
        self._last = window.index
        if (window.index + 1) % self.block == 0:
            self._finish_block(window.year)

    def amend(self, windows_ago: int, row: int, n: float) -> bool:
        """Late events are added to the durations that still reach back to them."""
        before, mean = self._rings.at(windows_ago, row)
        reached = self._rings.amend(windows_ago, row, n)
        if reached and self._daily and mean > 0:
            either = np.maximum(np.array([before, before + n]), 0.0)
            each = gain(either, np.full(2, mean), *self._added(self._now, np.array([row, row])))
            self._onset.amend(windows_ago, row, float(each[1] - each[0]))
        return reached

    def snapshot(self) -> State:
        """Copies of all arrays; the scalars as arrays of one."""
        own = {
            "at": np.array([self._at, self._last]),
            "seen": self._seen.copy(),
            "events": self._events.copy(),
            "exposure": self._exposure.copy(),
            "flagged": self._flagged.copy(),
            "flagged_before": self._flagged_before.copy(),
            "onset": self._onset.s.copy(),
        }
        parts: dict[str, State] = {
            "now": self._now,
            "next": self._next,
            "rate": self._rate.snapshot(),
            "profile": self._profile.snapshot(),
            "rings": self._rings.snapshot(),
            "drift": self._drift.snapshot(),
        }
        return own | {f"{part}.{key}": value.copy() for part, state in parts.items() for key, value in state.items()}

    def restore(self, state: State) -> None:
        """Go on from a snapshot of a bank with the same setup."""
        parts: dict[str, State] = {"now": {}, "next": {}, "rate": {}, "profile": {}, "rings": {}, "drift": {}}
        for key, value in state.items():
            part, dot, name = key.partition(".")
            if dot:
                parts[part][name] = np.array(value)
        self._at, self._last = (int(v) for v in state["at"])
        self._seen, self._events = np.array(state["seen"], np.int32), np.array(state["events"], float)
        self._exposure = np.array(state["exposure"], np.float32)
        self._flagged, self._flagged_before = (np.array(state[k], bool) for k in ("flagged", "flagged_before"))
        self._onset.s = np.array(state["onset"], np.float32)
        self._now, self._next = parts["now"], parts["next"]
        self._rate.restore(parts["rate"])
        self._profile.restore(parts["profile"])
        self._rings.restore(parts["rings"])
        self._drift.restore(parts["drift"])

    def _for(self, window: Window) -> State:
        return self._now if self._at < 0 or window.index // self.block <= self._at else self._next

    def _mean(self, window: Window, rows: Ints, observed: Observed) -> Floats:
        prediction = self._for(window)
        weight = self._profile.weights(prediction["profile"], window, rows)
        return np.asarray(np.where(observed.present[rows], prediction["rate"][rows] * weight / self.block, 0.0))

    def _onset_p(self, window: Window, observed: Observed, rows: Ints, ahead: Sequence[tuple[Window, Observed]]) -> Floats:
        """(R,) NaN for series that alarm at less as well: what began is looked for upwards."""
        s = self._onset.s[rows].astype(float)
        for at, seen in (*ahead, (window, observed)):
            mean = self._mean(at, rows, seen)
            s = self._onset.after(s, np.where(mean > 0, seen.n[rows], 0.0), mean, *self._added(self._for(at), rows))
            s = np.where(self._for(at)["ready"][rows], s, 0.0)
        phi = self._for(window)["phi"][rows]
        p = np.where(observed.present[rows], self._onset.p_value(s, phi[:, 0] / phi[:, self._day]), 1.0)
        return np.asarray(np.where(self._up[rows], p, np.nan))

    def _added(self, prediction: State, rows: Ints) -> tuple[Floats, Floats]:
        """What an outbreak worth telling adds to a window, and the dispersion of one, with what is not known of a day's mean."""
        day = prediction["rate"][rows] * min(1.0, DAY_S / (self.block * self._setup.window_s))
        phi = prediction["phi"][rows, 0] + prediction["q"][rows] * day
        added = (self._onset_events + self._onset_sd * np.sqrt(day * phi)) * self._setup.window_s / DAY_S
        return added, phi

    def _tails(self, rows: Ints, seen: Floats, mean: Floats, variance: Floats) -> Floats:
        up, down = self._up[rows], self._down[rows]
        if up.all():
            return upper_mid_p(seen, mean, variance)
        above, below = upper_mid_p(seen, mean, variance), lower_mid_p(seen, mean, variance)
        both = np.minimum(1.0, 2.0 * np.minimum(above, below))
        return np.asarray(np.where(up[:, None], above, np.where(down[:, None], below, both)))

    def _finish_block(self, year: float) -> None:
        learned = self._exposure > 0
        expected = self._now["rate"] * self._exposure
        spread = np.sqrt(self._now["phi"][:, self._day] * expected + self._now["q"] * expected * expected)
        away = np.clip((self._events - expected) / np.maximum(spread, 1e-9), -MOVED_MAX, MOVED_MAX)
        self._rate.believe(self._drift.update(away, learned & (expected > 0)))
        self._rate.update(self._events, self._exposure.astype(float), self._now["phi"][:, 0].astype(float), year, self._flagged)
        self._profile.end_block()
        self._seen += learned
        self._flagged_before = self._flagged
        self._events, self._exposure, self._flagged = np.zeros(self._size), np.zeros(self._size, np.float32), np.zeros(self._size, bool)
        self._now = self._next
        self._next = self._prediction(year)
        self._at += 1

    def _prediction(self, year: float) -> State:
        """What will be used two blocks on, frozen. ``year``: part of the year that has passed at the end of the last one learned."""
        ready = self._seen >= self._blocks_min
        rate, q = self._rate.predict(year + 2 * self.block * self._setup.window_s / YEAR_S, blocks_on=2)
        return {
            "rate": rate,
            "q": q.astype(np.float32),
            "q_past": np.where(self._seen < self._young, np.maximum(self._rate.first_q, q), q).astype(np.float32),
            "phi": self._rings.phi(rate / self.block).astype(np.float32),
            "ready": ready | self._rate.pooled(ready),
            "new_level": self._rate.believed(),
            "profile": self._profile.table(),
        }
