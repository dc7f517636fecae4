"""From p-values to what people read: recurrence interval, risk, band.

``recurrence_s`` says "by chance this happens in this series once in so long". ``risk`` is a monotone function of it and
of the signal's consequence; bands are steps of the risk.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streams.core.combination import P_MIN
from streams.model import HOUR_S, Band
from streams.settings import Bands

RISK_PER_DECADE = 12.5
"""Risk points for each tenfold recurrence interval above an hour, at consequence 1: a year is 49, a century 74."""

Floats = NDArray[np.float64]


def quantised(p: Floats) -> Floats:
    """p rounded up to thousandths of a decade, so that a last bit never decides."""
    return np.power(10.0, np.ceil(np.log10(np.clip(p, P_MIN, 1.0)) * 1000.0 - 1e-6) / 1000.0)


def recurrence_s(p: Floats, window_s: int) -> Floats:
    """Mean time between windows this surprising, seconds."""
    return window_s / p


def risk(recurrence: Floats, consequence: Floats) -> Floats:
    """0 to 100, rounded to hundredths.

    >>> risk(np.array([3600.0, 3600.0 * 1e4]), np.array([1.0, 1.0])).tolist()
    [0.0, 50.0]
    """
    raw = RISK_PER_DECADE * np.log10(np.maximum(recurrence, HOUR_S) / HOUR_S) * consequence
    return np.asarray(np.round(np.minimum(raw, 100.0), 2), float)


def band(value: float, ready: bool, bands: Bands) -> Band:
    """The band of a risk; grey where history does not suffice."""
    if not ready:
        return "grey"
    steps: tuple[tuple[float, Band], ...] = ((bands.red, "red"), (bands.orange, "orange"), (bands.yellow, "yellow"), (bands.blue, "blue"))
    return next((name for least, name in steps if value >= least), "none")
