"""A city's calendar from its file: days that go by the clock of a Sunday, and events that are planned."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from streams.area_files import local_date, read_rows
from streams.settings import Planned
from streams.yaml_file import Problems, nearest

COLUMNS = ("kind", "name", "from", "to", "area", "signals")
KINDS = ("holiday", "event")
ENTRIES_MAX = 10_000
HOLIDAY_DAYS_MAX = 31


def read_calendar(
    path: Path, timezone: str, areas: Collection[str], signals: Collection[str], problems: Problems
) -> tuple[tuple[int, ...], tuple[Planned, ...]]:
    """Days off as proleptic Gregorian ordinals, ascending, and planned events by start; faults go to ``problems``.

    A row is ``holiday,name,from[,to]`` with dates, both included, or ``event,name,from,to[,area[,signals]]`` with local dates or
    times; an event's ``to`` as a date is included, as a time it is not. Signals are separated by blanks; none are all.
    """
    days: set[int] = set()
    planned: list[Planned] = []
    for number, (line, cells) in enumerate(read_rows(path, COLUMNS, 3, problems)):
        if number >= ENTRIES_MAX:
            problems.add(str(path), line, f"more than {ENTRIES_MAX} rows; leave out what is past")
            break
        kind = cells["kind"]
        if kind == "holiday":
            days.update(_holiday(path, line, cells, problems))
        elif kind == "event":
            event = _event(path, line, cells, timezone, problems)
            _check_scope(path, line, event, areas, signals, problems)
            planned.append(event)
        else:
            problems.add(str(path), line, f"kind: {kind!r} is not known here; {nearest(kind, KINDS)}")
    return tuple(sorted(days)), tuple(sorted(planned, key=lambda event: (event.start_s, event.name)))


def _holiday(path: Path, line: int, cells: Mapping[str, str], problems: Problems) -> Iterator[int]:
    first, last = _date(cells["from"]), _date(cells.get("to") or cells["from"])
    if first is None or last is None:
        problems.add(str(path), line, f"from: {cells['from']!r} is not a date; write YYYY-MM-DD")
    elif not first <= last < first + HOLIDAY_DAYS_MAX:
        problems.add(str(path), line, f"to: {cells.get('to')!r} is not within a month after {cells['from']}; write the last day off")
    else:
        yield from range(first, last + 1)


def _event(path: Path, line: int, cells: Mapping[str, str], timezone: str, problems: Problems) -> Planned:
    start_s, end_s = _time(cells["from"], timezone, 0), _time(cells.get("to", ""), timezone, 1)
    if start_s is None or end_s is None:
        key = "from" if start_s is None else "to"
        problems.add(str(path), line, f"{key}: {cells.get(key, '')!r} is not a local date or time; write 2015-04-20 or 2015-04-20T09:00")
    elif start_s >= end_s:
        problems.add(str(path), line, f"to: {cells['to']!r} is not after {cells['from']}; write when it ends")
    return Planned(cells["name"], start_s or 0, end_s or 0, cells.get("area", ""), tuple(cells.get("signals", "").split()))


def _check_scope(path: Path, line: int, event: Planned, areas: Collection[str], signals: Collection[str], problems: Problems) -> None:
    if event.area and event.area not in areas:
        problems.add(str(path), line, f"area: {event.area!r} is not an area; {nearest(event.area, tuple(sorted(areas)))}")
    for signal in event.signals:
        if signal not in signals:
            problems.add(str(path), line, f"signals: {signal!r} is not a signal; {nearest(signal, tuple(sorted(signals)))}")


def _date(text: str) -> int | None:
    try:
        return date.fromisoformat(text).toordinal()
    except ValueError:
        return None


def _time(text: str, timezone: str, days: int) -> int | None:
    """Seconds of a local time, or of the midnight so many days after a date's."""
    at_s = local_date(text, timezone, days)
    if at_s is not None:
        return at_s
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int(at.replace(tzinfo=ZoneInfo(timezone)).timestamp()) if at.tzinfo is None else None
