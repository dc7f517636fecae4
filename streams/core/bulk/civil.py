"""Times and degrees as texts, many at once: the plain forms of ``streams.core.times.parse_time``, and short decimal numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from streams.core.bulk.jit import compiled, inlined
from streams.core.distinct import distinct
from streams.core.times import LATEST_S

DAY_S, HOUR_S, MINUTE_S = 86_400, 3_600, 60
QUARTER_S = 900
"""Clocks are changed at whole quarters of an hour."""
QUARTERS_MAX = 100_000
NONE = np.iinfo(np.int64).min
_UTC, _LOCAL = 0, 1
_DIGITS_MAX, _PLACES_MAX = 15, 22  # so many are exact in a double: one division rounds once
_POWERS = np.array([10.0**places for places in range(_PLACES_MAX + 1)])

_ZERO, _NINE, _DASH, _COLON, _SPACE, _POINT, _PLUS = (ord(c) for c in "09-: .+")
_T, _t, _Z, _z = (ord(c) for c in "TtZz")
_LENGTHS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])

Ints = NDArray[np.int64]


class Times:
    """``local``: what a civil time without an offset is in seconds since the epoch; None where it is no time."""

    def __init__(self, local: Callable[[str], int | None]) -> None:
        self._local = local
        self._offsets: dict[int, int] = {}  # quarter -> seconds to add; NONE where that differs within it, or is no time

    def parse(self, data: NDArray[np.uint8], first: NDArray[np.int32], end: NDArray[np.int32], asked: NDArray[np.bool_]) -> Ints:
        """Seconds since the epoch of each that is ``asked`` for; ``NONE`` of what has no plain form."""
        civil, form = np.full(len(first), NONE, np.int64), np.zeros(len(first), np.int8)
        _parse(data, first, end, asked, civil, form)
        local = np.flatnonzero((form == _LOCAL) & (civil != NONE))
        if len(local):
            quarters, which = distinct(civil[local] // QUARTER_S)
            offsets = np.array([self._offset(quarter) for quarter in quarters.tolist()], np.int64)[which]
            civil[local] = np.where(offsets == NONE, NONE, civil[local] + offsets)
        civil[(civil < 0) | (civil > LATEST_S)] = NONE
        return civil

    def _offset(self, quarter: int) -> int:
        offset = self._offsets.get(quarter)
        if offset is None:
            if len(self._offsets) >= QUARTERS_MAX:
                self._offsets.clear()
            ends = [(at_s, self._local(_text(at_s))) for at_s in (quarter * QUARTER_S, quarter * QUARTER_S + QUARTER_S - 1)]
            found = {None if real_s is None else real_s - at_s for at_s, real_s in ends}
            offset = found.pop() if len(found) == 1 else None
            offset = self._offsets[quarter] = NONE if offset is None else offset
        return offset


def degrees(data: NDArray[np.uint8], first: NDArray[np.int32], end: NDArray[np.int32], asked: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The plain decimal numbers there, the same double that any parser makes of them; NaN of all others."""
    found = np.full(len(first), np.nan)
    _degrees(data, first, end, asked, found)
    return found


def _text(at_s: int) -> str:
    return str(np.datetime64(at_s, "s")).replace("T", " ")


@compiled
def _degrees(data, first, end, asked, found):
    for i in range(len(first)):
        if asked[i]:
            found[i] = _decimal(data, first[i], end[i])


@compiled
def _decimal(data, p, end):
    negative = data[p] == _DASH
    p += negative
    value, digits, places, point = 0, 0, 0, False
    while p < end:
        if data[p] == _POINT:
            point = True
        elif _ZERO <= data[p] <= _NINE:
            value = value * 10 + (data[p] - _ZERO)
            digits += 1
            places += point
        else:
            return np.nan  # an exponent: rounded by others
        p += 1
    if digits > _DIGITS_MAX:
        return np.nan
    number = value / _POWERS[places]
    return -number if negative else number


@compiled
def _parse(data, first, end, asked, civil, form):
    for i in range(len(first)):
        if asked[i]:
            civil[i], form[i] = _time(data, first[i], end[i])


@inlined
def _two(data, p):
    """The number of two digits; far below zero where one is none."""
    tens, ones = np.int64(data[p]) - _ZERO, np.int64(data[p + 1]) - _ZERO
    return tens * 10 + ones if 0 <= tens <= 9 and 0 <= ones <= 9 else -1_000_000


@compiled
def _time(data, p, end):
    """(seconds as if in UTC, or ``NONE``; whether that is so)."""
    if end - p < 19 or data[p + 4] != _DASH or data[p + 7] != _DASH or data[p + 13] != _COLON or data[p + 16] != _COLON:
        return NONE, _UTC
    if data[p + 10] != _T and data[p + 10] != _t and data[p + 10] != _SPACE:
        return NONE, _UTC
    year, month, day = _two(data, p) * 100 + _two(data, p + 2), _two(data, p + 5), _two(data, p + 8)
    hour, minute, second = _two(data, p + 11), _two(data, p + 14), _two(data, p + 17)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if year < 1970 or month < 1 or month > 12 or day < 1 or day > _LENGTHS[month - 1] + (leap and month == 2):
        return NONE, _UTC
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        return NONE, _UTC
    at_s = _days(year, month, day) * DAY_S + hour * HOUR_S + minute * MINUTE_S + second
    p += 19
    if p < end and data[p] == _POINT:
        after = p + 1
        while after < end and _ZERO <= data[after] <= _NINE:
            after += 1
        if not 1 <= after - p - 1 <= 9:
            return NONE, _UTC
        p = after
    if p == end:
        return at_s, _LOCAL
    if data[p] == _Z or data[p] == _z:
        return (at_s, _UTC) if p + 1 == end else (NONE, _UTC)
    if end - p != 6 or data[p + 3] != _COLON or (data[p] != _PLUS and data[p] != _DASH):
        return NONE, _UTC
    hours, minutes = _two(data, p + 1), _two(data, p + 4)
    if not (0 <= hours < 24 and 0 <= minutes < 60):
        return NONE, _UTC
    offset_s = hours * HOUR_S + minutes * MINUTE_S
    return (at_s - offset_s if data[p] == _PLUS else at_s + offset_s), _UTC


@inlined
def _days(year, month, day):
    """Days since 1970-01-01 (the Gregorian calendar counted from March)."""
    y = year - (month <= 2)
    era = y // 400
    of_era = y - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
