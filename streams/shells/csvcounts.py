"""A table of counts, as anyone may have it: a CSV file with the columns time, count and, if there are several series, area and signal."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, tzinfo
from itertools import pairwise
from math import gcd
from pathlib import Path
from typing import IO, Literal, NamedTuple, cast

from streams.model import DAY_S, HOUR_S, MINUTE_S
from streams.shells.errors import ShellError

WEEK_S = 7 * DAY_S
STEPS_S = (WEEK_S, DAY_S, 12 * HOUR_S, 6 * HOUR_S, 3 * HOUR_S, 2 * HOUR_S, HOUR_S, 1800, 900, 600, 300, MINUTE_S)
DURATIONS = {HOUR_S: (1, 3, 12, 24, 72, 168), DAY_S: (1, 2, 3, 7, 14), WEEK_S: (1, 2, 3)}
COUNT_MAX = 2**31 - 1
SERIES_MAX = 1_000_000
WINDOWS_MAX = 1_000_000
ALL = "all"

Missing = Literal["zero", "gap"]


class CountsFileError(ShellError):
    """A table that cannot be used; the message names file, line, value and remedy."""


class Table(NamedTuple):
    """Counts by (time, area, signal), summed over equal keys, in order of time."""

    areas: tuple[str, ...]
    signals: tuple[str, ...]
    cells: dict[tuple[int, str, str], int]
    dates_only: bool
    explicit_zeros: bool


class Plan(NamedTuple):
    """How a table is cut into windows. ``shift_s`` is subtracted from its times, so that windows begin at multiples of their length."""

    window_s: int
    durations_s: tuple[int, ...]
    shift_s: int
    missing: Missing


def read(path: Path, zone: tzinfo = UTC) -> Table:
    """Read a table, ``.gz`` or plain. ``zone``: of times that are written without one.

    Raises:
        CountsFileError: with the file, the line, the value and what to do.
    """
    cells: dict[tuple[int, str, str], int] = {}
    dates_only, zeros, aware = True, False, None
    seen: dict[str, tuple[int, bool, bool]] = {}
    with _open(path) as file:
        for line, time, area, signal, count in _rows(path, file):
            if time not in seen:
                seen[time] = _time(path, line, time, zone)
            at_s, is_date, has_zone = seen[time]
            if aware is not None and has_zone != aware:
                raise CountsFileError(f"{path}:{line}: time {time!r}: some times have a zone and some have none; write all in one way")
            aware, dates_only = has_zone, dates_only and is_date
            n = _count(path, line, count)
            zeros |= n == 0
            key = (at_s, area, signal)
            cells[key] = cells.get(key, 0) + n
            if cells[key] > COUNT_MAX:
                raise CountsFileError(
                    f"{path}:{line}: the counts of this time, area and signal add up to more than {COUNT_MAX}; count in thousands"
                )
    if not cells:
        raise CountsFileError(f"{path}: no rows below the header; give at least some weeks of counts")
    areas, signals = sorted({area for _, area, _ in cells}), sorted({signal for _, _, signal in cells})
    if len(areas) * len(signals) > SERIES_MAX:
        raise CountsFileError(f"{path}: {len(areas)} areas x {len(signals)} signals are more than {SERIES_MAX} series; split the file")
    return Table(tuple(areas), tuple(signals), dict(sorted(cells.items())), dates_only, zeros)


def plan(table: Table, *, window_s: int | None, durations_s: Sequence[int] = (), missing: Literal["zero", "gap", "auto"] = "auto") -> Plan:
    """Fill in what was not asked for from the table itself.

    Raises:
        CountsFileError: no window fits the times, or a duration is not a multiple of the window.
    """
    times = sorted({time for time, _, _ in table.cells})
    window_s = window_s or _spacing(times)
    if (times[-1] - times[0]) // window_s > WINDOWS_MAX:
        years = (datetime.fromtimestamp(at_s, UTC).year for at_s in (times[0], times[-1]))
        raise CountsFileError(
            f"the times reach from {' to '.join(map(str, years))}, more than {WINDOWS_MAX} windows of {window_s} s; correct them or give a wider --window"
        )
    if not durations_s:
        windows = DURATIONS.get(window_s) or tuple(n for n in (1, 3, 12, 24, 72, 168) if n * window_s <= WEEK_S)
        durations_s = [n * window_s for n in windows]
    for duration_s in durations_s:
        if duration_s % window_s or duration_s <= 0:
            raise CountsFileError(
                f"--durations: {duration_s} s is not a multiple of the window of {window_s} s; leave it out or give another --window"
            )
    chosen: Missing = ("gap" if table.explicit_zeros else "zero") if missing == "auto" else missing
    return Plan(window_s, tuple(sorted(set(durations_s) | {window_s})), times[0] % window_s, chosen)


def windows(table: Table, plan: Plan) -> Iterator[tuple[int, dict[tuple[str, str], int]]]:
    """Each window that has rows, in order: its shifted start and its counts by (area, signal)."""
    start_s: int | None = None
    counts: dict[tuple[str, str], int] = {}
    for (time_s, area, signal), n in table.cells.items():
        at_s = (time_s - plan.shift_s) // plan.window_s * plan.window_s
        if start_s is not None and at_s != start_s:
            yield start_s, counts
            counts = {}
        start_s = at_s
        counts[area, signal] = counts.get((area, signal), 0) + n
    if start_s is not None:
        yield start_s, counts


def _spacing(times: Sequence[int]) -> int:
    """The longest usual step that all times keep to."""
    step = 0
    for before, after in pairwise(times):
        step = gcd(step, after - before)
    if step == 0:
        raise CountsFileError("the file has one time only: give --window, such as --window 1d")
    for usual in STEPS_S:
        if step % usual == 0:
            return usual
    raise CountsFileError("the times are not whole minutes apart: give --window, such as --window 1h")


def _open(path: Path) -> IO[str]:
    try:
        if path.suffix == ".gz":
            return cast("IO[str]", gzip.open(path, "rt", encoding="utf-8-sig", newline=""))
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise CountsFileError(f"{path}: {error.strerror}; give the path of a CSV file") from None


def _rows(path: Path, file: IO[str]) -> Iterator[tuple[int, str, str, str, str]]:
    """(line, time, area, signal, count) of each row that is not empty."""
    rows = csv.reader(file)
    try:
        header = [name.strip().lower() for name in next(rows, [])]
        for needed in ("time", "count"):
            if needed not in header:
                raise CountsFileError(
                    f"{path}:1: no column {needed!r}; the header must be time,area,signal,count (area and signal may be left out), it is {','.join(header)[:200]!r}"
                )
        time, count = header.index("time"), header.index("count")
        area = header.index("area") if "area" in header else None
        signal = header.index("signal") if "signal" in header else None
        for row in rows:
            if not row:
                continue
            if len(row) != len(header):
                raise CountsFileError(
                    f"{path}:{rows.line_num}: {len(row)} fields, the header has {len(header)}; quote fields that hold a comma"
                )
            yield rows.line_num, row[time].strip(), _word(row, area), _word(row, signal), row[count].strip()
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError, csv.Error):
        raise CountsFileError(f"{path}:{rows.line_num + 1}: not readable as CSV in UTF-8; save it as such") from None


def _word(row: Sequence[str], at: int | None) -> str:
    return (row[at].strip() or ALL) if at is not None else ALL


def _time(path: Path, line: int, text: str, zone: tzinfo) -> tuple[int, bool, bool]:
    """Seconds since the epoch, whether it is a date alone, whether it has a zone. A time without one is taken to be of ``zone``."""
    try:
        if len(text) == 10:
            at = datetime.combine(date.fromisoformat(text), datetime.min.time(), zone)
            return int(at.timestamp()), True, False
        at = datetime.fromisoformat(text)
    except ValueError:
        raise CountsFileError(f"{path}:{line}: time {text[:40]!r} is not a time; write it as 2015-01-26 or 2015-01-26T14:00") from None
    return int((at if at.tzinfo else at.replace(tzinfo=zone)).timestamp()), False, at.tzinfo is not None


def _count(path: Path, line: int, text: str) -> int:
    try:
        n = float(text)
    except ValueError:
        raise CountsFileError(f"{path}:{line}: count {text[:40]!r} is not a number; leave the row out where nothing is known") from None
    if n < 0:
        raise CountsFileError(f"{path}:{line}: count {text[:40]!r} is negative; counts begin at 0")
    if not n <= COUNT_MAX or n != int(n):
        raise CountsFileError(f"{path}:{line}: count {text[:40]!r} is not a whole number up to {COUNT_MAX}; measurements are no counts")
    return int(n)
