"""What several areas saw together beyond what any one of them saw: the expectation-based Poisson scan over subsets of a circle.

A circle holds K areas with counts C and expectations B. If in a subset S every count came q times as often as expected, the log
likelihood ratio at the best q >= 1 is F(S) = C log(C / B) + B - C with C and B summed over S (Neill 2009). Of all subsets the best is one of the
K prefixes of the areas in order of C / B ("linear-time subset scanning", Neill 2012): no other needs to be looked at.

- Counts scatter more than Poisson. C and B of an area are divided by its variance over its mean, which makes F the scaled deviance of quasi-likelihood
  (Wedderburn 1974): noisy areas count for less, and the order of areas stays the same.
- The statistic is F of the best subset less the largest F of one of its areas alone: what it takes several to say. A burst in one area, which is judged
  there already, adds nothing.

Sources: Neill, "Expectation-based scan statistics for monitoring spatial time series data", International Journal of Forecasting 25 (2009);
Neill, "Fast subset scan for spatial pattern detection", JRSS B 74 (2012).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from detectors.base import Floats, Ints


class Subsets(NamedTuple):
    """The best subset of each of N circles."""

    gain: Floats  # (N,) 0 where no two areas say more than one
    duration: Ints  # (N,) column of the duration
    members: Ints  # (N, K) places in the circle, those of the subset first
    size: Ints  # (N,) how many of them are the subset


def best_subsets(seen: Floats, expected: Floats) -> Subsets:
    """Of counts and expectations (N, K, D), both divided by variance over mean; 0 and 0 for an area that says nothing. K >= 2.

    >>> seen, expected = np.array([[[6.0], [1.0], [7.0]]]), np.array([[[2.0], [2.0], [2.0]]])
    >>> best = best_subsets(seen, expected)
    >>> best.gain.round(2).tolist(), best.members[0, : best.size[0]].tolist()
    ([2.55], [2, 0])
    """
    assert seen.shape[1] >= 2, "a circle of one area has no neighbours"
    ratio = np.divide(seen, expected, out=np.zeros_like(seen), where=expected > 0)
    order = np.argsort(-ratio, axis=1, kind="stable")
    seen, expected = (np.take_along_axis(column, order, axis=1) for column in (seen, expected))
    alone = np.maximum.accumulate(_ratio(seen, expected), axis=1)
    gain = (_ratio(np.cumsum(seen, axis=1), np.cumsum(expected, axis=1)) - alone)[:, 1:]
    each, (number, _, durations) = np.arange(len(seen)), seen.shape
    at = gain.reshape(number, -1).argmax(axis=1) if number else np.zeros(0, np.int64)
    last, duration = at // durations, at % durations
    return Subsets(np.maximum(gain[each, last, duration], 0.0), duration, order[each, :, duration], last + 2)


def _ratio(seen: Floats, expected: Floats) -> Floats:
    """F: 0 where not more was seen than expected."""
    mean = np.maximum(expected, 1e-12)
    return np.asarray(np.where(seen > expected, special.xlogy(seen, seen / mean) + expected - seen, 0.0))
