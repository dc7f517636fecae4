"""The layout of shards: which areas and signals are their series, who their ancestors are, which detector scores them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import detectors
from detectors.base import Bools, Detector, Floats, Ints, Observed, Setup
from streams.core.areas import AreaTree
from streams.core.risk import multiplicity
from streams.core.windows import Open
from streams.model import DAY_S, Area, Signal
from streams.settings import City


@dataclass
class Bank:
    """One detector over the series ``rows`` of its shard."""

    detector: Detector
    kind: str
    rows: Ints  # (S,) rows of the shard, ascending
    dense: Bools  # (S,) scored at every window, not only when something was counted
    applies: Bools  # (S, D) durations that the series' signal asks for
    factor: Floats  # (S,) multiplicity of those
    fresh: Bools  # (D,) durations of a day or less
    fresh_factor: Floats  # (S,)
    flagged: Bools  # (S,) surprising of late, so scored again
    absent_is_zero: bool

    def observed(self, cells: Open) -> Observed:
        """What the series of this bank saw in a window."""
        return cells.observed(self.rows, absent_is_zero=self.absent_is_zero, levels=self.kind == "level")


class Layout:
    """Rows of some shards: ``row = area * signals + signal``; shards as given, their areas in tree order, signals as the city lists them."""

    def __init__(self, city: City, shards: tuple[str, ...], tree: AreaTree) -> None:
        self.city, self.shards = city, shards
        self.root = not city.flat and shards == (tree.root.code,)
        members = [self._members(shard, tree) for shard in shards]
        self.areas: tuple[Area, ...] = tuple(area for areas in members for area in areas)
        self.signals: tuple[Signal, ...] = city.signals
        self.durations_s = city.detection.durations_s
        self.size = len(self.areas) * len(self.signals)
        self.shard_of_area: Ints = np.repeat(np.arange(len(shards)), [len(areas) for areas in members])
        self.area_at = {area.code: i for i, area in enumerate(self.areas)}
        self.signal_at = {signal.name: i for i, signal in enumerate(self.signals)}
        self.lineage = self._lineage(tree)

    def _members(self, shard: str, tree: AreaTree) -> tuple[Area, ...]:
        if self.city.flat:
            return tuple(area for area in self.city.areas if area.code != tree.root.code)
        if shard == tree.root.code:
            return (tree.root,)
        return tuple(tree[code] for code in tree.subtree(shard))

    def _lineage(self, tree: AreaTree) -> list[Ints]:
        """For each area its own index and those of its ancestors inside the shard."""
        if self.city.flat:
            return [np.array([i]) for i in range(len(self.areas))]
        own = self.area_at
        return [np.array([own[a.code], *(own[code] for code in tree.ancestors(a.code) if code in own)]) for a in self.areas]

    def area_index(self, code: str) -> int:
        """Where a code of a ``Counts`` record counts here; -1: nowhere. The city's shard counts every code."""
        return 0 if self.root else self.area_at.get(code, -1)

    def name(self, row: int) -> tuple[Area, Signal]:
        """Area and signal of a row."""
        return self.areas[row // len(self.signals)], self.signals[row % len(self.signals)]

    def shard_of(self, rows: Ints) -> Ints:
        """Index of the shard of each row; rows ascending give shards ascending."""
        return np.asarray(self.shard_of_area[rows // max(len(self.signals), 1)])

    def banks(self) -> list[Bank]:
        """One bank for each detector that some signal uses."""
        known = detectors.registered()
        detection = self.city.detection
        usual = {"count": detection.count_detector, "level": detection.level_detector}
        names = [signal.detector or usual[signal.kind] for signal in self.signals]
        signal_of = np.tile(np.arange(len(self.signals)), len(self.areas))
        depth_of = np.repeat(np.array([area.level for area in self.areas]), len(self.signals))
        banks = []
        for name in sorted(set(names)):
            rows = np.flatnonzero(np.array([names[s] == name for s in signal_of], bool))
            durations = tuple(d // detection.window_s for d in self.durations_s)
            setup = Setup(
                signals=self.signals,
                signal=signal_of[rows],
                depth=depth_of[rows],
                window_s=detection.window_s,
                durations=durations,
                params=detection.params.get(name, {}),
                pool=self.shard_of(rows),
            )
            banks.append(self._bank(known[name](setup), known[name].kind, rows, signal_of[rows], durations))
        return banks

    def _bank(self, detector: Detector, kind: str, rows: Ints, signal: Ints, durations: tuple[int, ...]) -> Bank:
        asked = [set(s.durations_s or self.durations_s) for s in self.signals]
        used = [np.array([d in wanted for d in self.durations_s], bool) for wanted in asked]
        fresh = np.array([d <= DAY_S for d in self.durations_s], bool)
        if not fresh.any():
            fresh[0] = True
        factors = np.array([_factor(durations, use) for use in used])
        fresh_factors = np.array([_factor(durations, use & fresh) for use in used])
        dense = np.array([kind != "count" or self.signals[s].direction != "up" for s in signal], bool)
        return Bank(
            detector=detector,
            kind=kind,
            rows=rows,
            dense=dense,
            applies=np.array(used)[signal],
            factor=factors[signal],
            fresh=fresh,
            fresh_factor=fresh_factors[signal],
            flagged=np.zeros(len(rows), bool),
            absent_is_zero=kind == "silence" or (kind == "count" and self.city.detection.missing == "zero"),
        )


def _factor(durations: tuple[int, ...], applies: Bools) -> float:
    chosen = tuple(d for d, used in zip(durations, applies, strict=True) if used)
    return multiplicity(chosen) if chosen else 1.0


def shards_of(city: City) -> tuple[str, ...]:
    """The shards of a city: its root, and each area of the shard level; one for a flat city."""
    root = AreaTree(city.areas).root.code
    if city.flat:
        return (root,)
    return (root, *sorted(area.code for area in city.areas if area.level == city.shard_level and area.code != root))
