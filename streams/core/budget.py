"""The alert budget: from "about N false alerts a day for the whole city" to the raise threshold of one series.

The start is Bonferroni's: S series, each allowed budget / S alerts a day, so a recurrence interval of S days / budget.
That is too strict where counts are sparse and discrete and where incidents fold many series into one, and not strict
enough where reports come in bursts that no calibration knows yet. So a slow controller moves it, once a day of event
time, with what it has seen until then and nothing else:

    rate      <- average over about two weeks of the notifications of a day, each day at most three budgets or two notifications
    threshold <- threshold * exp(eta * (min(rate / budget, 3) - 1))

A storm must not raise the bar for the next one: hence the cap on a day. The bar falls more slowly than it rises, since
a quiet month says less about the next one than a noisy one.
"""

from __future__ import annotations

import math

from msgspec import Struct

from streams.model import DAY_S
from streams.settings import City

ETA_UP, ETA_DOWN = 0.08, 0.02
MEMORY_DAYS = 14.0
"""With ``ETA_UP`` it makes a second-order loop with a damping of 0.5: a factor of ten takes about a month."""
WINSOR, WINSOR_MIN = 3.0, 2.0
"""Most that a day counts: in budgets, or in notifications where that is more. One incident that gets worse once is two."""
SPAN = 1000.0
DAYS_AHEAD_MAX = 366


class Budget(Struct):
    """State of the controller; one part of decide's snapshot. Times are event times."""

    per_day: float
    start_s: float
    floor_s: float
    history_s: int
    threshold_s: float  # raise threshold: recurrence interval of a single series
    rate: float  # notifications a day, averaged
    controlled: bool = True
    day_s: int = DAY_S  # what counts as a day: a window, where windows are longer
    since_s: int = -1  # end of the first window; nothing can be found in the first history_s
    day: int = -1
    told: int = 0  # notifications of this day

    @classmethod
    def of(cls, city: City) -> Budget:
        """The controller at its start.

        The threshold is never below ``finding_floor_s / clear_ratio``: findings do not reach lower, and the clear
        threshold must be seen from both sides.

        Raises:
            ValueError: names the setting that makes no threshold.
        """
        per_day, ratio = city.lifecycle.false_alerts_per_day, city.lifecycle.clear_ratio
        if not 0 < per_day < math.inf:
            raise ValueError(f"lifecycle.false_alerts_per_day is {per_day:g}; a budget is greater than 0, 2 for a start")
        if not 0 < ratio <= 1:
            raise ValueError(
                f"lifecycle.clear_ratio is {ratio:g}; it lies above 0 and is at most 1, so that raising and clearing do not overlap"
            )
        start_s = len(city.areas) * len(city.signals) * DAY_S / per_day
        floor_s = city.detection.finding_floor_s / ratio
        return cls(
            per_day,
            start_s,
            floor_s,
            city.detection.history_s,
            max(start_s, floor_s),
            per_day,
            city.lifecycle.budget_control,
            max(DAY_S, city.detection.window_s),
        )

    def adopt(self, city: City) -> None:
        """Go on with another configuration, keeping what was learned relative to the start."""
        fresh = Budget.of(city)
        scale = fresh.start_s / self.start_s
        self.day, self.day_s = self.day * self.day_s // fresh.day_s if self.day >= 0 else -1, fresh.day_s
        self.per_day, self.start_s, self.floor_s, self.history_s = fresh.per_day, fresh.start_s, fresh.floor_s, fresh.history_s
        self.controlled = fresh.controlled
        self.threshold_s = self._bounded(self.threshold_s * scale) if fresh.controlled else fresh.threshold_s

    def window(self, end_s: int) -> None:
        """A window is taken up. The first one of a new day ends the day before; days without any window count for nothing."""
        day = (end_s - 1) // self.day_s
        if self.since_s < 0:
            self.since_s, self.day = end_s, day
        if day > self.day:
            if end_s > self.since_s + self.history_s:
                self._end_day()
            self.day, self.told = day, 0

    def highest_s(self, end_s: int) -> float:
        """What the threshold is at most when the window that ends then is taken up: an early finding above it will raise."""
        if not self.controlled:
            return self.threshold_s
        days = max(0, (end_s - 1) // self.day_s - self.day) if self.since_s >= 0 else 0
        return max(self.threshold_s, self._bounded(self.threshold_s * math.exp(ETA_UP * (WINSOR - 1.0) * min(days, DAYS_AHEAD_MAX))))

    def count(self) -> None:
        """Somebody is told of an alert, or would be but for a silence."""
        self.told += 1

    def _end_day(self) -> None:
        most = max(WINSOR * self.per_day, WINSOR_MIN)
        self.rate += (min(self.told * DAY_S / self.day_s, most) - self.rate) / MEMORY_DAYS
        self.rate = min(self.rate, WINSOR * self.per_day)  # so that it is soon down again
        if not self.controlled:
            return
        error = self.rate / self.per_day - 1.0
        self.threshold_s = self._bounded(self.threshold_s * math.exp((ETA_UP if error > 0 else ETA_DOWN) * error))

    def _bounded(self, threshold_s: float) -> float:
        return max(self.floor_s, min(max(threshold_s, self.start_s / SPAN), self.start_s * SPAN))
