"""Raw records of the past: a city's demo, made or recorded, and files of JSON lines, in order of time."""

from __future__ import annotations

import csv
import gzip
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import entry_points
from itertools import takewhile
from pathlib import Path
from typing import IO, NamedTuple, cast
from zoneinfo import ZoneInfo

import msgspec
import orjson

from streams.core.times import parse_time
from streams.model import DAY_S
from streams.settings import City, Source
from streams.shells.arrivals import arrivals
from streams.shells.errors import ShellError

GENERATORS = "tocsin.generators"
GENERATED_DAYS = 21.0


class RecordsError(ShellError):
    """Records that cannot be played; the message says what to do."""


class Record(NamedTuple):
    """One raw record and when it arrived: a stand-in for the append time of a log."""

    source: str
    at_s: int
    payload: bytes


class Expected(NamedTuple):
    """Something that is known to have happened: ``area`` is empty for the whole city, ``end_s`` exclusive."""

    event: str
    start_s: int
    end_s: int
    group: str
    area: str = ""


class Stretch(NamedTuple):
    """A stretch of a city's life to play. Records are read anew by each iteration and may be many."""

    first_s: int
    end_s: int  # exclusive
    records: Iterator[Record]
    expected: tuple[Expected, ...]


def demo_stretch(city: City, *, days: float | None, seed: int) -> Stretch:
    """What ``tocsin demo`` plays.

    Raises:
        RecordsError: the city has no demo, or its generator is not installed.
    """
    if city.demo is None:
        raise RecordsError(f"{city.origin}: this city has no demo section; choose another city, or use tocsin up --embedded")
    if city.demo.generator:
        return _generated(city, city.demo.generator, days or GENERATED_DAYS, seed)
    known = tuple(Expected(event.event, event.start_s, event.end_s, event.group) for event in city.demo.known)
    return recorded_stretch(city, Path(city.demo.events), days=days, expected=known)


def recorded_stretch(city: City, path: Path, *, days: float | None = None, expected: tuple[Expected, ...] = ()) -> Stretch:
    """A CSV file whose rows go to sources by the route of the city's demo."""
    first_s, last_s = _ends(_csv_records(city, path))
    end_s = last_s + 1 if days is None else min(last_s + 1, first_s + round(days * DAY_S))
    records = takewhile(lambda record: record.at_s < end_s, _csv_records(city, path))
    return Stretch(first_s, end_s, records, tuple(event for event in expected if event.start_s < end_s))


def lines_stretch(city: City, source: str, path: Path) -> Stretch:
    """A file of JSON lines of one source, oldest first.

    Raises:
        RecordsError: no such source, or no line whose time can be read.
    """
    if source not in city.sources:
        raise RecordsError(f"--source {source}: {city.name} has no such source; it has {', '.join(sorted(city.sources))}")
    first_s, last_s = _ends(_line_records(city, source, path))
    return Stretch(first_s, last_s + 1, _line_records(city, source, path), ())


def _generated(city: City, name: str, days: float, seed: int) -> Stretch:
    found = [point for point in entry_points(group=GENERATORS) if point.name == name]
    if not found:
        raise RecordsError(
            f"the generator {name!r} of {city.origin} is not installed: run pip install . (or make setup) in the checkout, then try again"
        )
    make = found[0].load()
    module = import_module(found[0].module)
    first_s = int(_midnight(module.START, city.timezone))
    try:
        made = make(seed=seed, days=days, start_s=first_s, city=city)
        truth = module.truth(seed=seed, days=days, start_s=first_s, city=city)
    except ValueError as error:
        raise RecordsError(f"generator {name!r}: {error}") from None
    expected = tuple(Expected(event.name, event.start_s, event.end_s, event.group, event.area) for event in truth if not event.part_of)
    return Stretch(first_s, first_s + round(days * DAY_S), (Record(*raw) for raw in made), expected)


def _midnight(day: str, timezone: str) -> int:
    at_s = parse_time(f"{day} 00:00", ZoneInfo(timezone))
    assert at_s is not None, "a generator's START is a date"
    return at_s


def _ends(records: Iterator[Record]) -> tuple[int, int]:
    first = next(records)
    last = first
    for last in records:  # noqa: B007 - its last value is what is wanted
        pass
    return first.at_s, last.at_s


def _csv_records(city: City, path: Path) -> Iterator[Record]:
    at_s = 0
    for at_s, (source, payload) in arrivals(_csv_rows(city, path)):
        yield Record(source, at_s, payload)
    if not at_s:
        raise RecordsError(f"{path}: no row with a time; the column must be named as the sources' time says")


def _csv_rows(city: City, path: Path) -> Iterator[tuple[int | None, tuple[str, bytes]]]:
    assert city.demo is not None
    route = city.demo.route
    encode = orjson.dumps
    zones = {name: _zone(source) for name, source in city.sources.items()}
    with _open(path) as file:
        for row in csv.DictReader(file, restkey="_rest"):
            source = route.sources.get(row.get(route.column) or "", route.sources.get("*", ""))
            if source:
                yield parse_time(row.get(city.sources[source].time) or "", zones[source]), (source, encode(row))


def _line_records(city: City, source: str, path: Path) -> Iterator[Record]:
    """Times of lines that have none, or cannot be read, are those of the line before: intake will refuse them."""
    spec = city.sources[source]
    zone, keys = _zone(spec), spec.time.split(".")
    at_s = 0
    with _open(path) as file:
        payloads = (line.encode().strip() for line in file)
        for at_s, payload in arrivals((_time_in(payload, keys, zone), payload) for payload in payloads if payload):
            yield Record(source, at_s, payload)
    if not at_s:
        raise RecordsError(f"{path}: no line with a time at {spec.time!r}; is it JSON lines of the source {source!r}?")


def _time_in(payload: bytes, keys: list[str], zone: ZoneInfo | None) -> int | None:
    try:
        value = msgspec.json.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return parse_time(value, zone) if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def _zone(source: Source) -> ZoneInfo | None:
    return ZoneInfo(source.timezone) if source.timezone else None


@contextmanager
def _open(path: Path) -> Iterator[IO[str]]:
    csv.field_size_limit(min(sys.maxsize, 1 << 20))
    try:
        opened = gzip.open(path, "rt", encoding="utf-8", newline="") if path.suffix == ".gz" else path.open(encoding="utf-8", newline="")  # noqa: SIM115 - below
    except OSError as error:
        raise RecordsError(f"{path}: {error.strerror}; give the path of a file of records") from None
    with opened as file:
        try:
            yield cast("IO[str]", file)
        except (UnicodeDecodeError, gzip.BadGzipFile, EOFError, csv.Error):
            raise RecordsError(f"{path}: not readable as UTF-8 text; save it as such") from None
