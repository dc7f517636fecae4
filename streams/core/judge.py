"""From a bank's p-values to findings and scores: combination over durations, recurrence interval, risk, words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.base import Bools, Floats, Ints, Verdict, Window
from streams.core.explain import why, why_together
from streams.core.risk import band, quantised, recurrence_s, risk
from streams.core.scan import Cluster, Scanned
from streams.core.shard import Bank, Layout
from streams.core.windows import Open
from streams.model import Evidence, Finding, Scores
from streams.settings import City

NOTABLE_P = 0.05
"""Scores below it are always kept; the others of cities and districts every ``rest_every_s``, or all (``score_all``)."""


class Judged(NamedTuple):
    """Scored series in one window: R rows, D durations."""

    rows: Ints  # (R,) of the shard
    seen: Floats  # (R, D)
    expected: Floats  # (R, D)
    lower: Floats  # (R, D)
    upper: Floats  # (R, D)
    p: Floats  # (R, D) 1 where a duration does not apply
    applies: Bools  # (R, D)
    raw: Floats  # (R, 2) combined over all durations, and over those of a day or less; not calibrated
    combined: Floats  # (R,) over all durations, calibrated and quantised
    recurrence_s: Floats  # (R,)
    fresh_s: Floats  # (R,)
    ready: Bools  # (R,)
    news: Bools  # (R,) something was counted in this very window, or its detector looks at silence and levels
    batch: Bools  # (R,) some of it was entered in a batch
    planned: Bools  # (R,) something planned is expected to change it
    new_level: Bools  # (R,) surprising for so long that what is usual has moved
    together: NDArray[np.object_]  # (R,) a Cluster: neighbours below saw it together; None: it is the area's own

    def where(self, chosen: Bools) -> Judged:
        """The rows for which ``chosen`` (R,) holds."""
        return Judged(*(column[chosen] for column in self))  # type: ignore[arg-type]

    @staticmethod
    def joined(parts: Sequence[Judged]) -> Judged:
        """All rows of several tables, ordered by row."""
        parts = [part for part in parts if len(part.rows)]
        if not parts:
            return EMPTY
        order = np.argsort(np.concatenate([part.rows for part in parts]), kind="stable")
        return Judged(*(np.concatenate(columns)[order] for columns in zip(*parts, strict=True)))


_NONE, _WIDE = np.zeros(0), np.zeros((0, 0))
EMPTY = Judged(
    _NONE.astype(int),
    _WIDE,
    _WIDE,
    _WIDE,
    _WIDE,
    _WIDE,
    _WIDE.astype(bool),
    np.zeros((0, 2)),
    _NONE,
    _NONE,
    _NONE,
    *(_NONE.astype(bool),) * 5,
    _NONE.astype(object),
)


class Judge:
    """Rules of some shards for what is notable, and how it is said."""

    def __init__(self, city: City, layout: Layout) -> None:
        self._city, self._layout = city, layout
        self._window_s = city.detection.window_s
        self._rest_every = max(1, city.detection.rest_every_s // self._window_s)
        self._count = count = len(layout.signals)
        self._area_codes = np.array([area.code for area in layout.areas], object)
        self._signal_names = np.array([signal.name for signal in layout.signals], object)
        self._durations_s = np.array(layout.durations_s)
        self._coarse = np.repeat([area.level <= city.shard_level for area in layout.areas], count)
        self._consequence = np.tile([s.consequence for s in layout.signals], len(layout.areas)) if count else _NONE

    def wants_all(self, index: int) -> bool:
        """Whether every series is scored at this window, notable or not."""
        return self._city.detection.score_all or (index + 1) % self._rest_every == 0

    def judge(self, window: Window, bank: Bank, verdict: Verdict, cells: Open, *, known: bool) -> Judged:
        """Combine a verdict's durations and calibrate. ``known``: the shard has history enough; limits of levels need none."""
        applies = bank.applies[verdict.rows]
        p = np.where(applies, verdict.p, 1.0)
        raw = bank.combined(p, verdict.rows, verdict.onset)
        either, fresh = quantised(bank.calibration(window.index, raw, verdict.rows) / bank.own_part[verdict.rows, None]).T
        rows = bank.rows[verdict.rows]
        return Judged(
            rows=rows,
            seen=verdict.observed,
            expected=verdict.expected,
            lower=verdict.lower,
            upper=verdict.upper,
            p=p,
            applies=applies,
            raw=raw,
            combined=either,
            recurrence_s=recurrence_s(either, self._window_s),
            fresh_s=recurrence_s(fresh, self._window_s),
            ready=verdict.ready & (known or bank.kind == "level"),
            news=(cells.n[rows] > cells.batch[rows]) | bank.dense[verdict.rows],
            batch=cells.batch[rows] > 0,
            planned=self._layout.planned(window.start_s, window.start_s + self._window_s)[rows],
            new_level=np.zeros(len(rows), bool) if verdict.new_level is None else verdict.new_level,
            together=np.full(len(rows), None, object),
        )

    def joined(self, table: Judged, scanned: Scanned) -> Judged:
        """The table with what neighbours saw together as a further chance of the areas that hold them, unless one of them says as much alone."""
        if not scanned.clusters:
            return table
        fresh_s, either_s, combined = table.fresh_s.copy(), table.recurrence_s.copy(), table.combined.copy()
        together = table.together.copy()
        for cluster in scanned.clusters:
            at = int(np.searchsorted(table.rows, cluster.row))
            p = quantised(np.array([cluster.p]))
            known_s = float(recurrence_s(p, self._window_s)[0])
            alone = np.isin(table.rows, cluster.members)
            said_s = max(fresh_s[alone].max(initial=0.0), fresh_s[at : at + 1].max(initial=np.inf if at == len(fresh_s) else 0.0))
            if at == len(table.rows) or table.rows[at] != cluster.row or known_s <= said_s:
                continue
            fresh_s[at], together[at] = known_s, cluster
            if known_s > either_s[at]:
                either_s[at], combined[at] = known_s, p[0]
        return table._replace(fresh_s=fresh_s, recurrence_s=either_s, combined=combined, together=together)

    def findings(self, table: Judged, window: Window, *, numbers: Sequence[int], early: bool) -> list[Finding]:
        """The notable rows as findings in row order, numbered on from ``numbers``, one a shard.

        A long duration remembers what happened days ago: without news in this window it is no finding.
        """
        floor_s = self._city.detection.finding_floor_s
        chosen = table.where(np.asarray(table.ready & ((table.fresh_s >= floor_s) | (table.news & (table.recurrence_s >= floor_s)))))
        if not len(chosen.rows):
            return []
        risks = risk(chosen.recurrence_s, self._consequence[chosen.rows]).tolist()
        evidence = self._evidence(chosen)
        shard = self._layout.shard_of(chosen.rows)
        first = np.searchsorted(shard, np.arange(len(numbers)))
        number = (np.array(numbers)[shard] + np.arange(len(shard)) - first[shard]).tolist()
        return [self._finding(chosen, i, value, evidence[i], window, number[i], early=early) for i, value in enumerate(risks)]

    def scores(self, table: Judged, window: Window, *, every: bool) -> list[Scores]:
        """Rows worth keeping, one line a duration; recurrence and risk are those of the series over all durations."""
        keep = table.applies & (table.p < NOTABLE_P)
        if every:
            keep |= table.applies & (self._city.detection.score_all | self._coarse[table.rows])[:, None]
        keep &= (table.expected > 0) | (table.seen != 0)
        row, duration = np.nonzero(keep)
        if not len(row):
            return []
        risks = np.where(table.ready, risk(table.recurrence_s, self._consequence[table.rows]), 0.0)
        shard = self._layout.shard_of(table.rows[row])
        bounds = [0, *(np.flatnonzero(np.diff(shard)) + 1).tolist(), len(shard)]
        return [self._scores_of(table, risks, row[a:b], duration[a:b], window) for a, b in pairwise(bounds)]

    def _scores_of(self, table: Judged, risks: Floats, row: Ints, duration: Ints, window: Window) -> Scores:
        rows = table.rows[row]
        return Scores(
            shard=self._layout.shards[int(self._layout.shard_of(rows[:1])[0])],
            window_end_s=window.start_s + self._window_s,
            config_version=self._city.config_version,
            area=self._area_codes[rows // self._count].tolist(),
            signal=self._signal_names[rows % self._count].tolist(),
            duration_s=self._durations_s[duration].tolist(),
            observed=np.round(table.seen[row, duration], 3).tolist(),
            expected=np.round(table.expected[row, duration], 5).tolist(),
            p=quantised(table.p[row, duration]).tolist(),
            recurrence_s=np.round(table.recurrence_s[row], 1).tolist(),
            risk=risks[row].tolist(),
        )

    def _evidence(self, table: Judged) -> list[tuple[Evidence, ...]]:
        columns = [np.round(column, 5).tolist() for column in (table.seen, table.expected, table.lower, table.upper)]
        p = quantised(table.p).tolist()
        used = (table.applies & ((table.expected > 0) | (table.p < 1.0))).tolist()
        return [
            tuple(Evidence(*numbers) for numbers, keep in zip(zip(self._layout.durations_s, *rows, strict=True), kept, strict=True) if keep)
            for *rows, kept in zip(*columns, p, used, strict=True)
        ]

    def _finding(
        self, table: Judged, i: int, value: float, evidence: tuple[Evidence, ...], window: Window, number: int, *, early: bool
    ) -> Finding:
        area, signal = self._layout.name(int(table.rows[i]))
        lead = min(evidence, key=lambda e: (e.p, e.duration_s))
        flags = self._flags(signal.limit_low, signal.limit_high, lead.observed) + tuple(
            word for word, column in (("batch_entry", table.batch), ("planned", table.planned), ("new_level", table.new_level)) if column[i]
        )
        if table.together[i] is not None:
            flags = (*flags, "neighbours")
        recurrence = round(float(table.recurrence_s[i]), 1)
        small = area.level > self._city.shard_level and not self._city.flat
        cluster = table.together[i]
        words = (
            why(signal, area, lead, recurrence, fewer_than=self._city.suppress_below, small=small, flags=flags)
            if cluster is None
            else self._why_together(cluster, recurrence, flags)
        )
        return Finding(
            shard=self._layout.shards[int(self._layout.shard_of(table.rows[i : i + 1])[0])],
            number=number,
            window_start_s=window.start_s,
            window_end_s=window.start_s + self._window_s,
            area=area.code,
            signal=signal.name,
            early=early,
            p=float(table.combined[i]),
            recurrence_s=recurrence,
            fresh_recurrence_s=round(float(table.fresh_s[i]), 1),
            risk=value,
            band=band(value, True, self._city.bands),
            evidence=evidence,
            why=words,
            flags=flags,
            config_version=self._city.config_version,
        )

    def _why_together(self, cluster: Cluster, recurrence: float, flags: tuple[str, ...]) -> str:
        area, signal = self._layout.name(cluster.row)
        members = [self._layout.name(row)[0] for row in cluster.members]
        return why_together(
            signal,
            area,
            Evidence(
                self._layout.durations_s[cluster.duration], sum(cluster.seen), cluster.expected, cluster.lower, cluster.upper, cluster.p
            ),
            dict(zip((member.name for member in members), cluster.seen, strict=True)),
            recurrence,
            fewer_than=self._city.suppress_below if members[0].level > self._city.shard_level else 0,
            flags=flags,
        )

    @staticmethod
    def _flags(low: float | None, high: float | None, seen: float) -> tuple[str, ...]:
        crossed = (high is not None and seen >= high) or (low is not None and seen <= low)
        return ("limit",) if crossed else ()
