"""Neighbours: the circles of areas that one outbreak may be spread over, and the area that holds what was found in one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from detectors.base import Ints
from streams.model import Area

SIBLINGS_MAX = 32
"""Without outlines all areas below one are neighbours; of more than so many nobody knows which are."""

Centre = tuple[float, float]  # latitude, longitude


class Circles:
    """Circles of the areas of some shards. Each has areas of one shard and level.

    Args:
        areas: in the order of their indices.
        shard: (A,) whose they are.
        lineage: of each area its own index and those of its ancestors in the shard, nearest first.
        centres: of the areas with an outline.
        neighbours: of an area with an outline, its nearest.
    """

    def __init__(
        self, areas: Sequence[Area], shard: Ints, lineage: Sequence[Ints], centres: Mapping[str, Centre], *, neighbours: int
    ) -> None:
        self._lineage = [line.tolist() for line in lineage]
        self.level: Ints = np.array([area.level for area in areas], np.int64)
        groups: dict[tuple[int, int], list[int]] = {}
        for i, area in enumerate(areas):
            groups.setdefault((int(shard[i]), area.level), []).append(i)
        circles: dict[tuple[int, ...], int] = {}
        self.of: Ints = np.full(len(areas), -1)  # (A,) the circle around each area, -1: none
        for _, group in sorted(groups.items()):
            for i in group:
                circle = _circle(i, group, areas, centres, neighbours)
                if len(circle) > 1:
                    self.of[i] = circles.setdefault(circle, len(circles))
        width = max((len(circle) for circle in circles), default=2)
        self.members: Ints = np.array([[*circle, *[-1] * (width - len(circle))] for circle in circles], np.int64).reshape(-1, width)
        self.levels_below: Ints = self._levels_below()

    def __len__(self) -> int:
        return len(self.members)

    def around(self, areas: Sequence[int]) -> int:
        """The lowest area that holds all of them; one of a circle always has."""
        others = [self._lineage[area] for area in areas[1:]]
        found: int = next(above for above in self._lineage[areas[0]] if all(above in line for line in others))
        return found

    def _levels_below(self) -> Ints:
        """(A,) on how many levels below an area there are circles, so that something may be found in it."""
        found: list[set[int]] = [set() for _ in self._lineage]
        for i in np.flatnonzero(self.of >= 0).tolist():
            for above in self._lineage[i][1:]:
                found[above].add(int(self.level[i]))
        return np.array([len(levels) for levels in found], np.int64)


def _circle(i: int, group: Sequence[int], areas: Sequence[Area], centres: Mapping[str, Centre], neighbours: int) -> tuple[int, ...]:
    """An area of a shard's level ``group`` and its neighbours, nearest first; those below one area in their own order."""
    here = centres.get(areas[i].code)
    if here is None:
        siblings = tuple(j for j in group if areas[j].parent == areas[i].parent)
        return siblings if len(siblings) <= SIBLINGS_MAX else ()
    shrink = math.cos(math.radians(here[0]))
    away = []
    for j in group:
        there = centres.get(areas[j].code)
        if there is not None:
            away.append(((there[0] - here[0]) ** 2 + (shrink * (there[1] - here[1])) ** 2 if j != i else -1.0, j))
    return tuple(j for _, j in sorted(away)[: neighbours + 1])
