"""The alert budget: from "about N false alerts a day for the whole city" to the raise threshold of one series.

The start is Bonferroni's: S series, each allowed budget / S alerts a day, so a recurrence interval of S days / budget.
That is too strict where counts are sparse and discrete, and where incidents fold many series into one. So a slow
controller moves it, once a day of event time, with what it has seen until then and nothing else:

    rate      <- average over about two weeks of the incidents raised in a day
    threshold <- threshold * exp(eta * (rate / budget - 1))

True events must not raise the bar: a day counts at most three budgets, and one with a red alert at most one.
"""

from __future__ import annotations

import math

from msgspec import Struct

from streams.model import DAY_S
from streams.settings import City

ETA = 0.05
MEMORY_DAYS = 14.0
"""With ETA it makes a second-order loop with a damping of 0.6: no ringing, and a factor of 100 takes three months."""
WINSOR = 3.0
SPAN = 1000.0


class Budget(Struct):
    """State of the controller; one part of decide's snapshot. Times are event times."""

    per_day: float
    start_s: float
    floor_s: float
    history_s: int
    threshold_s: float  # raise threshold: recurrence interval of a single series
    rate: float  # incidents a day, averaged
    day_s: int = DAY_S  # what counts as a day: a window, where windows are longer
    since_s: int = -1  # end of the first window; nothing can be found in the first history_s
    day: int = -1
    raised: int = 0  # incidents raised this day
    red: bool = False  # this day had a red alert

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
        return cls(per_day, start_s, floor_s, city.detection.history_s, max(start_s, floor_s), per_day, max(DAY_S, city.detection.window_s))

    def adopt(self, city: City) -> None:
        """Go on with another configuration, keeping what was learned relative to the start."""
        fresh = Budget.of(city)
        scale = fresh.start_s / self.start_s
        self.day, self.day_s = self.day * self.day_s // fresh.day_s if self.day >= 0 else -1, fresh.day_s
        self.per_day, self.start_s, self.floor_s, self.history_s = fresh.per_day, fresh.start_s, fresh.floor_s, fresh.history_s
        self.threshold_s = self._bounded(self.threshold_s * scale)

    def window(self, end_s: int) -> None:
        """A window is taken up. The first one of a new day ends the day before; days without any window count for nothing."""
        day = (end_s - 1) // self.day_s
        if self.since_s < 0:
            self.since_s, self.day = end_s, day
        if day > self.day:
            if end_s > self.since_s + self.history_s:
                self._end_day()
            self.day, self.raised, self.red = day, 0, False

    def count(self) -> None:
        """An incident was raised."""
        self.raised += 1

    def saw_red(self) -> None:
        """An alert was red in a window of this day."""
        self.red = True

    def _end_day(self) -> None:
        most = self.per_day * (1.0 if self.red else WINSOR)
        self.rate += (min(self.raised * DAY_S / self.day_s, most) - self.rate) / MEMORY_DAYS
        self.threshold_s = self._bounded(self.threshold_s * math.exp(ETA * (self.rate / self.per_day - 1.0)))

    def _bounded(self, threshold_s: float) -> float:
        return max(self.floor_s, min(max(threshold_s, self.start_s / SPAN), self.start_s * SPAN))
