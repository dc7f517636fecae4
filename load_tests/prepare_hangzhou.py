"""Makes config/hangzhou/{areas.csv,areas.geojson,library.csv}: the same bytes each time.

    python -m load_tests.prepare_hangzhou --out config/hangzhou

County-level codes and names are real, positions only plausible; streets, communities and every outline are made up.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import shapely
from shapely.geometry import MultiPoint, Point, Polygon
from shapely.ops import polygonize

from load_tests.hangzhou_places import (
    CITY_CODE,
    CITY_POPULATION_WAN,
    DISTRICTS,
    ENDED,
    SUCCESSORS,
    District,
    devices,
    streets,
)

COLUMNS = ("code", "name", "level", "parent", "population", "valid_from", "valid_to", "synthetic")
GRID_DEG = 1e-5  # about a metre: all corners lie on this grid, so that neighbours share them exactly
RELAXATIONS = 8

OUTLINE = Polygon(
    [
        (118.37, 29.55), (118.70, 29.27), (119.05, 29.21), (119.45, 29.20), (119.75, 29.50), (120.05, 29.72), (120.30, 29.87),
        (120.55, 30.05), (120.72, 30.28), (120.60, 30.42), (120.40, 30.53), (120.00, 30.55), (119.60, 30.52), (119.25, 30.42),
        (118.95, 30.33), (118.85, 30.05), (118.55, 29.95), (118.37, 29.80),
    ]
)  # fmt: skip
"""A simplified outline of the prefecture, drawn by hand."""


def area_rows() -> Iterator[tuple[str, str, int, str, int | None, str, str, str]]:
    """Rows of ``COLUMNS``, parents before children."""
    yield CITY_CODE, "杭州市 Hangzhou", 0, "", CITY_POPULATION_WAN * 10_000, "", "", "false"
    for district in sorted(DISTRICTS + ENDED):
        code, begins = f"{district.code}000000", district.valid_from
        people = None if district.population_wan is None else district.population_wan * 10_000
        yield code, district.name, 1, CITY_CODE, people, begins, district.valid_to, "false"
        for street in streets(district):
            yield street.code, street.name, 2, code, sum(c.population for c in street.communities), begins, "", "true"
            for community in street.communities:
                yield community.code, community.name, 3, street.code, community.population, begins, "", "true"


def library_rows() -> Iterator[tuple[str, str]]:
    """(name, code): the standard address library and the devices' places. No name stands for two places."""
    yield "杭州市", CITY_CODE
    yield from SUCCESSORS.items()
    for district in DISTRICTS:
        own = f"{district.hanzi}{district.kind}"
        yield own, f"{district.code}000000"
        yield f"杭州市{own}", f"{district.code}000000"
        for street in streets(district):
            yield street.hanzi, street.code
            yield f"杭州市{own}{street.hanzi}", street.code
            for community in street.communities:
                yield community.hanzi, community.code
                yield f"杭州市{own}{street.hanzi}{community.hanzi}", community.code
    for device in devices(_community_codes()):
        yield device.token, device.community


def outlines() -> dict[str, Polygon]:
    """Area code -> outline. The areas of a level tile the city: corners are shared exactly, nothing overlaps.

    Nested Voronoi cells are cut first; then all their edges are noded on one grid and the faces given back to the cell they
    lie in, so that a corner of one district on the edge of another is a corner of both.
    """
    drafts: dict[str, Polygon] = {}
    seats = [Point(d.lon, d.lat) for d in DISTRICTS]
    for district, cell in zip(DISTRICTS, _cells(seats, OUTLINE), strict=True):
        drafts.update(_drafts(district, cell))
    edges = shapely.union_all([cell.boundary for cell in drafts.values()], grid_size=GRID_DEG)
    faces: dict[str, list[Polygon]] = {code: [] for code in drafts}
    for face in polygonize(edges):
        inside = face.representative_point()
        faces[min(drafts, key=lambda code: drafts[code].distance(inside))].append(face)
    found: dict[str, list[Polygon]] = {}
    for code, parts in faces.items():
        for ancestor in (code, f"{code[:9]}000", f"{code[:6]}000000", CITY_CODE):
            found.setdefault(ancestor, []).extend(parts)
    return {code: _oriented(shapely.union_all(parts)) for code, parts in sorted(found.items())}


def _drafts(district: District, cell: Polygon) -> Iterator[tuple[str, Polygon]]:
    own = tuple(streets(district))
    for street, outline in zip(own, _relaxed(len(own), cell), strict=True):
        for community, part in zip(street.communities, _relaxed(len(street.communities), outline), strict=True):
            yield community.code, part


def _relaxed(count: int, within: Polygon) -> list[Polygon]:
    """``within`` cut into ``count`` cells of about equal size (Lloyd's relaxation from points on a small circle)."""
    middle = within.centroid
    turns = [2 * math.pi * i / count for i in range(count)]
    seats = [Point(middle.x + 0.001 * math.cos(turn), middle.y + 0.001 * math.sin(turn)) for turn in turns]
    for _ in range(RELAXATIONS):
        seats = [cell.centroid for cell in _cells(seats, within)]
    return _cells(seats, within)


def _cells(seats: Sequence[Point], within: Polygon) -> list[Polygon]:
    """Voronoi cells cut to ``within``, in the order of ``seats``."""
    found = shapely.voronoi_polygons(MultiPoint(list(seats)), extend_to=within).geoms
    cells = []
    for seat in seats:
        cell = next(cell for cell in found if cell.covers(seat)).intersection(within)
        assert isinstance(cell, Polygon), f"the cell around {seat.wkt} is cut in two; move the seat or the outline"
        cells.append(cell)
    return cells


def _oriented(shape: shapely.Geometry) -> Polygon:
    """Exterior counter-clockwise, as RFC 7946 wants it, from the south-westernmost corner."""
    assert isinstance(shape, Polygon), "an area in several parts"
    assert not shape.interiors, "an area with a hole"
    oriented = shapely.orient_polygons(shape.normalize())
    assert isinstance(oriented, Polygon), "orienting changes no kind"
    return oriented


def areas_csv() -> str:
    """The area table, ready to write."""
    return _csv(COLUMNS, area_rows())


def library_csv() -> str:
    """The address library, ready to write."""
    return _csv(("name", "code"), library_rows())


def areas_geojson() -> str:
    """A FeatureCollection, a feature a line, so that a change is readable as a difference of lines."""
    lines = []
    for code, shape in outlines().items():
        ring = [[round(x, 5), round(y, 5)] for x, y in shape.exterior.coords]
        feature = {
            "type": "Feature",
            "id": code,
            "properties": {"code": code, "synthetic": True},
            "geometry": {"type": "Polygon", "coordinates": [ring]},
        }
        lines.append(json.dumps(feature, separators=(",", ":")))
    return '{"type":"FeatureCollection","features":[\n' + ",\n".join(lines) + "\n]}\n"


def _csv(columns: Sequence[str], rows: Iterator[tuple[object, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(["" if value is None else value for value in row] for row in rows)
    return text.getvalue()


def _community_codes() -> list[str]:
    return [c.code for district in DISTRICTS for street in streets(district) for c in street.communities]


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m load_tests.prepare_hangzhou", description="Make the simulated Hangzhou's area files.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write into, e.g. config/hangzhou")
    out: Path = parser.parse_args(arguments).out
    for name, text in (("areas.csv", areas_csv()), ("areas.geojson", areas_geojson()), ("library.csv", library_csv())):
        (out / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
