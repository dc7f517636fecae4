"""Which area a point lies in: the deepest whose outline covers it.

The plane is cut into a grid of 0.0005 degrees (about 50 m). A cell is looked at once: where one area covers all of it,
that is the answer for every point in it; otherwise the few outlines that touch it are kept and each point is tried.
So the grid makes it faster and never different, whatever was asked before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import shapely
from shapely.errors import GEOSException
from shapely.geometry.base import BaseGeometry

from streams.model import Area

GRID_DEG = 0.0005
GRID_CELLS_MAX = 65_536
_EDGE_DEG = 1e-9  # a cell's box is a little too large, so that rounding leaves no point of the cell outside


class Outlines:
    """The outlines of all areas below the city. Where equals overlap, the smaller code wins; a shared border belongs to both.

    Raises:
        ValueError: an outline that is no valid polygon in GeoJSON; names the area.
    """

    def __init__(self, root: str, areas: Sequence[Area], valid: Callable[[str, int], bool]) -> None:
        drawn = sorted((area for area in areas if area.geometry and area.code != root), key=lambda area: (-area.level, area.code))
        self._codes = [area.code for area in drawn]
        self._bounded = [area.valid_from_s is not None or area.valid_to_s is not None for area in drawn]
        self._shapes = [_shape(area) for area in drawn]
        self._valid = valid
        for outline in self._shapes:
            shapely.prepare(outline)
        self._index = shapely.STRtree(self._shapes)
        self._grid: dict[tuple[int, int], tuple[int, ...]] = {}
        self._sure: dict[tuple[int, int], str] = {}
        self.emptied = 0  # how often the grid grew to its bound and was begun anew

    def find(self, lat: float, lon: float, at_s: int) -> str | None:
        """The deepest area around a point, one that exists at the time if there is any; None outside all of them."""
        if not self._codes or not (abs(lat) <= 90 and abs(lon) <= 180):
            return None
        cell = (math.floor(lon / GRID_DEG), math.floor(lat / GRID_DEG))
        sure = self._sure.get(cell)
        if sure is not None:
            return sure
        touching = self._grid.get(cell)
        if touching is None:
            touching = self._look(cell)
            if cell in self._sure:
                return self._sure[cell]
        past = None
        for i in touching:
            if shapely.intersects_xy(self._shapes[i], lon, lat):
                if not self._bounded[i] or self._valid(self._codes[i], at_s):
                    return self._codes[i]
                past = past or self._codes[i]
        return past

    def _look(self, cell: tuple[int, int]) -> tuple[int, ...]:
        if len(self._grid) + len(self._sure) >= GRID_CELLS_MAX:
            self._grid.clear()
            self._sure.clear()
            self.emptied += 1
        west, south = cell[0] * GRID_DEG, cell[1] * GRID_DEG
        box = shapely.box(west - _EDGE_DEG, south - _EDGE_DEG, west + GRID_DEG + _EDGE_DEG, south + GRID_DEG + _EDGE_DEG)
        touching = tuple(sorted(self._index.query(box, predicate="intersects").tolist()))
        if touching and not self._bounded[touching[0]] and shapely.covers(self._shapes[touching[0]], box):
            self._sure[cell] = self._codes[touching[0]]
        else:
            self._grid[cell] = touching
        return touching


def _shape(area: Area) -> BaseGeometry:
    try:
        outline = shapely.from_geojson(area.geometry)
    except GEOSException:
        outline = None
    if outline is None or outline.geom_type not in {"Polygon", "MultiPolygon"} or not outline.is_valid:
        raise ValueError(f"the outline of area {area.code!r} is not a valid GeoJSON polygon; draw it again")
    return outline
