"""The layout of shards: which areas and signals are their series, who their ancestors are, which detector scores them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

import detectors
from detectors.base import Bools, Detector, Expects, Floats, Ints, Observed, Setup, State
from detectors.calibration import Calibration
from streams.core.areas import AreaTree
from streams.core.combination import Combination, with_onset
from streams.core.neighbours import Circles
from streams.core.scan import Scan
from streams.core.windows import Open
from streams.model import DAY_S, Area, Signal
from streams.settings import City, Planned


class Choice(NamedTuple):
    """Durations that are combined: all that a signal asks for, and those of them of a day or less."""

    every: tuple[int, ...]  # columns
    fresh: tuple[int, ...]
    of_every: Combination
    of_fresh: Combination

    @classmethod
    def of(cls, durations: tuple[int, ...], applies: Bools, fresh: Bools) -> Choice:
        """``durations`` in windows; ``applies`` and ``fresh`` (D,)."""
        every, short = tuple(np.flatnonzero(applies).tolist()), tuple(np.flatnonzero(applies & fresh).tolist())
        return cls(every, short, Combination(tuple(durations[i] for i in every)), Combination(tuple(durations[i] for i in short)))


@dataclass
class Bank:
    """One detector over the series ``rows`` of its shard."""

    detector: Detector
    kind: str
    rows: Ints  # (S,) rows of the layout, ascending
    pool: Ints  # (S,) their shard; those that another shard speaks for stand apart
    since_s: Ints  # (S,) when their areas began
    dense: Bools  # (S,) scored at every window, not only when something was counted
    applies: Bools  # (S, D) durations that the series' signal asks for
    choice: Ints  # (S,) index into choices
    choices: tuple[Choice, ...]  # the ways in which signals choose their durations
    calibration: Calibration  # of the p-values over all durations, and over those of a day or less
    flagged: Bools  # (S,) surprising of late, so scored again
    able: Bools  # (S,) has been seen to have history enough
    absent_is_zero: bool
    scan: Scan | None  # of what neighbours see together
    own_part: Floats  # (S,) the part of a series' false alarms that is for itself, and not for what is scanned below it
    quiet: Bools  # (S,) another shard speaks for them

    def snapshot(self) -> State:
        """All state; aliases nothing."""
        parts = {"detector": self.detector.snapshot(), "calibration": self.calibration.snapshot()}
        if self.scan is not None:
            parts["scan"] = self.scan.snapshot()
        own = {"flagged": self.flagged.copy(), "able": self.able.copy()}
        return own | {f"{part}:{key}": value for part, state in parts.items() for key, value in state.items()}

    def restore(self, state: State) -> None:
        """Go on from a snapshot of a bank of the same layout."""
        self.flagged, self.able = (np.array(state[key], bool) for key in ("flagged", "able"))
        restores = {"detector:": self.detector.restore, "calibration:": self.calibration.restore}
        if self.scan is not None:
            restores["scan:"] = self.scan.restore
        for part, restore in restores.items():
            restore({key.removeprefix(part): value for key, value in state.items() if key.startswith(part)})

    def combined(self, p: Floats, rows: Ints, onset: Floats | None) -> Floats:
        """(R, 2) from (R, D): over all durations with ``onset`` (R,), and over those of a day or less; not calibrated yet."""
        out = np.ones((len(rows), 2))
        chosen = self.choice[rows]
        for i, choice in enumerate(self.choices):
            mine = np.flatnonzero(chosen == i)
            if len(mine):
                out[mine, 0] = choice.of_every(p[mine][:, choice.every])
                out[mine, 1] = choice.of_fresh(p[mine][:, choice.fresh])
        if onset is not None:
            out[:, 0] = with_onset(out[:, 0], onset)
        return out

    def note_able(self, rows: Ints) -> None:
        """These series have history enough; where silence is nothing, so have all others of their shards, which were watched from the same day on."""
        if len(rows):
            self.able[rows] = True
            if self.absent_is_zero:
                self.able |= np.isin(self.pool, self.pool[rows])

    def observed(self, cells: Open, start_s: int) -> Observed:
        """What the series of this bank saw in a window; nothing is known of an area before it began."""
        seen = cells.observed(self.rows, absent_is_zero=self.absent_is_zero, levels=self.kind == "level")
        return replace(seen, present=seen.present & (self.since_s <= start_s)) if self.since_s.max(initial=0) > start_s else seen


class Layout:
    """Rows of some shards: ``row = area * signals + signal``; shards as given, their areas in tree order, signals as the city lists them.

    Where neighbours are scanned the city's own shard has the districts as well. They are ``quiet``: looked at together only, since each has a
    shard that speaks for it.
    """

    def __init__(self, city: City, shards: tuple[str, ...], tree: AreaTree) -> None:
        self.city, self.shards = city, shards
        self.root = not city.flat and shards == (tree.root.code,)
        members = [self._members(shard, tree) for shard in shards]
        self.areas: tuple[Area, ...] = tuple(area for areas in members for area in areas)
        self.signals: tuple[Signal, ...] = city.signals
        self.durations_s = city.detection.durations_s
        self.size = len(self.areas) * len(self.signals)
        self.shard_of_area: Ints = np.repeat(np.arange(len(shards)), [len(areas) for areas in members])
        self.quiet: Bools = np.array([self.root and area.code != tree.root.code for area in self.areas], bool)
        self.area_at = {area.code: i for i, area in enumerate(self.areas) if not self.quiet[i]}
        self._fed_at = {area.code: i for i, area in enumerate(self.areas)}
        self.signal_at = {signal.name: i for i, signal in enumerate(self.signals)}
        self.lineage = self._lineage(tree)
        neighbours = 0 if city.flat else city.detection.scan_neighbours
        self._circles = Circles(self.areas, self.shard_of_area, self.lineage, city.centres, neighbours=neighbours) if neighbours else None
        self._unplanned: Bools = np.zeros(self.size, bool)
        self._planned = tuple((event.start_s, event.end_s, self._scope(event, tree)) for event in city.planned)

    def _members(self, shard: str, tree: AreaTree) -> tuple[Area, ...]:
        if self.city.flat:
            return tuple(area for area in self.city.areas if area.code != tree.root.code)
        if shard == tree.root.code:
            scanned = sorted(shards_of(self.city)[1:]) if self.city.detection.scan_neighbours else ()
            return (tree.root, *(tree[code] for code in scanned))
        return tuple(tree[code] for code in tree.subtree(shard))

    def _lineage(self, tree: AreaTree) -> list[Ints]:
        """For each area its own index and those of its ancestors inside the shard."""
        if self.city.flat:
            return [np.array([i]) for i in range(len(self.areas))]
        own = self._fed_at
        return [np.array([own[a.code], *(own[code] for code in tree.ancestors(a.code) if code in own)]) for a in self.areas]

    def _scope(self, event: Planned, tree: AreaTree) -> Bools:
        """(rows,) the series that a planned event is expected to change: of its area, and of those below and above it."""
        line = {event.area, *tree.ancestors(event.area), *tree.subtree(event.area)} if event.area else set(self._fed_at)
        areas = np.array([area.code in line for area in self.areas], bool)
        signals = np.array([not event.signals or signal.name in event.signals for signal in self.signals], bool)
        return np.asarray((areas[:, None] & signals[None, :]).reshape(-1))

    def planned(self, start_s: int, end_s: int) -> Bools:
        """(rows,) the series that something planned is expected to change between these times; not to be written to."""
        found = self._unplanned
        for begin_s, over_s, scope in self._planned:
            if begin_s < end_s and start_s < over_s:
                found = found | scope
        return found

    def area_index(self, code: str) -> int:
        """Where a code of a ``Counts`` record counts here; -1: nowhere. The city's shard counts every code."""
        return self._fed_at.get(code, 0 if self.root else -1)

    def name(self, row: int) -> tuple[Area, Signal]:
        """Area and signal of a row."""
        return self.areas[row // len(self.signals)], self.signals[row % len(self.signals)]

    def shard_of(self, rows: Ints) -> Ints:
        """Index of the shard of each row; rows ascending give shards ascending."""
        return np.asarray(self.shard_of_area[rows // max(len(self.signals), 1)])

    def _pool_of(self, rows: Ints) -> Ints:
        """Within which series of ``rows`` learn from one another."""
        return np.asarray(self.shard_of(rows) + len(self.shards) * self.quiet[rows // max(len(self.signals), 1)])

    def banks(self) -> list[Bank]:
        """One bank for each detector that some signal uses."""
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
                pool=self._pool_of(rows),
            )
            detector = detectors.find(name)
            banks.append(self._bank(detector(setup), detector.kind, rows, signal_of[rows], durations))
        return banks

    def _calibration(self, detector: Detector, kind: str, rows: Ints, signal: Ints) -> Calibration:
        """Tails are counted for each signal and level of a shard, and shrunk to that level's.

        Not those of windows longer than a day, which are few and of which outbreaks are a large part; nor those of levels, whose limits are no
        matter of chance, and of feeds.
        """
        window_s = self.city.detection.window_s
        depth = np.array([area.level for area in self.areas])
        level = self.shard_of(rows) * (1 + int(depth.max(initial=0))) + depth[rows // max(len(self.signals), 1)]
        return Calibration(
            level * len(self.signals) + signal,
            level,
            block=detector.block,
            blocks_a_day=DAY_S / (detector.block * window_s),
            kinds=2,
            active=kind == "count" and window_s <= DAY_S,
        )

    def _bank(self, detector: Detector, kind: str, rows: Ints, signal: Ints, durations: tuple[int, ...]) -> Bank:
        asked = [set(s.durations_s or self.durations_s) for s in self.signals]
        used = [np.array([d in wanted for d in self.durations_s], bool) for wanted in asked]
        fresh = np.array([d <= DAY_S for d in self.durations_s], bool)
        if not fresh.any():
            fresh[0] = True
        distinct, choice_of = np.unique(np.array(used), axis=0, return_inverse=True)
        signals = max(len(self.signals), 1)
        dense = np.array([kind != "count" or self.signals[s].direction != "up" for s in signal], bool)
        applies = np.array(used)[signal]
        scan = self._scan(detector, rows, up=~dense, applies=applies & fresh)
        return Bank(
            detector=detector,
            kind=kind,
            rows=rows,
            pool=self._pool_of(rows),
            since_s=np.array([area.valid_from_s or 0 for area in self.areas])[rows // signals],
            dense=dense,
            applies=applies,
            choice=choice_of.reshape(-1)[signal],
            choices=tuple(Choice.of(durations, use, fresh) for use in distinct),
            calibration=self._calibration(detector, kind, rows, signal),
            flagged=np.zeros(len(rows), bool),
            able=np.zeros(len(rows), bool),
            absent_is_zero=kind == "silence" or (kind == "count" and self.city.detection.missing == "zero"),
            scan=scan,
            own_part=np.ones(len(rows)) if scan is None else scan.own_part(),
            quiet=self.quiet[rows // signals],
        )

    def _scan(self, detector: Detector, rows: Ints, *, up: Bools, applies: Bools) -> Scan | None:
        """Windows longer than a day hold whole outbreaks, which the areas above see by themselves."""
        if not self._circles or not isinstance(detector, Expects) or self.city.detection.window_s > DAY_S:
            return None
        return Scan(
            detector,
            self._circles,
            rows,
            len(self.signals),
            apart=self._pool_of(rows),
            up=up,
            applies=applies,
            blocks_a_day=DAY_S / (detector.block * self.city.detection.window_s),
        )


def shards_of(city: City) -> tuple[str, ...]:
    """The shards of a city: its root, and each area of the shard level; one for a flat city."""
    root = AreaTree(city.areas).root.code
    if city.flat:
        return (root,)
    return (root, *sorted(area.code for area in city.areas if area.level == city.shard_level and area.code != root))
