"""The different values of a column and which of them each row has: as ``numpy.unique``, without sorting where they lie close together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ROOM = 64
"""So many times as wide as there are rows a range may be to be marked off instead of sorted."""

Ints = NDArray[np.int64]


def distinct(values: Ints) -> tuple[Ints, Ints]:
    """(different values, ascending; for each row, the number of its own)."""
    if not len(values):
        return values, np.zeros(0, np.int64)
    least = int(values.min())
    width = int(values.max()) - least + 1
    if width > ROOM * len(values) + 1024:
        order = np.argsort(values)  # equals in any order: they get one number
        ordered = values[order]
        fresh = np.concatenate([[True], ordered[1:] != ordered[:-1]])
        which = np.empty(len(values), np.int64)
        which[order] = np.cumsum(fresh) - 1
        return ordered[fresh], which
    shifted = values - least
    seen = np.zeros(width, np.bool_)
    seen[shifted] = True
    found = np.flatnonzero(seen)
    number = np.empty(width, np.int32)  # of the others nobody asks
    number[found] = np.arange(len(found), dtype=np.int32)
    return found + least, number[shifted].astype(np.int64)
