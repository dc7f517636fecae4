from __future__ import annotations

import numpy as np

from streams.core import neighbours
from streams.core.neighbours import Circles
from streams.model import Area

AREAS = (
    Area("D", "D", 1, "C"),
    *(Area(f"S{i}", f"S{i}", 2, "D") for i in range(4)),
    *(Area(f"S{i}{j}", f"S{i}{j}", 3, f"S{i}") for i in range(2) for j in range(2)),
)
AT = {area.code: i for i, area in enumerate(AREAS)}
LINEAGE = [np.array([AT[c] for c in (a.code, *((a.parent, "D") if a.level == 3 else ("D",) if a.level == 2 else ()))]) for a in AREAS]
CENTRES = {"S0": (0.0, 0.0), "S1": (0.0, 0.01), "S2": (0.0, 0.03), "S3": (0.0, 0.07)}


def circles(centres: dict[str, tuple[float, float]], neighbours: int = 1) -> Circles:
    return Circles(AREAS, np.zeros(len(AREAS), int), LINEAGE, centres, neighbours=neighbours)


def around(of: Circles, code: str) -> list[str]:
    circle = int(of.of[AT[code]])
    return [] if circle < 0 else [AREAS[i].code for i in of.members[circle].tolist() if i >= 0]


def test_a_circle_is_an_area_and_its_nearest_ones_of_its_level() -> None:
    of = circles(CENTRES)
    assert [around(of, f"S{i}") for i in range(4)] == [["S0", "S1"], ["S1", "S0"], ["S2", "S1"], ["S3", "S2"]]


def test_without_outlines_all_below_one_area_are_neighbours_of_which_there_may_not_be_too_many(monkeypatch) -> None:
    assert around(circles({}), "S2") == ["S0", "S1", "S2", "S3"]
    assert around(circles({}), "S10") == ["S10", "S11"]
    monkeypatch.setattr(neighbours, "SIBLINGS_MAX", 3)
    assert around(circles({}), "S2") == []


def test_an_area_alone_on_its_level_has_no_circle() -> None:
    assert around(circles({}), "D") == []


def test_what_a_circle_finds_is_told_of_the_lowest_area_that_holds_it() -> None:
    of = circles({})
    assert AREAS[of.around([AT["S00"], AT["S01"]])].code == "S0"
    assert AREAS[of.around([AT["S00"], AT["S10"]])].code == "D"
    assert of.levels_below.tolist() == [2, 1, 1, 0, 0, 0, 0, 0, 0]
