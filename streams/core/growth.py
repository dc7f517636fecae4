"""Growth of an alert: what people were told of each of its signals, and what has been seen of it since."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct, structs

from streams.model import DAY_S, HOUR_S


class Growth(NamedTuple):
    """One signal in one window, beside what it is compared with."""

    fresh_s: float = 0.0  # greatest fresh recurrence interval
    reference_s: float = 0.0  # that of when it was last told, or less if there was less for a day
    excess: float = 0.0  # most events above what was expected, over a day at most
    told_excess: float = 0.0  # that of when it was last told, or less if there was less for a day


class Touched(Struct):
    """What one window brought to a signal of an incident."""

    fresh_s: float = 0.0
    excess: float = 0.0  # of series that were part of it before
    joined_excess: float = 0.0  # of series that have become part of it: a city counts more than its street, which is no growth


class Told(Struct):
    """What people know of one signal of an incident, and the greatest of its last 24 hours."""

    reference_s: float = 0.0
    excess: float = 0.0
    peaks: dict[int, float] = {}  # hour -> greatest fresh recurrence interval; 24 h of them
    excesses: dict[int, float] = {}  # hour -> greatest excess; 24 h of them

    def copy(self) -> Told:
        """The same, for another alert; aliases nothing."""
        return structs.replace(self, peaks=dict(self.peaks), excesses=dict(self.excesses))

    def age(self, now_s: int) -> None:
        """What has not been seen for a day is no longer known; from what was seen before this moment."""
        self.peaks = {hour: fresh_s for hour, fresh_s in self.peaks.items() if hour * HOUR_S > now_s - DAY_S - HOUR_S}
        self.reference_s = min(self.reference_s, max(self.peaks.values(), default=0.0))
        self.excesses = {hour: n for hour, n in self.excesses.items() if hour * HOUR_S > now_s - DAY_S - HOUR_S}
        self.excess = min(self.excess, max(self.excesses.values(), default=0.0))

    def see(self, now_s: int, touched: Touched) -> None:
        """Keep the greatest of this hour."""
        hour = now_s // HOUR_S
        self.peaks[hour] = max(touched.fresh_s, self.peaks.get(hour, 0.0))
        self.excesses[hour] = max(touched.excess, touched.joined_excess, self.excesses.get(hour, 0.0))
        self.excess = max(self.excess, touched.joined_excess)

    def tell(self, touched: Touched) -> None:
        """People are told of it now."""
        self.reference_s = max(self.reference_s, touched.fresh_s)
        self.excess = max(self.excess, touched.excess)
