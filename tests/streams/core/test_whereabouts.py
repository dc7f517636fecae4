from __future__ import annotations

from typing import NamedTuple

from streams.core.whereabouts import share, whereabouts
from streams.model import Evidence


class Series(NamedTuple):
    area: str
    signal: str
    window_end_s: int
    evidence: tuple[Evidence, ...]
    strength: tuple[float, ...] = (1.0,)


class Codes:
    """Area codes that begin with the code of what holds them."""

    def within(self, area: str, scope: str) -> bool:
        return area.startswith(scope)

    def common(self, a: str, b: str) -> str:
        return a if b.startswith(a) else self.common(a[:-1], b)


def seen(area: str, *observed: float, signal: str = "fire", end_s: int = 36_000) -> Series:
    """Observed over 1 h, 3 h ...; one is expected over each; the first is the most surprising."""
    return Series(
        area, signal, end_s, tuple(Evidence(3600 * (2 * i + 1), n, 1.0, 0.0, 3.0, 10.0 ** (i - 9)) for i, n in enumerate(observed))
    )


def test_a_burst_in_one_leaf_is_in_the_leaf() -> None:
    assert whereabouts([seen("C", 21), seen("CD", 20), seen("CDS", 20), seen("CDSa", 19)], Codes()) == "CDSa"


def test_a_burst_in_several_leaves_is_in_the_area_that_holds_them() -> None:
    assert whereabouts([seen("C", 21), seen("CD", 20), seen("CDa", 9), seen("CDb", 8)], Codes()) == "CD"


def test_what_is_everywhere_is_in_the_city() -> None:
    assert whereabouts([seen("C", 40), seen("CA", 12), seen("CB", 14), seen("CBx", 14)], Codes()) == "C"


def test_two_leaves_alone_are_in_what_holds_both() -> None:
    assert whereabouts([seen("CDa", 9), seen("CDb", 8)], Codes()) == "CD"


def test_each_signal_is_placed_on_its_own() -> None:
    calls = [seen("CD", 20), seen("CDa", 9), seen("CDb", 9)]
    gauge = [seen("C", 5, signal="water"), seen("CD", 5, signal="water"), seen("CDa", 5, signal="water")]
    assert whereabouts(calls + gauge, Codes()) == "CD"


def test_calm_series_count_only_when_all_are() -> None:
    calm = Series("CE", "fire", 36_000, seen("CE", 9).evidence, (0.0,))
    assert whereabouts([calm, seen("CDa", 9)], Codes()) == "CDa"
    assert whereabouts([calm], Codes()) == "CE"


def test_old_evidence_explains_nothing() -> None:
    assert whereabouts([seen("C", 21), seen("CD", 20, end_s=36_000 - 3600)], Codes()) == "C"


def test_a_leaf_that_falls_silent_explains_what_its_district_lacks() -> None:
    district = Series("CD", "feed", 0, (Evidence(3600, 40.0, 60.0, 45.0, 75.0, 1e-6),))
    leaf = Series("CDa", "feed", 0, (Evidence(3600, 0.0, 20.0, 12.0, 28.0, 1e-9),))
    assert share(district, leaf) == 1.0
    assert whereabouts([district, leaf], Codes()) == "CDa"
