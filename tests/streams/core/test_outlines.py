from __future__ import annotations

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from streams.core.areas import AreaTree
from streams.core.outlines import GRID_DEG, Outlines
from tests.streams.core.intake_city import AREAS, T0

TREE = AreaTree(AREAS)
LATER = T0 + 86_400


def outlines() -> Outlines:
    return Outlines("100", AREAS, TREE.valid)


SHARED = outlines()


def plainly(lat: float, lon: float, at_s: int) -> str | None:
    """Every outline tried, the deepest valid one taken; else the deepest at all."""
    around = [a for a in AREAS if a.geometry and shapely.from_geojson(a.geometry).intersects(shapely.Point(lon, lat))]
    around.sort(key=lambda a: (-a.level, a.code))
    valid = [a.code for a in around if TREE.valid(a.code, at_s)]
    return next(iter(valid or [a.code for a in around]), None)


@pytest.mark.parametrize(
    "lat, lon, at_s, code",
    [
        (0.30, 0.30, T0, "10101"),
        (0.90, 0.90, T0, "0101"),
        (0.10, 1.10, T0, "10201"),
        (0.10, 1.60, T0, "10202"),
        (0.10, 1.60, LATER, "102"),
        (0.50, 1.00, T0, "10201"),  # a shared corner: the deeper wins
        (0.70, 1.00, T0, "0101"),  # a shared border: the smaller code wins
        (5.0, 5.0, T0, None),
        (95.0, 0.5, T0, None),
        (float("nan"), 0.5, T0, None),
        (0.5, float("inf"), T0, None),
    ],
)
def test_the_deepest_area_around_a_point(lat: float, lon: float, at_s: int, code: str | None):
    assert outlines().find(lat, lon, at_s) == code


near = st.sampled_from([0.0, 0.2, 0.45, 0.5, 1.0, 1.5, 2.0]).flatmap(lambda edge: st.floats(edge - 2 * GRID_DEG, edge + 2 * GRID_DEG))


@given(near | st.floats(-0.5, 1.5), near | st.floats(-0.5, 2.5), st.sampled_from([T0, LATER]))
def test_the_grid_changes_no_answer_whatever_was_asked_before(lat: float, lon: float, at_s: int):
    assert SHARED.find(lat, lon, at_s) == plainly(lat, lon, at_s)


def test_the_grid_is_bounded_and_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("streams.core.outlines.GRID_CELLS_MAX", 4)
    found = outlines()
    for i in range(20):
        assert found.find(0.6 + i * 0.01, 0.6, T0) == "0101"
        assert len(found._grid) + len(found._sure) <= 4
    assert found.emptied == 4
