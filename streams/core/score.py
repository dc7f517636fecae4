"""Score: shards turn counts into findings. A deterministic state machine: ``apply``, ``snapshot``, ``restore``.

minutes ─► windows still open ──watermark──► closed: every bank scores, then learns ─► findings, scores
                 └─► early findings: a count so high already that closing cannot take it back

What it says of closed windows depends on each raw partition by itself, not on how they interleave or how their records were
cut: an event is late by its own partition's watermark, and amends just before the window in which it was heard closes.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np
from msgspec import Struct

from detectors.base import Ints, Window
from streams.columns import Cells, unpack
from streams.core import packing
from streams.core.areas import AreaTree
from streams.core.clock import Clock
from streams.core.held import Held
from streams.core.judge import EMPTY, Judge, Judged
from streams.core.shard import Bank, Layout
from streams.core.windows import Open, index_of, window_at
from streams.model import Closed, Counts, Finding, Scores
from streams.settings import City

OPEN_WINDOWS_MAX = 4096
"""Windows kept open; beyond it the oldest closes without its watermark, counted as ``forced``."""
AHEAD_MAX = 8
"""Early findings look at most this many windows past the last closed one."""
FLAG_P = 1e-3
"""A series whose durations of a day or less are below it is scored in the next window too, counted or not."""
PLANNED_P = 1e-9
"""What a window counts as when learned in which something was planned: surprising, so it hardly shapes what is usual."""
EARLY_EVENTS_MIN = 2
"""A lone event waits for its window to close."""
SAY_AGAIN_RATIO = 10.0
"""How much rarer a window still open must have become to be said early once more."""


class Tally(Struct):
    """What shards could not do as usual, counted: late events put into longer durations, dropped, cells of no series, windows forced,
    late events of which too many waited.
    """

    amended: int = 0
    late: int = 0
    foreign: int = 0
    forced: int = 0
    unheld: int = 0


class Scored(Struct, frozen=True):
    """What shards have to say after a record."""

    findings: tuple[Finding, ...] = ()
    closed: tuple[Closed, ...] = ()
    scores: tuple[Scores, ...] = ()


class Shards:
    """The shards that one partition of the journal hosts, in one set of arrays: they read the same records, so their windows close together.

    Nothing crosses from one to another; what a shard says does not depend on which others are hosted with it.
    """

    def __init__(self, city: City, names: tuple[str, ...], tree: AreaTree) -> None:
        self.city, self.names = city, names
        self.tally = Tally()
        self._layout = Layout(city, names, tree)
        self._banks: list[Bank] = self._layout.banks()
        self._judge = Judge(city, self._layout)
        self._raws = frozenset(city.raws)
        self._window_s = city.detection.window_s
        self._days_off = frozenset(city.days_off)
        self._open: dict[int, Open] = {}
        self._blank = Open(self._layout.size)
        self._clock = Clock()
        self._held = Held()
        self._next = -1  # index of the next window to close
        self._first = -1  # index of the first one closed
        self._numbers = [0] * len(names)  # of the next finding of each shard

    def apply(self, counts: Counts) -> Scored:
        """Take a record of the counts journal. Records made for the other level (``rollup``) do not even move time here."""
        if counts.rollup != self._layout.root:
            return Scored()
        touched = self._take(counts, unpack(counts))
        for span in counts.spans:
            self._clock.take(span)
        findings: list[Finding] = []
        closed: list[Closed] = []
        scores: list[Scores] = []
        for index in self._due():
            findings += self._close(index, scores)
            closed += self._closed(index)
        for index in touched:
            if self._next <= index < self._next + AHEAD_MAX and self._next >= 0:
                findings += self._early(index, max(span.newest_s for span in counts.spans))
        return Scored(tuple(findings), tuple(closed), tuple(scores))

    def snapshot(self) -> bytes:
        """All state; aliases nothing."""
        state = {
            "open": {str(i): window.packed() for i, window in sorted(self._open.items())},
            "clock": self._clock,
            "held": self._held.packed(),
            "at": [self._next, self._first],
            "numbers": self._numbers,
            "tally": msgspec.structs.astuple(self.tally),
            "banks": [packing.pack(bank.snapshot()) for bank in self._banks],
        }
        return msgspec.msgpack.encode(state)

    def restore(self, data: bytes) -> None:
        """Go on from a snapshot taken with the same configuration."""
        state = msgspec.msgpack.decode(data)
        size = self._layout.size
        self._open = {int(i): Open.unpacked(size, window) for i, window in state["open"].items()}
        self._clock = msgspec.convert(state["clock"], Clock)
        self._held = Held.unpacked(state["held"])
        self._next, self._first = state["at"]
        self._numbers = state["numbers"]
        self.tally = Tally(*state["tally"])
        for bank, packed in zip(self._banks, state["banks"], strict=True):
            bank.restore(packing.unpack(packed))

    def _take(self, counts: Counts, cells: Cells) -> list[int]:
        """Merge cells into open windows; returns the indices of those touched. Late cells wait to amend what they still can.

        A late one is due in the window that its partition's watermark stood in, which cannot have closed yet: shards wait for every
        partition. Where they did not, as at a start or beyond a bound, it is due in the next one that closes.
        """
        if not len(cells.n):
            return []
        areas = np.array([self._layout.area_index(code) for code in counts.areas], np.int64)
        signals = np.array([self._layout.signal_at.get(name, -1) for name in counts.signals], np.int64)
        area, signal = areas[cells.area], signals[cells.signal]
        mine = (area >= 0) & (signal >= 0)
        self.tally.foreign += int((signal < 0).sum())
        index = index_of(cells.minute, self._window_s)
        due = np.maximum(index_of(cells.heard, self._window_s), self._next)
        late = mine & (index < due)
        for i in np.flatnonzero(late).tolist():
            n = int(cells.n[i]) - int(cells.batch[i])
            self.tally.unheld += not self._held.add(int(due[i]), int(index[i]), int(area[i]), int(signal[i]), n)
        ready = mine & ~late
        touched: list[int] = np.unique(index[ready]).tolist()
        for window in touched:
            chosen = np.flatnonzero(ready & (index == window))
            self._merge(window, area[chosen], signal[chosen], chosen, cells)
        return touched

    def _merge(self, window: int, area: Ints, signal: Ints, chosen: Ints, cells: Cells) -> None:
        lineage = [self._layout.lineage[a] for a in area.tolist()]
        source = np.repeat(np.arange(len(chosen)), [len(line) for line in lineage])
        rows = np.concatenate(lineage) * len(self._layout.signals) + signal[source]
        picked = chosen[source]
        if window not in self._open:
            self._open[window] = Open(self._layout.size)
        self._open[window].add(rows, cells, picked)

    def _amend(self, area: int, signal: int, windows_ago: int, n: int) -> None:
        reached = False
        for line in self._layout.lineage[area].tolist():
            row = line * len(self._layout.signals) + signal
            for bank in self._banks:
                at = int(np.searchsorted(bank.rows, row))
                if at < len(bank.rows) and bank.rows[at] == row:
                    reached |= bank.detector.amend(windows_ago, at, n)
        self.tally.amended += int(reached)
        self.tally.late += int(not reached)

    def _due(self) -> Sequence[int]:
        """Windows that the watermark, or the bound on open ones, closes now."""
        mark_s = self._clock.reached_s(self._raws)
        if mark_s > 0:
            reached = mark_s // self._window_s
        elif len(self._open) > OPEN_WINDOWS_MAX:
            reached = min(self._open)
        else:
            return ()
        if self._next < 0:
            self._first = self._next = self._start(reached)
        if len(self._open) > OPEN_WINDOWS_MAX:
            forced = sorted(self._open)[-OPEN_WINDOWS_MAX]
            self.tally.forced += max(0, forced - max(reached, self._next))
            reached = max(reached, forced)
        return range(self._next, reached)

    def _start(self, reached: int) -> int:
        """The first window: where time began, by the journal alone. What came from before that is late, or others' windows would begin with it.

        A gap of more than ``OPEN_WINDOWS_MAX`` is a stray record or a wrong clock: time begins after it, or one record of
        1970 would have every window since then closed at once.
        """
        since_s = self._clock.since_s
        start = min(since_s // self._window_s, reached) if since_s else min([reached, *self._open])
        known = sorted({start, reached, *(index for index in self._open if start < index < reached)})
        for before, after in pairwise(known):
            if after - before > OPEN_WINDOWS_MAX:
                start = after
        for index in [index for index in self._open if index < start]:
            self.tally.late += int(self._open.pop(index).touched.sum())
        return start

    def _window_at(self, index: int) -> Window:
        return window_at(index, self._window_s, self.city.timezone, self._days_off)

    def _close(self, index: int, scores: list[Scores]) -> list[Finding]:
        window = self._window_at(index)
        for late in self._held.take(index):
            self._amend(late.area, late.signal, index - late.window, late.n)
        cells = self._open.pop(index, self._blank)
        known = index - self._first >= self.city.detection.history_s // self._window_s
        every = self._judge.wants_all(index)
        judged = [self._score_bank(bank, window, cells, known=known, every=every) for bank in self._banks]
        self._next = index + 1
        table = Judged.joined([shown for shown, _ in judged])
        if len(table.rows):
            scores.extend(self._judge.scores(table, window, every=every))
        return self._found(Judged.joined([due for _, due in judged]), window, early=False)

    def _score_bank(self, bank: Bank, window: Window, cells: Open, *, known: bool, every: bool) -> tuple[Judged, Judged]:
        """All series that are to be shown, and those of them that are due: what is scored only to be shown finds and teaches nothing."""
        observed = bank.observed(cells, window.start_s)
        due = bank.dense | (observed.n > 0) | bank.flagged
        p = np.ones(len(bank.rows))
        flagged = np.zeros(len(bank.rows), bool)
        judged, scanned = EMPTY, None
        if every or due.any():
            verdict = bank.detector.score(window, observed, None if every else np.flatnonzero(due))
            judged = self._judge.judge(window, bank, verdict, cells, known=known)
            p[verdict.rows] = judged.p.min(axis=1)
            flagged[verdict.rows] = judged.fresh_s > self._window_s / FLAG_P
            if bank.scan is not None:
                scanned = bank.scan.score(window, observed, verdict)
                judged = self._judge.joined(judged, scanned)
        rows = np.searchsorted(bank.rows, judged.rows)
        planned = self._layout.planned(window.start_s, window.start_s + self._window_s)[bank.rows]
        bank.detector.learn(window, observed, np.where(planned, PLANNED_P, np.where(due, p, 1.0)))
        usable = np.flatnonzero(judged.ready & (due & observed.present & ~planned)[rows])
        bank.note_able(rows[usable])
        able = np.flatnonzero(bank.able & observed.present & ~planned) if known else usable[:0]
        bank.calibration.learn(window.index, judged.raw[usable], rows[usable], able)
        if bank.scan is not None:
            bank.scan.learn(window, scanned, able)
        bank.flagged = flagged & due
        own = ~bank.quiet[rows]
        return judged.where(own) if bank.quiet.any() else judged, judged.where(own & due[rows])

    def _early(self, index: int, newest_s: int) -> list[Finding]:
        """Findings of a window still open: counts only grow, so they stand when it closes (unless corrected). They bear the newest event's time."""
        window = self._window_at(index)
        cells = self._open[index]
        known = index - self._first >= self.city.detection.history_s // self._window_s
        found = []
        for bank in self._banks:
            rows = np.flatnonzero((cells.n[bank.rows] - cells.batch[bank.rows] >= EARLY_EVENTS_MIN) & ~bank.dense & ~bank.quiet)
            published = index - self._next <= bank.detector.block  # else the closed window is judged by what is not learned yet
            if bank.kind != "count" or not len(rows) or not published:
                continue
            between = [self._window_at(i) for i in range(self._next, index)]
            ahead = [(w, bank.observed(self._open.get(w.index, self._blank), w.start_s)) for w in between]
            verdict = bank.detector.score(window, bank.observed(cells, window.start_s), rows, ahead)
            table = self._judge.judge(window, bank, verdict, cells, known=known)
            found.append(table.where(table.recurrence_s >= SAY_AGAIN_RATIO * cells.said[table.rows]))
        table = Judged.joined(found)
        at_s = min(max(newest_s, window.start_s), window.start_s + self._window_s)
        findings = [msgspec.structs.replace(f, at_s=at_s) for f in self._found(table, window, early=True)]
        for finding in findings:
            row = self._layout.area_at[finding.area] * len(self._layout.signals) + self._layout.signal_at[finding.signal]
            cells.said[row] = finding.recurrence_s
        return findings

    def _found(self, table: Judged, window: Window, *, early: bool) -> list[Finding]:
        findings = self._judge.findings(table, window, numbers=self._numbers, early=early)
        for finding in findings:
            self._numbers[self.names.index(finding.shard)] = finding.number + 1
        return findings

    def _closed(self, index: int) -> list[Closed]:
        dark = self._dark(index)
        self._clock.passed((index + 1) * self._window_s)
        return [Closed(name, (index + 1) * self._window_s, number, dark) for name, number in zip(self.names, self._numbers, strict=True)]

    def _dark(self, index: int) -> tuple[str, ...]:
        """Signals none of whose sources has said anything for ``no_data_for_s``."""
        end_s = (index + 1) * self._window_s
        silent = self._clock.silent(end_s, self.city.lifecycle.no_data_for_s)
        if not silent:
            return ()
        return tuple(signal for signal, sources in self.city.feeds.items() if silent.issuperset(sources))
