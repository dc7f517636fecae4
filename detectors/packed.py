"""Counts and means in two bytes: a ring over days holds hundreds of them for each series.

Counts up to some 48,000 are exact; larger ones, of which a Poisson count is only sure to half a percent, are kept to a
tenth of that. Means are kept as a 32-bit float without its sign and its lower
bits: its whole range, to a fifth of a percent. What a number becomes depends on nothing but the number, so series may
be split and joined.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.base import Floats

Packed = NDArray[np.uint16]

_BELOW = 1024  # corrections may leave a window below zero
_EXACT = 49_152  # codes below it are whole numbers
_LOG_STEP = 1.4e-3
_LOG_FROM = float(np.log(_EXACT - _BELOW))


def pack_counts(n: Floats) -> Packed:
    """Whole numbers from -1024 up to 1e14, elementwise; beyond, the bound."""
    code = np.rint(n) + _BELOW
    if code.max(initial=0.0) >= _EXACT:
        large = _EXACT + np.rint((np.log(np.maximum(n, 1.0)) - _LOG_FROM) / _LOG_STEP)
        code = np.where(code < _EXACT, code, np.maximum(large, _EXACT))
    return np.asarray(np.clip(code, 0, 65_535), np.uint16)


def unpack_counts(code: Packed) -> Floats:
    """Back; what was exact is."""
    n = code.astype(float) - _BELOW
    if code.max(initial=0) >= _EXACT:
        n = np.where(code < _EXACT, n, np.rint(np.exp((code.astype(float) - _EXACT) * _LOG_STEP + _LOG_FROM)))
    return n


def pack_means(mean: Floats) -> Packed:
    """Numbers from 0 on, to the nearest of 9 significant bits."""
    bits: NDArray[np.uint32] = mean.astype(np.float32).view(np.uint32)
    nearest = bits + np.uint32(0x3FFF) + ((bits >> np.uint32(15)) & np.uint32(1))  # a tie goes to the even one
    return (nearest >> np.uint32(15)).astype(np.uint16)


def unpack_means(code: Packed) -> Floats:
    """Back."""
    return (code.astype(np.uint32) << np.uint32(15)).view(np.float32).astype(float)
