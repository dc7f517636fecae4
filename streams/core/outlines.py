"""Which area a point lies in: the deepest whose outline covers it.

The plane is cut into a grid of 0.0005 degrees (about 50 m). A cell is looked at once: where one area covers all of it,
that is the answer for every point in it; otherwise the few outlines that touch it are kept and each point is tried.
So the grid makes it faster and never different, whatever was asked before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.errors import GEOSException
from shapely.geometry.base import BaseGeometry

from streams.model import Area

Floats = NDArray[np.float64]

GRID_DEG = 0.0005
GRID_CELLS_MAX = 65_536
UNSURE = -1
TRIED_MAX = 8
"""Outlines that touch one cell; where there are more, its points are looked at one by one."""
_ROW = 1 << 32  # a cell is its step of longitude times this, plus its step of latitude
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
        self._from_s = np.array([-np.inf if area.valid_from_s is None else area.valid_from_s for area in drawn])
        self._to_s = np.array([np.inf if area.valid_to_s is None else area.valid_to_s for area in drawn])
        for outline in self._shapes:
            shapely.prepare(outline)
        self._index = shapely.STRtree(self._shapes)
        self._array = np.array(self._shapes, object)
        self._seen = _Seen()  # the same as below, in arrays
        self._grid: dict[int, tuple[int, ...]] = {}
        self._sure: dict[int, int] = {}
        self._emptied = 0

    @property
    def emptied(self) -> int:
        """How often the grid, or its copy for many points, grew to its bound and was begun anew."""
        return self._emptied + self._seen.emptied

    def find(self, lat: float, lon: float, at_s: int) -> str | None:
        """The deepest area around a point, one that exists at the time if there is any; None outside all of them."""
        if not self._codes or not (abs(lat) <= 90 and abs(lon) <= 180):
            return None
        cell = math.floor(lon / GRID_DEG) * _ROW + math.floor(lat / GRID_DEG)
        sure = self._sure.get(cell)
        if sure is not None:
            return self._codes[sure]
        past = None
        for i in self._touching(cell):
            if shapely.intersects_xy(self._shapes[i], lon, lat):
                if not self._bounded[i] or self._valid(self._codes[i], at_s):
                    return self._codes[i]
                past = past or self._codes[i]
        return past

    def find_many(self, lat: Floats, lon: Floats, at_s: NDArray[np.int64]) -> list[str | None]:
        """The same of many points on earth; None also where an area that is past or to come makes it less than plain."""
        if len(lat) > GRID_CELLS_MAX or not self._codes:
            return [None] * len(lat)
        cells = (np.floor(lon / GRID_DEG) * _ROW + np.floor(lat / GRID_DEG)).astype(np.int64)
        at = self._seen.rows(cells, self._row)
        found = self._seen.sure[at]
        left = np.flatnonzero(found == UNSURE)
        for rank in range(TRIED_MAX):
            candidate = self._seen.tried[at[left], rank]
            left, candidate = left[candidate != UNSURE], candidate[candidate != UNSURE]
            if not len(left):
                break
            inside = shapely.intersects_xy(self._array[candidate], lon[left], lat[left])
            sure = inside & (self._from_s[candidate] <= at_s[left]) & (at_s[left] < self._to_s[candidate])
            found[left[sure]] = candidate[sure]
            left = left[~inside]
        return [self._codes[i] if i >= 0 else None for i in found.tolist()]

    def _row(self, cell: int) -> tuple[int, tuple[int, ...]]:
        touching = self._touching(cell)
        return self._sure.get(cell, UNSURE), touching if len(touching) <= TRIED_MAX else ()

    def _touching(self, cell: int) -> tuple[int, ...]:
        known = self._grid.get(cell)
        if known is None and cell in self._sure:
            return (self._sure[cell],)
        return self._look(cell) if known is None else known

    def _look(self, cell: int) -> tuple[int, ...]:
        if len(self._grid) + len(self._sure) >= GRID_CELLS_MAX:
            self._grid.clear()
            self._sure.clear()
            self._emptied += 1
        row = (cell + _ROW // 2) % _ROW - _ROW // 2
        west, south = (cell - row) // _ROW * GRID_DEG, row * GRID_DEG
        box = shapely.box(west - _EDGE_DEG, south - _EDGE_DEG, west + GRID_DEG + _EDGE_DEG, south + GRID_DEG + _EDGE_DEG)
        touching = tuple(sorted(self._index.query(box, predicate="intersects").tolist()))
        if touching and not self._bounded[touching[0]] and shapely.covers(self._shapes[touching[0]], box):
            self._sure[cell] = touching[0]
        else:
            self._grid[cell] = touching
        return touching


class _Seen:
    """Cells in ascending order, which area covers each for good, and which outlines touch it."""

    def __init__(self) -> None:
        self.emptied = 0
        self._begin()

    def _begin(self) -> None:
        self._cells = np.zeros(0, np.int64)
        self.sure = np.zeros(0, np.int64)
        self.tried = np.zeros((0, TRIED_MAX), np.int64)

    def rows(self, cells: NDArray[np.int64], look: Callable[[int], tuple[int, tuple[int, ...]]]) -> NDArray[np.int64]:
        """Where they are; ``look`` tells about one that was not seen before."""
        new = cells if not len(self._cells) else cells[self._cells[np.searchsorted(self._cells, cells) % len(self._cells)] != cells]
        if len(new):
            new = np.unique(new)
            if len(self._cells) + len(new) > GRID_CELLS_MAX:
                self._begin()
                self.emptied += 1
                return self.rows(cells, look)
            found = [look(cell) for cell in new.tolist()]
            tried = np.array([(*touching, *[UNSURE] * (TRIED_MAX - len(touching))) for _, touching in found], np.int64)
            at = np.searchsorted(self._cells, new)
            self._cells = np.insert(self._cells, at, new)
            self.sure = np.insert(self.sure, at, [sure for sure, _ in found])
            self.tried = np.insert(self.tried, at, tried, axis=0)
        return np.searchsorted(self._cells, cells)


def _shape(area: Area) -> BaseGeometry:
    try:
        outline = shapely.from_geojson(area.geometry)
    except GEOSException:
        outline = None
    if outline is None or outline.geom_type not in {"Polygon", "MultiPolygon"} or not outline.is_valid:
        raise ValueError(f"the outline of area {area.code!r} is not a valid GeoJSON polygon; draw it again")
    return outline
