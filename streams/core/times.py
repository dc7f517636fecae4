"""Times as sources write them: RFC 3339, civil time of the source's zone, or seconds since the epoch."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

LATEST_S = 253_402_300_799
"""The last second of the year 9999; a number beyond it is milliseconds or no time at all."""

_CIVIL = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII)
_EPOCH = re.compile(r"\d{9,12}(?:\.\d{1,9})?", re.ASCII)  # fewer digits are a date such as 20150126


def parse_time(value: str | float, zone: ZoneInfo | None) -> int | None:
    """Whole seconds since the epoch, rounded down; None for what is no time, or lies before 1970 or after 9999.

    Text is ``2015-01-26T23:05:00-05:00`` (or ``Z``; fractions are dropped), the same without an offset, read in ``zone``
    and refused without one, or digits of seconds since the epoch. A number is seconds since the epoch. Of an hour that
    happens twice the first is meant; an hour that a clock change leaves out is read with the offset before the change.

    >>> zone = ZoneInfo("America/New_York")
    >>> parse_time("2015-01-26 18:05:00", zone), parse_time("2015-01-26T23:05:00.9Z", None), parse_time(1422313500.9, None)
    (1422313500, 1422313500, 1422313500)
    >>> parse_time("2015-01-26 18:05:00", None) is None, parse_time("yesterday", zone) is None
    (True, True)
    """
    if not isinstance(value, str):
        return int(value) if 0 <= value <= LATEST_S else None
    text = value.strip()
    found = _CIVIL.fullmatch(text)
    if found is None:
        return parse_time(float(text), None) if _EPOCH.fullmatch(text) else None
    try:
        moment = datetime.fromisoformat(text.upper() if found[2] else text)
        if found[2] is None:
            if zone is None:
                return None
            moment = moment.replace(tzinfo=zone)
        seconds = int(moment.replace(microsecond=0).timestamp())
    except (ValueError, OverflowError):
        return None
    return seconds if 0 <= seconds <= LATEST_S else None
