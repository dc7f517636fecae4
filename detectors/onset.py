"""Whether something began, whenever that was: a sequential likelihood ratio that forgets.

    S = max(0, keep * S + log NB(n; mean + added) / NB(n; mean))

``added`` is what an outbreak worth telling adds, spread over a day. Sums over fixed durations miss what began between two of them;
S has no such grid, needs one number a series, and e**-S is near the rate of false starts (Page 1954; Lorden 1971). Several events in one
window count little more than one where counts come in clusters, since that is what a negative binomial expects of them. Forgetting
replaces a limit on how far back it may look (Lai 1995): an outbreak that is over is forgotten within days, however large it was.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.base import Bools, Floats

S_MAX = 30.0
POWER, POWER_FEW, FEW = 1.5, 1.1, 6
"""P(S >= s) is near exp(-POWER * s) for independent windows of any mean and dispersion, where S forgets within the day over which ``added`` is
spread; where that is fewer than ``FEW`` windows, S has little to choose from, and the tail is near that of one likelihood ratio.
"""
_EXCESS_MIN = 0.05  # of the dispersion over 1
_MEAN_MIN = 1e-4


class Onset:
    """S of many series. ``memory``: windows in which S falls to a third."""

    def __init__(self, size: int, memory: float) -> None:
        self.s = np.zeros(size, np.float32)
        self._keep = 1.0 - 1.0 / max(memory, 1.0)
        self._power = POWER if memory >= FEW else POWER_FEW

    def after(self, s: Floats, n: Floats, mean: Floats, added: Floats, phi: Floats) -> Floats:
        """``s`` moved on by one window; where no ``mean`` is known, nothing is added."""
        gained = np.where(mean > 0, gain(n, mean, added, phi), 0.0)
        return np.clip(self._keep * s + gained, 0.0, S_MAX).astype(np.float32).astype(float)

    def p_value(self, s: Floats, alone: Floats) -> Floats:
        """Of S being so large or larger when nothing began.

        S adds up windows as if each were a draw of its own. Where clusters reach over several, a day scatters more than its windows
        would have it: ``alone`` is the dispersion of a window over that of a day, and S is worth its square root: the whole of it would be right of one
        that never starts anew.
        """
        return np.asarray(np.exp(-self._power * s * np.sqrt(np.minimum(alone, 1.0))))

    def push(self, n: Floats, mean: Floats, added: Floats, phi: Floats, ready: Bools) -> None:
        """Take a window of all series in; those not ``ready`` stay at 0."""
        self.s = np.where(ready, self.after(self.s.astype(float), n, mean, added, phi), 0.0).astype(np.float32)

    def amend(self, windows_ago: int, row: int, gained: float) -> None:
        """Late events: what they would have gained had they come in time, forgotten since."""
        self.s[row] = np.clip(self.s[row] + self._keep**windows_ago * gained, 0.0, S_MAX)


def gain(n: Floats, mean: Floats, added: Floats, phi: Floats) -> Floats:
    """log of the likelihood ratio, elementwise: ``n`` is of mean ``mean + added`` rather than of ``mean``, variance ``phi`` times the mean.

    >>> gain(np.array([0.0, 3.0]), np.ones(2), np.ones(2), np.ones(2)).round(2).tolist()
    [-0.98, 1.03]
    """
    excess = np.maximum(phi - 1.0, _EXCESS_MIN)
    size, more = np.maximum(mean, _MEAN_MIN) / excess, added / excess
    gained = -more * np.log1p(excess)
    some = np.flatnonzero(n > 0)
    n, size, more = n[some], size[some], more[some]
    gained[some] += special.gammaln(n + size + more) - special.gammaln(size + more) - special.gammaln(n + size) + special.gammaln(size)
    return np.asarray(gained)
