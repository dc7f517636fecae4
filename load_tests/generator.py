"""A seeded simulation of a city's three streams of raw records: hotline, complaint system, cameras.

    python -m load_tests.generator --city hangzhou --seed 1 --days 21 --out DIR

The same seed gives the same bytes, and a shorter span the beginning of a longer one. Days are local and each has random
numbers of its own. What is injected on purpose is told by ``truth``; everything else is chance.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from load_tests.calls import Day, complaint, hotline
from load_tests.cameras import camera
from load_tests.garbage import garbage
from load_tests.habits import Scale
from load_tests.hangzhou_places import Device, devices
from load_tests.happenings import Happenings, Truth, plan, truths
from load_tests.place import Place, place_of
from streams.area_files import local_date
from streams.loading import find_city, load
from streams.model import DAY_S
from streams.settings import City

SOURCES = ("hotline", "complaint", "camera")
DAYS_MAX = 366.0
START = "2025-06-02"  # a Monday before the rains

Raw = tuple[str, int, bytes]  # source, append time, payload
_ORDINARY = Scale()


def records(*, seed: int, days: float, start_s: int, city: City, scale: Scale = _ORDINARY) -> Iterator[Raw]:
    """Raw records as (source, append_s, payload) in append order, with append times in [start_s, start_s + days).

    Duplicates, late and out-of-order records, withdrawals and garbage included. Memory holds one day and what is late.

    Raises:
        ValueError: ``days`` is out of bounds, or the city is not one that is simulated.
    """
    end_s = _end_s(days, start_s)
    place, mounted = _settle(city, start_s)
    happenings = plan(seed, _midnight_s(city, start_s), city, place, scale)
    held: list[Raw] = []
    for day in _days(city, start_s, end_s):
        held += _one_day(seed, day, place, mounted, happenings, scale)
        held.sort(key=_append_s)
        until_s = min(day.midnight_s + DAY_S, end_s)
        ready = next((i for i, raw in enumerate(held) if raw[1] >= until_s), len(held))
        yield from (raw for raw in held[:ready] if raw[1] >= start_s)
        del held[:ready]


def truth(*, seed: int, days: float, start_s: int, city: City, scale: Scale = _ORDINARY) -> list[Truth]:
    """What ``records`` of the same arguments has injected, cut to the span; nothing before the history suffices."""
    place, _ = _settle(city, start_s)
    return truths(plan(seed, _midnight_s(city, start_s), city, place, scale), start_s, _end_s(days, start_s))


def _settle(city: City, start_s: int) -> tuple[Place, tuple[Device, ...]]:
    if city.name != "hangzhou":
        raise ValueError(f"city {city.name!r} is not simulated; choose 'hangzhou'")
    place = place_of(city, start_s)
    return place, devices(place.codes)


def _append_s(raw: Raw) -> int:
    return raw[1]


def _end_s(days: float, start_s: int) -> int:
    if not 0 < days <= DAYS_MAX:
        raise ValueError(f"days {days} is out of bounds; choose more than 0 and at most {DAYS_MAX:g}")
    return start_s + round(days * DAY_S)


def _midnight_s(city: City, at_s: int) -> int:
    local = datetime.fromtimestamp(at_s, ZoneInfo(city.timezone))
    return int(local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp())


def _days(city: City, start_s: int, end_s: int) -> Iterator[Day]:
    """Local days that touch the span. The simulated city has no daylight saving: all have 24 hours."""
    first = datetime.fromtimestamp(_midnight_s(city, start_s), ZoneInfo(city.timezone))
    for number in range(int(DAYS_MAX) + 2):
        local = first + timedelta(days=number)
        offset, midnight_s = local.utcoffset(), int(local.timestamp())
        if midnight_s >= end_s:
            return
        assert offset is not None, "a zone without an offset"
        assert midnight_s == int(first.timestamp()) + number * DAY_S, "a day that has not 24 hours"
        yield Day(number, midnight_s, local.weekday(), int(offset.total_seconds()))


def _one_day(seed: int, day: Day, place: Place, mounted: tuple[Device, ...], happenings: Happenings, scale: Scale) -> list[Raw]:
    """A day's records in no order; each stream draws from numbers of its own."""
    by_hotline, by_complaint, by_camera, by_garbage = (np.random.default_rng([seed, 1 + stream, day.number]) for stream in range(4))
    made = [("hotline", at_s, data) for at_s, data in hotline(day, place, happenings.flood, scale.calls, by_hotline)]
    made += [("complaint", at_s, data) for at_s, data in complaint(day, place, happenings.flood, scale.calls, by_complaint)]
    made += [("camera", at_s, data) for at_s, data in camera(day, place, mounted, happenings, scale.report_every_s, by_camera)]
    made += garbage(day, place, mounted, by_garbage)
    return made


def write(out: Path, *, seed: int, days: float, start_s: int, city: City) -> dict[str, int]:
    """Writes ``<source>.ndjson`` (a payload a line) and ``truth.json`` into ``out``; returns the number of lines by source."""
    counts = dict.fromkeys(SOURCES, 0)
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        files = {source: stack.enter_context((out / f"{source}.ndjson").open("wb")) for source in SOURCES}
        for source, _, payload in records(seed=seed, days=days, start_s=start_s, city=city):
            files[source].write(payload + b"\n")
            counts[source] += 1
    events = [event._asdict() for event in truth(seed=seed, days=days, start_s=start_s, city=city)]
    (out / "truth.json").write_bytes(msgspec.json.format(msgspec.json.encode(events)) + b"\n")
    return counts


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0, or 2 when an argument is refused."""
    parser = argparse.ArgumentParser(prog="python -m load_tests.generator", description="Write a simulated city's raw records.")
    parser.add_argument("--city", default="hangzhou", help="name or settings file of the city (default: hangzhou)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same bytes (default: 1)")
    parser.add_argument("--days", type=float, default=21.0, help=f"length of the span, at most {DAYS_MAX:g} (default: 21)")
    parser.add_argument("--start", default=START, help=f"first local day, YYYY-MM-DD (default: {START})")
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    given = parser.parse_args(arguments)
    try:
        city = load(find_city(given.city))
        start_s = local_date(given.start, city.timezone)
        if start_s is None:
            raise ValueError(f"--start {given.start}: is not a date; write YYYY-MM-DD")
        counts = write(given.out, seed=given.seed, days=given.days, start_s=start_s, city=city)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    sys.stdout.write(" ".join(f"{source}: {n}" for source, n in counts.items()) + f" -> {given.out}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
