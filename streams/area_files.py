"""A city's places from their files: ``areas.csv``, ``areas.geojson`` and the address library, checked line by line."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import orjson
from msgspec import structs
from shapely import from_geojson
from shapely.errors import GEOSException
from shapely.geometry import shape

from streams.model import Area
from streams.yaml_file import Problems, nearest

COLUMNS = ("code", "name", "level", "parent", "population", "valid_from", "valid_to", "synthetic")
AREAS_MAX = 200_000
LEVEL_MAX = 9
_CODE = re.compile(r"[\w.-]{1,64}")
_ZONE_SPREAD_DEG = 60  # no inhabited place lies further from its time zone's meridian
_FEATURES = re.compile(r'"features"\s*:\s*\[')


class Row(NamedTuple):
    """An area and the line it stands on."""

    line: int
    area: Area


def read_rows(path: Path, columns: tuple[str, ...], needed: int, problems: Problems) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, cells) of a CSV file in UTF-8 whose header has the first ``needed`` of ``columns`` at least; cells without outer blanks."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        problems.add(str(path), 1, f"cannot be read ({error.strerror}); check the path in the city's file")
        return
    except UnicodeDecodeError as error:
        problems.add(str(path), 1, f"byte {error.start} is not UTF-8; save the file as UTF-8")
        return
    reader = csv.reader(text.splitlines())
    header = tuple(name.strip() for name in next(reader, ()))
    for name in columns[:needed]:
        if name not in header:
            problems.add(str(path), 1, f"{name}: the column is missing; the header is {','.join(columns)}")
            return
    for name in header:
        if name not in columns:
            problems.add(str(path), 1, f"{name}: the column is not known here; {nearest(name, columns)}")
    for cells in reader:
        if not cells:
            continue
        if len(cells) != len(header):
            problems.add(str(path), reader.line_num, f"{len(cells)} cells under {len(header)} columns; quote a cell that holds a comma")
            continue
        yield reader.line_num, {name: cell.strip() for name, cell in zip(header, cells, strict=True)}


def local_date(text: str, timezone: str, days: int = 0) -> int | None:
    """Seconds of the local midnight that begins ``YYYY-MM-DD``, or the day so many days after it; None when it is no date.

    >>> local_date("2015-01-26", "America/New_York"), local_date("26.1.2015", "UTC")
    (1422248400, None)
    """
    try:
        day = date.fromisoformat(text) + timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return int(datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(timezone)).timestamp())


def read_areas(path: Path, timezone: str, leaf_population_min: int, problems: Problems) -> tuple[Area, ...]:
    """The area tree in the order of the table, without outlines; none when the table has faults, which go to ``problems``."""
    before = len(problems)
    rows: list[Row] = []
    for line, cells in read_rows(path, COLUMNS, 4, problems):
        area = _area(str(path), line, cells, timezone, problems)
        if area is not None:
            rows.append(Row(line, area))
        if len(rows) > AREAS_MAX:
            problems.add(str(path), line, f"more than {AREAS_MAX} areas; leave the finest level out")
            break
    if len(problems) == before:  # a row that could not be read would make its children orphans
        _check_tree(str(path), rows, problems)
    if len(problems) == before:
        _check_leaves(str(path), rows, leaf_population_min, problems)
    return tuple(row.area for row in rows) if len(problems) == before else ()


def _area(file: str, line: int, cells: Mapping[str, str], timezone: str, problems: Problems) -> Area | None:
    found = len(problems)

    def refuse(column: str, remedy: str) -> None:
        problems.add(file, line, f"{column}: {cells.get(column, '')!r} {remedy}")

    if not _CODE.fullmatch(cells["code"]):
        refuse("code", "is not an area code; use letters, digits, '-', '_' and '.', at most 64")
    if not cells["name"]:
        refuse("name", "is empty; write the area's name")
    level = int(cells["level"]) if cells["level"].isdecimal() else -1
    if not 0 <= level <= LEVEL_MAX:
        refuse("level", f"is not a level; write 0 for the city, 1 for a district, at most {LEVEL_MAX}")
    population = cells.get("population", "")
    if population and not population.isdecimal():
        refuse("population", "is not a number of people; write digits only, or nothing when it is unknown")
    times: list[int | None] = []
    for column in ("valid_from", "valid_to"):
        text = cells.get(column, "")
        times.append(local_date(text, timezone) if text else None)
        if text and times[-1] is None:
            refuse(column, "is not a date; write YYYY-MM-DD, or nothing for no bound")
    if times[0] is not None and times[1] is not None and times[0] >= times[1]:
        refuse("valid_to", "is not after valid_from; valid_to is the first day on which the area is no more")
    if cells.get("synthetic", "") not in {"", "true", "false"}:
        refuse("synthetic", "is neither true nor false; write one of the two")
    if len(problems) > found:
        return None
    return Area(
        code=cells["code"],
        name=cells["name"],
        level=level,
        parent=cells["parent"] or None,
        population=int(population) if population else None,
        valid_from_s=times[0],
        valid_to_s=times[1],
        synthetic=cells.get("synthetic") == "true",
    )


def _check_tree(file: str, rows: list[Row], problems: Problems) -> None:
    """One root of level 0; every parent known, one level above, valid for as long; no cycle; no code twice at one time."""
    first: dict[str, Row] = {}
    for row in rows:
        other = first.setdefault(row.area.code, row)
        if other is not row and _overlap(other.area, row.area):
            problems.add(file, row.line, f"code: {row.area.code!r} is already on line {other.line} for the same time; keep one of the two")
    roots = [row for row in rows if row.area.parent is None]
    if not roots:
        problems.add(file, 2, "parent: no area is without a parent; the city's must be empty")
    for row in roots[1:]:
        problems.add(
            file,
            row.line,
            f"parent: {row.area.code!r} is a second root beside {roots[0].area.code!r} (line {roots[0].line}); name its parent",
        )
    if roots and roots[0].area.level != 0:
        problems.add(file, roots[0].line, f"level: the root {roots[0].area.code!r} has level {roots[0].area.level}; write 0")
    told: set[str] = set()
    for row in rows:
        if row.area.parent is not None:
            _check_parent(file, row, first, told, problems)


def _check_parent(file: str, row: Row, first: Mapping[str, Row], told: set[str], problems: Problems) -> None:
    """``told``: areas whose cycle is reported already."""
    area = row.area
    parent = first.get(area.parent or "")
    if parent is None:
        problems.add(file, row.line, f"parent: {area.parent!r} is not in the table; {nearest(area.parent or '', tuple(first)[:1000])}")
        return
    if area.code in told:
        return
    line, above = [area.code], parent
    while above.area.code not in line and above.area.parent is not None and above.area.parent in first:
        line.append(above.area.code)
        above = first[above.area.parent]
    if above.area.code in line:
        known = not told.isdisjoint(line)
        told.update(line)
        if known:
            return
        around = " in ".join(repr(code) for code in [*line[line.index(above.area.code) :], above.area.code])
        problems.add(file, first[above.area.code].line, f"parent: {around}: an area lies inside itself; correct one of the parents")
        return
    if area.level != parent.area.level + 1:
        problems.add(
            file, row.line, f"level: {area.level} does not follow the parent's level {parent.area.level}; write {parent.area.level + 1}"
        )
    if not _within(area, parent.area):
        problems.add(file, row.line, f"valid_from: {area.code!r} is valid when its parent {area.parent!r} is not; narrow its dates")


def _overlap(a: Area, b: Area) -> bool:
    return (a.valid_to_s is None or b.valid_from_s is None or b.valid_from_s < a.valid_to_s) and (
        b.valid_to_s is None or a.valid_from_s is None or a.valid_from_s < b.valid_to_s
    )


def _within(child: Area, parent: Area) -> bool:
    starts = parent.valid_from_s is None or (child.valid_from_s is not None and child.valid_from_s >= parent.valid_from_s)
    ends = parent.valid_to_s is None or (child.valid_to_s is not None and child.valid_to_s <= parent.valid_to_s)
    return starts and ends


def _check_leaves(file: str, rows: list[Row], least: int, problems: Problems) -> None:
    parents = {row.area.parent for row in rows}
    for row in rows:
        people = row.area.population
        if people is not None and people < least and row.area.code not in parents:
            text = f"population: {people} live in the leaf {row.area.code!r}; at least {least} must, so merge it with a neighbour"
            problems.add(file, row.line, text)


def read_library(path: Path, codes: frozenset[str], problems: Problems) -> dict[str, str]:
    """The address library (columns name,code): normalised name -> area code."""
    library: dict[str, str] = {}
    lines: dict[str, int] = {}
    for line, cells in read_rows(path, ("name", "code"), 2, problems):
        name, code = normalise_name(cells["name"]), cells["code"]
        if not name:
            problems.add(str(path), line, "name: is empty; write the name or leave the line out")
        elif code not in codes:
            problems.add(str(path), line, f"code: {code!r} is not in the area table; {nearest(code, tuple(sorted(codes))[:1000])}")
        elif library.get(name, code) != code:
            problems.add(
                str(path), line, f"name: {cells['name']!r} already means {library[name]!r} on line {lines[name]}; keep one of the two"
            )
        else:
            library[name] = code
            lines.setdefault(name, line)
    return library


def normalise_name(name: str) -> str:
    """As names are looked up: NFKC, case folded, runs of blanks made one.

    >>> normalise_name("  Allston /  BRIGHTON ")
    'allston / brighton'
    """
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def read_geometry(path: Path, areas: tuple[Area, ...], timezone: str, problems: Problems) -> tuple[Area, ...]:
    """The areas with their outlines from a GeoJSON FeatureCollection; a feature's ``id`` or property ``code`` names the area."""
    outlines: dict[str, str] = {}
    codes = {area.code for area in areas}
    for line, feature in _features(path, problems):
        properties = feature.get("properties") or {}
        code = str(feature.get("id", properties.get("code", "")))
        fault = _fault(code, feature.get("geometry"), codes, timezone)
        if code in outlines:
            fault = "has a second outline; keep one of the two"
        if fault:
            problems.add(str(path), line, f"{code or 'id'}: {fault}")
        else:
            outlines[code] = orjson.dumps(feature["geometry"]).decode()
    return tuple(structs.replace(area, geometry=outlines.get(area.code, "")) for area in areas)


def centres(areas: Iterable[Area]) -> dict[str, tuple[float, float]]:
    """Latitude and longitude of the middle of each outline, to ten metres."""
    middles = {area.code: from_geojson(area.geometry).centroid for area in areas if area.geometry}
    return {code: (round(middle.y, 4), round(middle.x, 4)) for code, middle in middles.items()}


def _features(path: Path, problems: Problems) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, feature) for each member of ``features``: decoded one by one, so that a message can name the line."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        problems.add(str(path), 1, "cannot be read as UTF-8; check the path in the city's file")
        return
    start = _FEATURES.search(text)
    if start is None:
        problems.add(str(path), 1, "is not a GeoJSON FeatureCollection; wrap the outlines in one")
        return
    decoder, at, line, counted = json.JSONDecoder(), start.end(), 1, 0
    while True:
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        line, counted = line + text.count("\n", counted, at), at
        if text[at : at + 1] == "]":
            return
        try:
            feature, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            problems.add(str(path), error.lineno, f"is not JSON: {error.msg.lower()}; correct the line or the one before it")
            return
        if isinstance(feature, dict):
            yield line, feature
        else:
            problems.add(str(path), line, "features: an entry is not a Feature; remove it")


def _fault(code: str, geometry: Any, codes: set[str], timezone: str) -> str:
    """What is wrong with an outline and its remedy; empty when nothing is."""
    if not code:
        return "a feature has neither id nor property code; name its area"
    if code not in codes:
        return f"is not in the area table; {nearest(code, tuple(sorted(codes))[:1000])}"
    if not isinstance(geometry, dict) or geometry.get("type") not in {"Polygon", "MultiPolygon"}:
        return "its geometry is not a Polygon or MultiPolygon; draw the area's outline"
    parts = geometry.get("coordinates")
    rings = _rings(parts if geometry["type"] == "MultiPolygon" else [parts])
    if rings is None:
        return "its coordinates are not rings of at least four [longitude, latitude]; draw the outline again"
    for ring in rings:
        if ring[0] != ring[-1]:
            return f"a ring is not closed ({ring[0]} to {ring[-1]}); repeat the first position at the end"
        if any(_swapped(lon, lat, timezone) for lon, lat in ring):
            return f"latitude and longitude look swapped ({ring[0]} in {timezone}); write [longitude, latitude]"
        if any(not (-180 <= lon <= 180 and -90 <= lat <= 90) for lon, lat in ring):
            return "a position is outside the world; write degrees, WGS 84"
    try:
        valid = bool(shape(geometry).is_valid)
    except (GEOSException, ValueError):
        valid = False
    return "" if valid else "the outline crosses itself; draw it again"


def _rings(parts: Any) -> list[list[tuple[float, float]]] | None:
    rings = []
    try:
        for ring in (ring for part in parts for ring in part):
            if not all(len(position) in {2, 3} and all(abs(number) < 1e6 for number in position) for position in ring):
                return None
            rings.append([(float(position[0]), float(position[1])) for position in ring])
    except (TypeError, ValueError, KeyError):
        return None
    return rings if rings and all(len(ring) >= 4 for ring in rings) else None


def _swapped(lon: float, lat: float, timezone: str) -> bool:
    """Whether a position makes sense only the other way round: by its range, or by the time zone's meridian."""
    if -180 <= lat <= 180 and abs(lat) > 90 and abs(lon) <= 90:
        return True
    if timezone in {"UTC", "Etc/UTC", "GMT"}:
        return False
    offset = datetime(2024, 1, 1, tzinfo=ZoneInfo(timezone)).utcoffset()
    meridian = 0.0 if offset is None else offset.total_seconds() / 240
    return _apart(lon, meridian) > _ZONE_SPREAD_DEG >= _apart(lat, meridian)


def _apart(a: float, b: float) -> float:
    return abs((a - b + 180) % 360 - 180)
