"""What two runs over the same records have come to in the tables, and how it differs.

Windows, scores and what follows from closed windows must be the same to the last bit. What may differ is said in ``settled``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

import msgspec
from msgspec import Struct

from load_tests.services.clickhouse import ClickHouse
from sinks.clickhouse.schema import check_database
from streams.core.lifecycle import FINAL

EXAMPLES = 20
Row = tuple[Any, ...]

_AREAS = "SELECT DISTINCT area FROM {database}.scores"
_SCORES = """
SELECT area, signal, duration_s, toUInt32(window_end), shard, config_version, observed, expected, p, recurrence_s, risk
FROM {database}.scores FINAL WHERE area = %(area)s
"""
_ALERTS = "SELECT id, toUInt32(onset), area, signals, state, band, risk, reason FROM {database}.alerts FINAL"
_TRANSITIONS = """
SELECT alert_id, seq, toUInt32(at), toUInt32(onset), area, signals, from_state, to_state, reason, band, risk, recurrence_s, notify
FROM {database}.transitions FINAL ORDER BY alert_id, seq
"""
_REJECTED = "SELECT raw, raw_offset, reason FROM {database}.dead_letters FINAL"


_EARLY_TOO = frozenset({"raised_early", "joined", "worse", "data_returned", "no_data"})


class Step(Struct, frozen=True, array_like=True):
    """A row of transitions."""

    alert_id: str
    seq: int
    at_s: int
    onset_s: int
    area: str
    signals: tuple[str, ...]
    from_state: str
    to_state: str
    reason: str
    band: str
    risk: float
    recurrence_s: float
    notify: int


class Diff(Struct, frozen=True):
    """``rows``: of the first run. ``missing``, ``extra``, ``other``: rows of the second that are not there, too many, or not the same."""

    rows: int
    missing: int
    extra: int
    other: int
    examples: list[str]

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return self.missing == self.extra == self.other == 0


def scores(server: ClickHouse, first: str, second: str) -> Diff:
    """Scores of closed windows, an area at a time."""
    areas = sorted({area for database in (first, second) for (area,) in _asked(server, _AREAS, database)})
    parts = [diff(*(_keyed(_asked(server, _SCORES, database, area), 6) for database in (first, second))) for area in areas]
    examples = [text for part in parts for text in part.examples]
    return Diff(
        rows=sum(part.rows for part in parts),
        missing=sum(part.missing for part in parts),
        extra=sum(part.extra for part in parts),
        other=sum(part.other for part in parts),
        examples=examples[:EXAMPLES],
    )


def alerts(server: ClickHouse, first: str, second: str, window_s: int) -> Diff:
    """Alerts by id, those that only an open window has raised left out: where, when, what, how it ended and why."""
    return diff(*(_alerts(server, database, window_s) for database in (first, second)))


def transitions(server: ClickHouse, first: str, second: str, window_s: int) -> Diff:
    """What closed windows have done to each alert, in order."""
    return diff(*(settled(_steps(server, database), window_s) for database in (first, second)))


def early(server: ClickHouse, database: str) -> int:
    """How many alerts an open window has raised."""
    return sum(step.reason == "raised_early" for step in _steps(server, database))


def rejected(server: ClickHouse, database: str) -> set[tuple[str, int, str]]:
    """(raw partition, offset, reason) of each dead letter."""
    return {(str(raw), int(offset), str(reason)) for raw, offset, reason in _asked(server, _REJECTED, database)}


def settled(steps: Iterable[Step], window_s: int) -> dict[Row, Row]:
    """(alert, nth step) -> what closed windows have done to it.

    A window still open is judged whenever a flush brings records for it. Where one flush ends and the next begins depends on
    how fast records came and on what was killed; so how early an open window fires, and whether at all before it closes, may
    differ from run to run, and nothing else may. What stems from open windows is therefore taken out:

    - steps at a time that no window ends at: ``raised_early``, and ``joined`` or ``worse`` said early;
    - numbers of steps, since the early ones are counted;
    - ``confirmed`` is the ``raised`` of an alert that had fired early; it is taken for ``raised`` out of nothing;
    - alerts that were never confirmed (a correction took back what had raised them), or whose series a closed window has made part of
      another, which it raises in any run;
    - of what a closed window says: ``joined``, ``worse`` and that data returned, which it leaves unsaid where an open one has said so, that
      they are missing again when nothing came of it, and whether a person was told or who muted it.
    """
    found: dict[Row, Row] = {}
    for alert_id, group in groupby(steps, key=lambda step: step.alert_id):
        kept = [step for step in group if step.at_s % window_s == 0 and step.to_state != "provisional" and step.reason not in _EARLY_TOO]
        if any(step.reason in {"not_confirmed", "part_of_other"} for step in kept):
            continue
        for number, step in enumerate(kept):
            first = step.reason in {"confirmed", "silenced", "inhibited"}
            said = ("none", step.to_state, "raised") if first else (step.from_state, step.to_state, step.reason)
            found[alert_id, number] = (step.at_s, step.onset_s, *said, step.band, step.risk)
    return found


def diff(first: Mapping[Row, Row], second: Mapping[Row, Row]) -> Diff:
    """Of rows by their keys."""
    missing, extra = first.keys() - second.keys(), second.keys() - first.keys()
    other = [key for key in first.keys() & second.keys() if first[key] != second[key]]
    examples = [
        f"{key}: {first.get(key, 'nothing')} / {second.get(key, 'nothing')}" for key in sorted([*missing, *extra, *other])[:EXAMPLES]
    ]
    return Diff(len(first), len(missing), len(extra), len(other), examples)


def _alerts(server: ClickHouse, database: str, window_s: int) -> dict[Row, Row]:
    confirmed = {alert_id for alert_id, _ in settled(_steps(server, database), window_s)}
    rows = _keyed(((*row[:3], tuple(row[3]), *row[4:]) for row in _asked(server, _ALERTS, database)), 1)
    # of one that is still open, a window still open may have the last word: where, how strong, what else
    return {key: row if row[3] in FINAL else (row[0], row[3]) for key, row in rows.items() if key[0] in confirmed}


def _steps(server: ClickHouse, database: str) -> list[Step]:
    return [msgspec.convert(row, Step) for row in _asked(server, _TRANSITIONS, database)]


def _asked(server: ClickHouse, sql: str, database: str, area: str = "") -> list[Row]:
    check_database(database)
    return server.query(sql.format(database=database), {"area": area} if area else None)


def _keyed(rows: Iterable[Row], width: int) -> dict[Row, Row]:
    return {row[:width]: row[width:] for row in rows}
