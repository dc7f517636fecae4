"""What neighbours see together, through the whole of score, and what its p-values promise."""

from __future__ import annotations

from functools import cache

import msgspec
import numpy as np
import pytest
from msgspec import structs

from load_tests import spread
from streams.core import scan
from streams.core.areas import AreaTree
from streams.core.pipeline import Scorer
from streams.core.score import Shards
from streams.model import DAY_S, HOUR_S, Area, Counts, Finding, Signal
from streams.settings import City
from tests.streams.core.test_score import record

DAYS = 64
OUTBREAK = 24 * 62
CITY_DISTRICTS = 6
SIZE_SD = 3.0


def town(neighbours: int) -> City:
    city = spread.town(neighbours)
    detection = structs.replace(city.detection, finding_floor_s=DAY_S)
    return structs.replace(city, signals=(Signal("s0", "Noise", "noise"),), detection=detection, suppress_below=0)


def journal(extra: float, *, areas: list[str] | None = None, rollup: bool = False, of: tuple[int, ...] = spread.STREETS) -> list[Counts]:
    """Counts of one signal; for a day from ``OUTBREAK`` on what is expected and ``extra`` standard deviations more in some streets. ``areas``: others than the sixteen streets."""
    rng = np.random.default_rng(3)
    rate, size = 0.25, len(areas) if areas else spread.SIDE**2
    counts = rng.negative_binomial(rate / (spread.PHI - 1), 1 / spread.PHI, (DAYS * 24, size))
    much = round(24 * rate + extra * (24 * rate * spread.PHI) ** 0.5)
    for i, street in enumerate(of):  # in each exactly so much, evenly over the day: by chance one of them would stand out
        counts[OUTBREAK : OUTBREAK + 24, street] = 0
        np.add.at(counts, (OUTBREAK + (np.arange(much) * 24 // much + i) % 24, street), 1)
    names = areas or [f"D0s{i:02}" for i in range(size)]
    out = []
    for hour, row in enumerate(counts.tolist()):
        cells = [(hour * 60, name, "s0", n) for name, n in zip(names, row, strict=True) if n]
        out.append(record(cells, (hour + 1) * HOUR_S, rollup=rollup))
    return out


@cache
def found(neighbours: int, extra: float, of: tuple[int, ...] = spread.STREETS) -> tuple[Finding, ...]:
    scorer = Scorer(town(neighbours), ("D0",))
    return tuple(f for r in journal(extra, of=of) for f in scorer.apply(r).findings)


def of_outbreak(findings: tuple[Finding, ...]) -> list[Finding]:
    return [f for f in findings if OUTBREAK <= f.window_start_s // HOUR_S < OUTBREAK + 30 and not f.early]


def test_an_outbreak_spread_thinly_is_rarer_to_the_scan_than_to_any_street_or_the_district() -> None:
    together = [f for f in of_outbreak(found(5, SIZE_SD)) if "neighbours" in f.flags]
    alone = of_outbreak(found(0, SIZE_SD))
    assert together
    assert min(f.p for f in together) < min((f.p for f in alone), default=1.0)
    best = min(together, key=lambda f: f.p)
    named = {f"Street {i}" for i in spread.STREETS}
    assert best.area == "D0"
    assert len([name for name in named if f"{name}," in best.why or f"{name};" in best.why]) >= 3
    assert "neighbouring areas together" in best.why and "by chance" in best.why


def test_a_burst_in_one_street_is_no_finding_of_neighbours() -> None:
    findings = of_outbreak(found(5, 12.0, (5,)))
    assert {f.area for f in findings} >= {"D0s05"}
    assert not [f for f in findings if "neighbours" in f.flags]


def test_small_counts_of_single_areas_cannot_be_told_from_the_sentence() -> None:
    city = structs.replace(town(5), suppress_below=100)
    scorer = Scorer(city, ("D0",))
    findings = [f for r in journal(SIZE_SD) for f in scorer.apply(r).findings if "neighbours" in f.flags]
    assert findings
    assert all("more than is usual" in f.why and "together" not in f.why and "chance" not in f.why for f in findings)


def test_neighbouring_districts_are_scanned_in_the_citys_shard_which_speaks_for_none_of_them() -> None:
    codes = [f"D{i}" for i in range(CITY_DISTRICTS)]
    areas = (Area("C", "City", 0, None), *(Area(code, code, 1, "C") for code in codes))
    city = structs.replace(town(5), areas=areas, centres={code: (0.0, i / 100) for i, code in enumerate(codes)})
    rows = journal(4.0, areas=codes, rollup=True, of=(1, 2, 3, 4))
    scorers = [Scorer(city, ("C",)), Scorer(structs.replace(city, detection=structs.replace(city.detection, scan_neighbours=0)), ("C",))]
    with_scan, without = ([f for r in rows for f in scorer.apply(r).findings] for scorer in scorers)
    assert {f.area for f in with_scan} == {"C"} == {f.area for f in without}
    assert [f for f in of_outbreak(tuple(with_scan)) if "neighbours" in f.flags]
    own = {f.window_start_s: f for f in with_scan if "neighbours" not in f.flags}
    assert all(own[f.window_start_s].evidence == f.evidence for f in without if f.window_start_s in own)


def test_a_snapshot_anywhere_changes_nothing() -> None:
    rows = journal(SIZE_SD)
    whole = Scorer(town(5), ("D0",))
    cut = len(rows) - 60
    for r in rows[:cut]:
        whole.apply(r)
    again = Scorer(town(5), ("D0",))
    again.restore(whole.snapshot())
    for i, r in enumerate(rows[cut:]):
        assert msgspec.json.encode(again.apply(r)) == msgspec.json.encode(whole.apply(r))
        if i == 30:
            third = Scorer(town(5), ("D0",))
            third.restore(again.snapshot())
            again = third
    assert again.snapshot() == whole.snapshot()


def test_what_neighbours_are_found_in_does_not_depend_on_who_is_hosted_with_them() -> None:
    other = [Area("E", "East", 1, "C"), *(Area(f"E{i}", f"East {i}", 2, "E") for i in range(4))]
    city = structs.replace(town(5), areas=(*town(5).areas, *other))
    tree = AreaTree(city.areas)
    together, alone = Shards(city, ("D0", "E"), tree), Shards(city, ("D0",), tree)
    found: list[Finding] = []
    for r in journal(SIZE_SD, areas=[area.code for area in city.areas if area.level == 2]):
        both, one = together.apply(r), alone.apply(r)
        assert tuple(f for f in both.findings if f.shard == "D0") == one.findings
        found += [f for f in one.findings if "neighbours" in f.flags]
    assert found


@pytest.fixture(scope="module")
def calm() -> spread.Scored:
    return spread.scored(spread.counts(1)[:, :3])


@pytest.mark.parametrize("level", [1e-2, 1e-3])
def test_where_nothing_happens_p_values_of_the_scan_are_as_small_as_often_as_they_say(calm: spread.Scored, level: float) -> None:
    share = float((calm.scan[spread.JUDGED_DAYS * 24 :] <= level).mean()) / level
    assert 1 / 1.5 <= share <= 1.5


def test_areas_below_are_left_their_own_false_alarms_and_those_above_give_a_part_of_theirs() -> None:
    layout = Scorer(town(5), ("D0",))._hosts[0]._layout
    bank = layout.banks()[0]
    assert bank.own_part.tolist() == [1.0 - scan.SHARE, *[1.0] * 16]
