"""What the generator needs to know of a city: its communities in columns, with addresses and points inside them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from streams.model import Area
from streams.settings import City

POINTS_PER_COMMUNITY = 32
_POINTS_SEED = 330_100


class Place(NamedTuple):
    """Communities in ascending order of code, one row each."""

    codes: tuple[str, ...]
    addresses: tuple[str, ...]  # as the standard address library has them
    points: tuple[tuple[tuple[str, str], ...], ...]  # longitude, latitude
    districts: NDArray[np.int64]  # index of the community's district
    shares: NDArray[np.float64]  # of the city's population, summing to 1


def place_of(city: City, at_s: int) -> Place:
    """Reads the communities that are valid at ``at_s``; their populations and outlines must be known."""
    by_code = {area.code: area for area in city.areas}
    leaves = sorted((a for a in city.areas if a.level == 3 and _valid(a, at_s)), key=lambda a: a.code)
    assert leaves, f"the city {city.name!r} has no communities"
    people = np.array([area.population for area in leaves], dtype=np.float64)
    districts = sorted({_ancestors(area, by_code)[1].code for area in leaves})
    return Place(
        codes=tuple(area.code for area in leaves),
        addresses=tuple("".join(a.name.split(" ")[0] for a in _ancestors(area, by_code)) for area in leaves),
        points=tuple(_points(area, row) for row, area in enumerate(leaves)),
        districts=np.array([districts.index(_ancestors(area, by_code)[1].code) for area in leaves], dtype=np.int64),
        shares=people / people.sum(),
    )


def neighbours(city: City, codes: set[str]) -> tuple[str, ...]:
    """Communities whose outline touches one of ``codes``, without these."""
    outlines = {a.code: shapely.from_geojson(a.geometry) for a in city.areas if a.level == 3 and a.geometry}
    middle = shapely.union_all([outlines[code] for code in sorted(codes)])
    return tuple(code for code in sorted(outlines) if code not in codes and outlines[code].touches(middle))


def _valid(area: Area, at_s: int) -> bool:
    return (area.valid_from_s is None or area.valid_from_s <= at_s) and (area.valid_to_s is None or at_s < area.valid_to_s)


def _ancestors(area: Area, by_code: dict[str, Area]) -> list[Area]:
    """From the city down to the area itself."""
    line = [area]
    while line[-1].parent is not None:
        line.append(by_code[line[-1].parent])
    return line[::-1]


def _points(area: Area, row: int) -> tuple[tuple[str, str], ...]:
    """Points drawn evenly over the outline; the same for every seed of a run."""
    outline = shapely.from_geojson(area.geometry)
    west, south, east, north = outline.bounds
    rng = np.random.default_rng([_POINTS_SEED, row])
    found: list[tuple[str, str]] = []
    while len(found) < POINTS_PER_COMMUNITY:
        xs = np.round(rng.uniform(west, east, 64), 6)
        ys = np.round(rng.uniform(south, north, 64), 6)
        inside = shapely.contains_xy(outline, xs, ys)
        found += [(f"{x:.6f}", f"{y:.6f}") for x, y in zip(xs[inside], ys[inside], strict=True)]
    return tuple(found[:POINTS_PER_COMMUNITY])
