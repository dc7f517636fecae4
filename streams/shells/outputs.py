"""The two files of a run: ``alerts.ndjson`` (a transition a line) and ``scores.csv`` (a score a row).

Backtest, replay and the running shells all write them here, so their bytes can be compared.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import ClassVar
from zoneinfo import ZoneInfo

import orjson

from sinks.base import Batch
from streams.core.areas import AreaTree
from streams.model import Scores, Transition
from streams.settings import City
from streams.shells.errors import ShellError

ALERTS = "alerts.ndjson"
SCORES = "scores.csv"
COLUMNS = ("time", "area", "signal", "duration_s", "observed", "expected", "p", "recurrence_s", "risk")


class OutputsError(ShellError):
    """The folder for outputs cannot be used."""


class RunWriter:
    """A sink that writes both files. Opened on files of an interrupted run it goes on behind what they hold."""

    name: ClassVar[str] = "files"

    def __init__(self, folder: Path, city: City, *, shift_s: int = 0, resume: bool = False, scores: bool = True) -> None:
        """``shift_s`` is added to every time that is written; ``scores`` False leaves the larger file out.

        Raises:
            OutputsError: ``folder`` is no folder, or cannot be made.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputsError(f"--out {folder}: {error.strerror}; give a folder that can be written to") from None
        self._zone = ZoneInfo(city.timezone)
        self._shift_s = shift_s
        self._shard_of = _shard_of(city)
        self._seen: set[tuple[str, int]] = set()
        self._last: dict[str, tuple[int, int]] = {}  # shard -> its newest window in the file, and how many of its rows stand there
        if resume:
            self._take_up(folder)
        mode = "a" if resume else "w"
        self._alerts = (folder / ALERTS).open(mode + "b")
        self._scores = (folder / SCORES).open(mode, newline="", encoding="utf-8") if scores else None
        self._rows = csv.writer(self._scores, lineterminator="\n") if self._scores else None
        if self._rows and self._scores and self._scores.tell() == 0:
            self._rows.writerow(COLUMNS)

    def write(self, batch: Batch) -> None:
        """Append what the files do not hold yet, and flush."""
        for _, step in batch.transitions:
            if (step.alert_id, step.seq) not in self._seen:
                self._alerts.write(transition_line(step, self._shift_s))
        if self._rows is not None:
            for scores in batch.scores:
                self._write_scores(scores)
        for file in (self._alerts, self._scores):
            if file is not None:
                file.flush()

    def close(self) -> None:
        """Make both files durable."""
        for file in (self._alerts, self._scores):
            if file is not None and not file.closed:
                file.flush()
                os.fsync(file.fileno())
                file.close()

    def _write_scores(self, scores: Scores) -> None:
        assert self._rows is not None
        end_s = scores.window_end_s
        last_s, stand = self._last.get(scores.shard, (end_s, 0))
        if end_s < last_s:
            return
        skip = stand if end_s == last_s else 0
        time = datetime.fromtimestamp(end_s + self._shift_s, self._zone).isoformat()
        rows = zip(
            scores.area,
            scores.signal,
            scores.duration_s,
            scores.observed,
            scores.expected,
            scores.p,
            scores.recurrence_s,
            scores.risk,
            strict=True,
        )
        for at, row in enumerate(rows):
            if at >= skip:
                self._rows.writerow((time, *row))
        if skip:
            self._last[scores.shard] = (last_s, max(0, stand - len(scores.area)))

    def _take_up(self, folder: Path) -> None:
        """Learn what the files hold; a last line that was cut off by a crash goes."""
        for name in (ALERTS, SCORES):
            _cut_last_line(folder / name)
        if (folder / ALERTS).exists():
            with (folder / ALERTS).open("rb") as lines:
                for line in lines:
                    step = orjson.loads(line)
                    self._seen.add((step["alert_id"], step["seq"]))
        if (folder / SCORES).exists():
            with (folder / SCORES).open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    end_s = round(datetime.fromisoformat(row["time"]).timestamp()) - self._shift_s
                    shard = self._shard_of(row["area"])
                    last_s, stand = self._last.get(shard, (end_s, 0))
                    self._last[shard] = (end_s, stand + 1 if end_s == last_s else 1)


def transition_line(step: Transition, shift_s: int = 0) -> bytes:
    """One line of ``alerts.ndjson``."""
    assert math.isfinite(step.risk), "JSON has no such number"
    assert math.isfinite(step.recurrence_s), "JSON has no such number"
    row = {
        "alert_id": step.alert_id,
        "seq": step.seq,
        "at_s": step.at_s + shift_s,
        "onset_s": step.onset_s + shift_s,
        "area": step.area,
        "signals": step.signals,
        "from": step.from_state,
        "to": step.to_state,
        "reason": step.reason,
        "band": step.band,
        "risk": step.risk,
        "recurrence_s": step.recurrence_s,
        "notify": step.notify,
    }
    return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)


def _shard_of(city: City) -> Callable[[str], str]:
    tree = AreaTree(city.areas)
    if city.flat:
        return lambda _: tree.root.code
    return lambda code: tree.shard_of(code, city.shard_level)


def _cut_last_line(path: Path) -> None:
    if not path.exists():
        return
    with path.open("r+b") as file:
        size = end = file.seek(0, os.SEEK_END)
        while end > 0:
            start = max(0, end - 65_536)
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        if end < size:
            file.truncate(end)
