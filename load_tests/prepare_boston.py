"""Makes config/boston/'s data and places from the requests of Boston's 311 hotline in 2015: the same bytes each time.

    python -m load_tests.prepare_boston --requests requests.csv.gz --out config/boston

``requests.csv.gz`` is described in config/boston/data/SOURCE.md. Written are data/requests.csv.gz (needed columns only),
areas.csv, areas.geojson and library.csv. Populations are not in the source and stay empty.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import shapely

COLUMNS = ("case_id", "opened", "type", "source", "neighborhood", "precinct", "lat", "lon")
CITY = "boston"
PLACEHOLDER = ("42.359", "-71.059")  # where the source puts what it could not locate

NEIGHBOURHOODS: Mapping[str, str] = {
    "allston-brighton": "Allston / Brighton",
    "back-bay": "Back Bay",
    "beacon-hill": "Beacon Hill",
    "charlestown": "Charlestown",
    "dorchester": "Dorchester",
    "downtown": "Downtown / Financial District",
    "east-boston": "East Boston",
    "fenway": "Fenway / Kenmore / Audubon Circle / Longwood",
    "hyde-park": "Hyde Park",
    "jamaica-plain": "Jamaica Plain",
    "mattapan": "Greater Mattapan",
    "mission-hill": "Mission Hill",
    "roslindale": "Roslindale",
    "roxbury": "Roxbury",
    "south-boston": "South Boston / South Boston Waterfront",
    "south-end": "South End",
    "west-roxbury": "West Roxbury",
}
"""Code -> name in the source."""

VARIANTS: Mapping[str, str] = {
    "Allston": "allston-brighton",
    "Brighton": "allston-brighton",
    "South Boston": "south-boston",
    "South Boston Waterfront": "south-boston",
    "Seaport": "south-boston",
    "Mattapan": "mattapan",
    "Downtown": "downtown",
    "Financial District": "downtown",
    "Fenway": "fenway",
    "Kenmore": "fenway",
    "Audubon Circle": "fenway",
    "Longwood": "fenway",
    "Chestnut Hill": "west-roxbury",  # 14 records, all in precincts of West Roxbury
    "Boston": CITY,
}
"""Other names, in the source and in speech -> code. ``Boston`` says no more than that it is in the city."""

RECORDS_MIN = 5  # a precinct code with fewer is a slip of the keyboard (502A: one record)
TRIM_SHARE = 0.02  # of a precinct's records, those farthest from its middle are left out of its outline
GRID_DEG = 0.001  # the source rounds positions to this
GROWTH_STEPS = 4  # ground so many steps around a record belongs to its precinct
TOLERANCE_STEPS = 1.0  # of the simplification
DIGITS = 4

Row = dict[str, str]
Cell = tuple[int, int]  # (lon, lat) in grid steps


def read(path: Path) -> list[Row]:
    """The source's rows, needed columns only, in order of opening."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = [{name: row[name] for name in COLUMNS} for row in csv.DictReader(file)]
    return sorted(rows, key=lambda row: (row["opened"], row["case_id"]))


def precinct_of(row: Row) -> str:
    """``503`` for 503.0 and 0503; empty when there is none."""
    return re.sub(r"\.0$", "", row["precinct"]).lstrip("0")


def homes(rows: Iterable[Row]) -> dict[str, str]:
    """Precinct -> the neighbourhood where most of its records that name one lie; in the order of the numbers."""
    codes = {name: code for code, name in NEIGHBOURHOODS.items()} | dict(VARIANTS)
    votes: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        code = codes.get(row["neighborhood"], CITY)
        if code != CITY and precinct_of(row).isdecimal():
            votes[precinct_of(row)][code] += 1
    kept = sorted((p for p in votes if votes[p].total() >= RECORDS_MIN), key=int)
    return {p: min(votes[p], key=lambda code: (-votes[p][code], code)) for p in kept}


def cells_of(rows: Iterable[Row], precincts: Mapping[str, str]) -> dict[Cell, str]:
    """Grid cell -> the precinct that most of its located records name, each precinct's farthest records left out."""
    located: dict[str, Counter[Cell]] = defaultdict(Counter)
    for row in rows:
        precinct = precinct_of(row)
        if precinct in precincts and row["lat"] and (row["lat"], row["lon"]) != PLACEHOLDER:
            located[precinct][round(float(row["lon"]) / GRID_DEG), round(float(row["lat"]) / GRID_DEG)] += 1
    votes: dict[Cell, Counter[str]] = defaultdict(Counter)
    for precinct in sorted(located, key=int):
        for cell, n in _trimmed(located[precinct]).items():
            votes[cell][precinct] += n
    return {cell: min(votes[cell], key=lambda p: (-votes[cell][p], int(p))) for cell in sorted(votes)}


def _trimmed(cells: Counter[Cell]) -> dict[Cell, int]:
    """Without the ``TRIM_SHARE`` of the records that lie farthest from the median position."""
    middle = (_median(cells, 0), _median(cells, 1))
    east = math.cos(math.radians(42.3))  # a degree of longitude is so much shorter here
    away = sorted(cells, key=lambda c: (-math.hypot((c[0] - middle[0]) * east, c[1] - middle[1]), c))
    spare = int(TRIM_SHARE * cells.total())
    kept = {}
    for cell in away:
        left_out = min(spare, cells[cell])
        spare -= left_out
        if left_out < cells[cell]:
            kept[cell] = cells[cell] - left_out
    return kept


def _median(cells: Counter[Cell], axis: int) -> int:
    positions = sorted(cell[axis] for cell in cells.elements())
    return positions[len(positions) // 2]


def outlines(cells: Mapping[Cell, str], precincts: Mapping[str, str]) -> dict[str, shapely.Geometry]:
    """Precinct, neighbourhood, city -> outline in degrees. Precincts tile the city: they share their edges and do not overlap.

    Ground without records takes the precinct of what lies around it, a few steps deep. Cells apart from the main part of
    their precinct are taken for wrong entries and given to their surroundings. The tiling is simplified as one coverage.
    """
    seeds, ground = dict(cells), grown(cells)
    while stray := _apart(seeds, ground):
        for cell in stray:
            del seeds[cell]
        ground = grown(seeds)
    order = sorted(set(ground.values()), key=int)
    squares: dict[str, list[shapely.Geometry]] = {precinct: [] for precinct in order}
    for (x, y), precinct in ground.items():
        squares[precinct].append(shapely.box(x - 0.5, y - 0.5, x + 0.5, y + 0.5))
    tiles = shapely.coverage_simplify([shapely.union_all(squares[p]) for p in order], TOLERANCE_STEPS)
    tile = {p: shapely.transform(part, lambda xy: np.round(xy * GRID_DEG, DIGITS)) for p, part in zip(order, tiles, strict=True)}
    found = {CITY: shapely.union_all([tile[p] for p in order])}
    for code in NEIGHBOURHOODS:
        found[code] = shapely.union_all([tile[p] for p in order if precincts[p] == code])
    return found | tile


def grown(cells: Mapping[Cell, str]) -> dict[Cell, str]:
    """The cells and, ``GROWTH_STEPS`` deep, what lies around them; a new cell is its neighbours' majority's."""
    ground = dict(cells)
    for step in range(GROWTH_STEPS):
        votes: dict[Cell, Counter[str]] = defaultdict(Counter)
        for cell in sorted(ground):
            for near in _around(cell, corners=step % 2 == 1):
                if near not in ground:
                    votes[near][ground[cell]] += 1
        ground |= {cell: min(votes[cell], key=lambda p: (-votes[cell][p], int(p))) for cell in votes}
    return dict(sorted(ground.items()))


def _around(cell: Cell, *, corners: bool) -> Iterator[Cell]:
    for dx in (-1, 0, 1):
        for dy in (-1, 0, 1):
            if (dx or dy) and (corners or not (dx and dy)):
                yield cell[0] + dx, cell[1] + dy


def _apart(seeds: Mapping[Cell, str], ground: Mapping[Cell, str]) -> list[Cell]:
    """Seeds that lie outside the largest connected part of their precinct's ground."""
    part_of: dict[Cell, int] = {}
    sizes: list[int] = []
    for start in ground:
        if start in part_of:
            continue
        part_of[start], edge, size = len(sizes), [start], 0
        while edge:
            cell = edge.pop()
            size += 1
            for near in _around(cell, corners=False):
                if near not in part_of and ground.get(near) == ground[cell]:
                    part_of[near] = len(sizes)
                    edge.append(near)
        sizes.append(size)
    largest: dict[str, int] = {}
    for cell, part in part_of.items():
        best = largest.setdefault(ground[cell], part)
        if sizes[part] > sizes[best]:
            largest[ground[cell]] = part
    return [cell for cell in seeds if part_of[cell] != largest[seeds[cell]]]


def geojson(shapes: Mapping[str, shapely.Geometry]) -> str:
    """A FeatureCollection with a feature on each line; rings as RFC 7946 wants them."""
    note = "drawn from the positions of requests, not a legal boundary"
    lines = []
    for code, shape in shapes.items():
        text = shapely.to_geojson(shapely.orient_polygons(shapely.normalize(shape))) or ""
        geometry = json.loads(text, parse_float=lambda number: round(float(number), DIGITS))
        feature = {"type": "Feature", "id": code, "properties": {"code": code, "outline": note}, "geometry": geometry}
        lines.append(json.dumps(feature, separators=(",", ":")))
    return '{"type":"FeatureCollection","features":[\n' + ",\n".join(lines) + "\n]}\n"


def area_rows(precincts: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    """code, name, level, parent, population: the city, its neighbourhoods, their precincts."""
    yield CITY, "Boston", "0", "", ""
    for code, name in NEIGHBOURHOODS.items():
        yield code, name, "1", CITY, ""
    for precinct, home in precincts.items():
        yield precinct, f"Precinct {precinct}", "2", home, ""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A CSV text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    rows = read(options.requests)
    precincts = homes(rows)
    shapes = outlines(cells_of(rows, precincts), precincts)
    library = [(name, code) for code, name in NEIGHBOURHOODS.items()] + list(VARIANTS.items())
    ordered = {code: shapes[code] for code in (CITY, *NEIGHBOURHOODS, *precincts) if code in shapes}
    (options.out / "data").mkdir(parents=True, exist_ok=True)
    plain = table(COLUMNS, ([row[name] for name in COLUMNS] for row in rows)).encode()
    (options.out / "data" / "requests.csv.gz").write_bytes(gzip.compress(plain, 9, mtime=0))
    (options.out / "areas.csv").write_text(table(("code", "name", "level", "parent", "population"), area_rows(precincts)), "utf-8")
    (options.out / "areas.geojson").write_text(geojson(ordered), "utf-8")
    (options.out / "library.csv").write_text(table(("name", "code"), library), "utf-8")


if __name__ == "__main__":
    main()
