"""An attack on everything that is published: is a small count of a small area what others give by addition and subtraction?

The attacker knows every number of the views, of alerts as the API shows them, and of their sentences, each a sum over leaves of the tree
and hours, and that a sum of nothing is nothing everywhere in it. A count is given away when it is a linear combination of what is known.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linprog

from sinks.base import Batch
from sinks.checks import alert, transition
from sinks.clickhouse.chdb_sink import ChdbSink
from sinks.cockpit.small import SmallNumbers
from sinks.cockpit.views import Places, View
from streams.columns import Cells, pack
from streams.core.explain import why
from streams.model import Alert, Area, Evidence, Member, Scores, Signal, Span

HOURS, START_S, FLOOR = 30, 1_422_000_000, 5
DURATIONS_H = (1, 3, 6, 12)
NOISE = Signal("noise", "Noise", "noise")
replace = msgspec.structs.replace

Sum = tuple[str, int, int]
"""An area with all that lies in it, from an hour up to another."""


@dataclass
class Town:
    """A random town with what really happened in it."""

    seed: int
    areas: list[Area] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)

    def __post_init__(self) -> None:
        rng = random.Random(self.seed)
        self.areas.append(Area("city", "City", 0, None))
        for d in range(2):
            self.areas.append(Area(f"d{d}", f"District {d}", 1, "city"))
            for s in range(rng.choice((2, 3, 4, 5))):
                street = f"d{d}s{s}"
                self.areas.append(Area(street, f"Street {street}", 2, f"d{d}"))
                self.areas += [Area(f"{street}c{c}", f"Lane {street}c{c}", 3, street) for c in range(rng.choice((0, 0, 2, 3, 4)))]
        self.places = Places(self.areas)
        parents = {area.parent for area in self.areas}
        self.leaves = [area.code for area in self.areas if area.code not in parents]
        draw = np.random.default_rng(self.seed)
        self.n = draw.poisson(rng.choice((0.2, 0.7, 2.0)), (len(self.leaves), HOURS))
        for _ in range(4):
            leaf, at = rng.randrange(len(self.leaves)), rng.randrange(HOURS - 3)
            self.n[leaf, at : at + 3] += draw.poisson(6, 3)
        self.small = [area.code for area in self.areas if area.level >= 2]
        self.alerts = [self._alert(f"a{i}", rng) for i in range(5)]

    def vector(self, told: Sum) -> NDArray[np.float64]:
        area, since, until = told
        held = np.zeros(self.n.shape)
        rows = [i for i, leaf in enumerate(self.leaves) if area in self.places.lineage(leaf)]
        held[rows, max(0, since) : until] = 1
        return held.ravel()

    def count(self, told: Sum) -> int:
        return int(self.vector(told) @ self.n.ravel())

    def _alert(self, alert_id: str, rng: random.Random) -> Alert:
        end = rng.randrange(12, HOURS + 1)
        first = rng.choice(self.small)
        near = [code for code in self.small if code != first and set(self.places.lineage(code)[1:2]) & set(self.places.lineage(first))]
        chosen = [first, *rng.sample(near, min(len(near), rng.choice((0, 1, 3))))]
        members = tuple(self._member(code, end, 90.0 - i) for i, code in enumerate(chosen))
        return replace(
            alert(alert_id, 0), area=first, signals=("noise",), members=members, why=members[0].why, updated_s=START_S + end * 3600,
            onset_s=START_S,
        )  # fmt: skip

    def _member(self, code: str, end: int, risk: float) -> Member:
        seen = [(hours, self.count((code, end - hours, end))) for hours in DURATIONS_H]
        evidence = tuple(Evidence(hours * 3600, float(n), 0.5, 0.0, 2.0, round(1 / (3 + n * n / hours), 4)) for hours, n in seen)
        lead = min(evidence, key=lambda e: (e.p, e.duration_s))
        sentence = why(NOISE, self.places.areas[code], lead, 1e7, fewer_than=FLOOR, small=True, flags=())
        return Member(code, "noise", START_S, START_S + end * 3600, 1e7, risk, sentence, evidence)

    def batch(self) -> Batch:
        """What the core would hand to the sinks; scores of every area at random windows, and of districts at all."""
        area, hour = np.nonzero(self.n)
        nothing = np.full(len(area), np.nan)
        minute = (START_S // 60 + hour * 60 + 7).astype(np.int32)
        zeros = np.zeros(len(area), np.int32)
        cells = Cells(
            zeros.astype(np.uint16), area.astype(np.uint32), zeros.astype(np.uint16), minute, self.n[area, hour].astype(np.int32), zeros,
            np.zeros(len(area)), nothing, nothing, zeros,
        )  # fmt: skip
        span = Span("raw.hotline/0", "hotline", 0, 10, START_S, START_S)
        counts = pack(rollup=False, config_hash="", spans=[span], areas=self.leaves, signals=["noise"], cells=cells)
        steps = tuple((i, transition(each)) for i, each in enumerate(self.alerts, 1))
        return Batch(counts=((1, counts),), scores=tuple(self._scores()), alerts=tuple(self.alerts), transitions=steps)

    def _scores(self) -> Iterable[Scores]:
        rng = random.Random(self.seed)
        for end in range(12, HOURS + 1):
            rows = [(area.code, h) for area in self.areas for h in DURATIONS_H if area.level <= 1 or rng.random() < 0.3]
            seen = [float(self.count((code, end - h, end))) for code, h in rows]
            ones = [1.0] * len(rows)
            yield Scores(
                "d", START_S + end * 3600, "v", [code for code, _ in rows], ["noise"] * len(rows), [h * 3600 for _, h in rows], seen, ones,
                [0.01] * len(rows), ones, ones,
            )  # fmt: skip


Known = dict[Sum, float]
"""Exact numbers."""


def known_of_views(town: Town, sink: ChdbSink) -> Known:
    known: Known = {(f"d{d}", h, h + 1): 0.0 for d in range(2) for h in range(HOURS)}
    for row in sink.query("SELECT toUInt32(hour) AS at, district AS area, toInt64(n) AS n FROM v_districts"):
        known[_hour(row)] = row["n"]
    for row in sink.query("SELECT toUInt32(hour) AS at, area, n FROM v_cells WHERE n IS NOT NULL"):
        known[_hour(row)] = row["n"]
    for row in sink.query("SELECT toUInt32(window_end) AS at, area, duration_s, observed AS n FROM v_scores WHERE observed IS NOT NULL"):
        end = (row["at"] - START_S) // 3600
        known[row["area"], end - row["duration_s"] // 3600, end] = row["n"]
    for row in sink.query("SELECT id, why FROM v_alerts UNION ALL SELECT alert_id AS id, why FROM v_transitions"):
        (about,) = (each for each in town.alerts if each.id == row["id"])
        known |= known_of_sentence(town, about, row["why"])
    return known


def _hour(row: dict[str, Any]) -> Sum:
    at = (row["at"] - START_S) // 3600
    return row["area"], at, at + 1


def known_of_sentence(town: Town, about: Alert, sentence: str) -> Known:
    found = re.search(r"^Noise, (?:Street|Lane) (\S+): ([\d,]+) in the last (.+?), ", sentence)
    if not found:
        return {}
    words = found[3].split()
    hours = int(words[0]) if words[0].isdigit() else 1
    end = (about.updated_s - START_S) // 3600
    assert town.count((found[1], end - hours, end)) == int(found[2]), "the attacker reads it rightly"
    return {(found[1], end - hours, end): float(found[2])}


def known_of_alerts(town: Town, view: View) -> Known:
    known: Known = {}
    for each in town.alerts:
        shown = view.detail(each)
        texts = [shown["why"], view.transition(transition(each))["why"], *(member["why"] for member in shown["members"])]
        for text in texts:
            known |= known_of_sentence(town, each, text)
        end = (each.updated_s - START_S) // 3600
        for member in shown["members"]:
            for told in member["evidence"]:
                if told["observed"] is not None and told["observed_text"] is None:
                    known[member["area"], end - told["duration_s"] // 3600, end] = told["observed"]
    return known


def given_away(town: Town, known: Known) -> list[Sum]:
    """Counts from 1 to below the floor, of small areas in an hour or a duration that an alert looked at, that follow from what is known."""
    assert all(town.count(told) == n for told, n in known.items()), "what is published is true"
    rows = [town.vector(told) for told in known]
    nothing = np.zeros(town.n.size)
    for row, n in zip(rows, known.values(), strict=True):
        if n == 0:
            nothing += row
    free = np.flatnonzero(nothing == 0)
    _, sizes, basis = np.linalg.svd(np.array(rows)[:, free], full_matrices=True)
    unknown = basis[int((sizes > 1e-9).sum()) :]  # directions that change nothing that is published
    wanted = {(code, h, h + 1) for code in town.small for h in range(HOURS)}
    for each in town.alerts:
        end = (each.updated_s - START_S) // 3600
        wanted |= {(member.area, end - h, end) for member in each.members for h in DURATIONS_H}
    sensitive = [told for told in sorted(wanted) if 0 < town.count(told) < FLOOR]
    return [told for told in sensitive if np.abs(unknown @ town.vector(told)[free]).max(initial=0.0) < 1e-7]


TOWNS = 12


def view_of(town: Town, *, complementary: bool = True) -> View:
    return View(town.areas, (NOISE,), suppress_below=FLOOR, complementary=complementary)


@pytest.mark.parametrize("seed", range(TOWNS))
def test_no_small_count_follows_from_what_is_published(seed: int, open_chdb: Callable[..., ChdbSink]) -> None:
    town = Town(seed)
    sink = open_chdb(areas=town.areas, signals=(NOISE,), suppress_below=FLOOR)
    sink.write(town.batch())
    known = known_of_views(town, sink) | known_of_alerts(town, view_of(town))
    assert len(known) > 2 * HOURS
    assert given_away(town, known) == []


def test_with_the_floor_alone_small_counts_follow() -> None:
    lost = sum(
        bool(given_away(town, districts(town) | known_of_alerts(town, view_of(town, complementary=False))))
        for town in map(Town, range(TOWNS))
    )
    assert lost >= TOWNS // 3, "or the attack finds nothing, whatever is published"


def test_with_hours_of_streets_small_counts_follow() -> None:
    lost = 0
    for town in map(Town, range(TOWNS)):
        hours = {(code, h, h + 1) for code in town.small for h in range(HOURS)}
        days = {(code, h, h + 6): float(town.count((code, h, h + 6))) for code in town.small for h in range(0, HOURS, 6)}
        shown = {told: float(n) for told in hours if (n := town.count(told)) >= FLOOR} | {k: n for k, n in days.items() if n >= FLOOR}
        lost += bool(given_away(town, districts(town) | shown))
    assert lost >= TOWNS // 3


def districts(town: Town) -> Known:
    return {(f"d{d}", h, h + 1): float(town.count((f"d{d}", h, h + 1))) for d in range(2) for h in range(HOURS)}


def pinned(town: Town, *, complementary: bool) -> list[Sum]:
    """Counts that can be only one number, when rounded ones are taken as bounds and every count is at least nothing. A sample."""
    rows, least, most = [], [], []
    for told, n in districts(town).items():
        rows.append(town.vector(told))
        least.append(n)
        most.append(n)
    view = view_of(town, complementary=complementary)
    for each in town.alerts:
        end = (each.updated_s - START_S) // 3600
        for member in view.detail(each)["members"]:
            for told in member["evidence"]:
                known, few = told["observed"], str(told["observed_text"]).startswith("fewer")
                if known is None and not few:
                    continue
                rows.append(town.vector((member["area"], end - told["duration_s"] // 3600, end)))
                least.append(known or 0.0)
                most.append(FLOOR - 1 if few else known + FLOOR - 1 if told["observed_text"] else known)
    matrix, bounds = np.vstack([rows, np.negative(rows)]), np.concatenate([most, np.negative(least)])
    sample = [
        (each.members[0].area, (each.updated_s - START_S) // 3600 - h, (each.updated_s - START_S) // 3600)
        for each in town.alerts
        for h in (1, 3)
    ]
    found = []
    for told in (told for told in sample if 0 < town.count(told) < FLOOR):
        ends = [linprog(sign * town.vector(told), A_ub=matrix, b_ub=bounds, method="highs").fun * sign for sign in (1, -1)]
        if np.ceil(ends[0] - 1e-6) == np.floor(ends[1] + 1e-6):
            found.append(told)
    return found


def test_nor_can_a_small_count_be_only_one_number() -> None:
    for seed in (0, 12, 20, 24):
        assert pinned(Town(seed), complementary=True) == []
    assert all(pinned(Town(seed), complementary=False) for seed in (12, 20, 24)), "or it would find nothing, whatever is published"


def test_counts_of_streets_are_told_rounded_and_alone() -> None:
    streets = [Area("d", "D", 1, None), *(Area(f"s{i}", f"S{i}", 2, "d") for i in range(4))]
    evidence = tuple(Evidence(60 * n, float(n), 12.4, 1.0, 2.0, 0.01) for n in (4, 5, 9, 42))
    member = Member("s0", "noise", 0, 0, 1.0, 1.0, "Noise, S0: 4 in the last 4 minutes, 12 expected (1 to 2); by chance.", evidence)
    shown = View(streets, (NOISE,)).detail(replace(alert("a", 0), members=(member,)))["members"][0]
    assert [(told["observed"], told["observed_text"]) for told in shown["evidence"]] == [
        (None, "fewer than 5"), (5, "5 to 9"), (5, "5 to 9"), (40, "40 to 44"),
    ]  # fmt: skip
    assert [told["expected"] for told in shown["evidence"]] == [None, 10.0, 10.0, 10.0]
    assert {told[name] for told in shown["evidence"] for name in ("p", "lower", "upper")} == {None}


def test_of_n_streets_at_most_n_less_two_are_told_and_the_lead_is() -> None:
    for n in range(1, 6):
        streets = [Area("d", "D", 1, None), *(Area(f"s{i}", f"S{i}", 2, "d") for i in range(n))]
        members = tuple(Member(f"s{i}", "noise", 0, 0, 1.0, float(i), "", (Evidence(60, 9.0, 1.0, 0.0, 2.0, 0.01),)) for i in range(n))
        told = SmallNumbers(Places(streets), frozenset(), FLOOR).told(replace(alert("a", 0), members=members))
        assert {area for area, _ in told} == {f"s{i}" for i in range(2, n)}
