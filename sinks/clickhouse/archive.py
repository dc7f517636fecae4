"""What people ask of the past, in SQL over the views: the same for chDB and for a server of 18.16."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sinks.archive import Amount, Handled, Hour, PastAlert, Risk, Yearly

Row = dict[str, Any]
Query = Callable[[str], list[Row]]
"""Read-only and bounded; raises ``SinkError``."""

ROWS_MAX = 50_000
"""Of one answer: what is beyond is left off, the oldest last."""


class TablesArchive:
    """The answers of ``sinks.archive.Archive``, by way of one ``query``."""

    def __init__(self, query: Query) -> None:
        self._query = query

    def hours(self, area: str, level: int, since_s: int, until_s: int) -> Sequence[Hour]:
        """Counts of a district are those of all that lies in it; the city's are the sum of its districts and of what is only the city's."""
        span, code = _span("hour", since_s, until_s), quoted(area)
        counts = {
            0: f"SELECT hour, signal, sum(n) AS n FROM v_districts WHERE {span} GROUP BY hour, signal",
            1: f"SELECT hour, signal, n FROM v_districts WHERE {span} AND district = {code}",
        }.get(level, "")
        own = self._query(
            f"SELECT {_at('hour')} AS at_s, signal, toInt64(n) AS n, average FROM v_cells WHERE {span} AND area = {code}"
            f" ORDER BY at_s, signal LIMIT {ROWS_MAX}"
        )
        rows = {(int(row["at_s"]), str(row["signal"])): Hour(int(row["at_s"]), row["signal"], int(row["n"]), row["average"]) for row in own}
        if counts:
            found = self._query(
                f"SELECT {_at('hour')} AS at_s, signal, toInt64(n) AS n FROM ({counts}) ORDER BY at_s, signal LIMIT {ROWS_MAX}"
            )
            readings = {key for key, hour in rows.items() if hour.average is not None}
            for row in found:
                key = int(row["at_s"]), str(row["signal"])
                more = rows[key].n or 0 if level == 0 and key in rows else 0
                if key not in readings:
                    rows[key] = Hour(*key, int(row["n"]) + more, None)
        return [rows[key] for key in sorted(rows)]

    def risks(self, area: str, since_s: int, until_s: int) -> Sequence[Risk]:
        """The greatest of each window, whatever its signal and duration."""
        rows = self._query(
            f"SELECT {_at('window_end')} AS at_s, max(risk) AS most, argMax(signal, risk) AS about FROM v_scores"
            f" WHERE area = {quoted(area)} AND {_span('window_end', since_s, until_s)}"
            f" GROUP BY window_end ORDER BY at_s LIMIT {ROWS_MAX}"
        )
        return [Risk(int(row["at_s"]), float(row["most"]), str(row["about"])) for row in rows]

    def alerts(self, areas: Sequence[str], since_s: int, until_s: int, limit: int) -> Sequence[PastAlert]:
        codes = ", ".join(map(quoted, areas)) or "''"
        rows = self._query(
            "SELECT id, area, areas, signals, band, risk, state, reason, label,"
            f" {_at('onset')} AS onset_s, {_at('updated')} AS updated_s FROM v_alerts"
            f" WHERE (area IN ({codes}) OR hasAny(areas, [{codes}]))"
            f" AND onset < toDateTime({int(until_s)}) AND updated >= toDateTime({int(since_s)})"
            f" ORDER BY onset_s DESC, id LIMIT {int(limit)}"
        )
        return [
            PastAlert(
                row["id"], row["area"], tuple(row["areas"]), tuple(row["signals"]), row["band"], float(row["risk"]), row["state"],
                int(row["onset_s"]), int(row["updated_s"]), row["reason"], row["label"],
            )
            for row in rows
        ]  # fmt: skip

    def newest(self) -> dict[str, int]:
        rows = self._query(f"SELECT source, {_at('newest')} AS at_s FROM v_sources")
        return {str(row["source"]): int(row["at_s"]) for row in rows}

    def amounts(self, since_s: int, until_s: int) -> Sequence[Amount]:
        rows = self._query(
            f"SELECT {_at('hour')} AS at_s, source, reason, toInt64(records) AS n FROM ("
            f"SELECT hour, source, 'accepted' AS reason, toInt64(records) AS records FROM v_intake WHERE {_span('hour', since_s, until_s)}"
            f" UNION ALL SELECT hour, source, reason, toInt64(records) AS records FROM v_quality WHERE {_span('hour', since_s, until_s)}"
            f") ORDER BY at_s, source, reason LIMIT {ROWS_MAX}"
        )
        return [Amount(int(row["at_s"]), row["source"], row["reason"], int(row["n"])) for row in rows]

    def handled(self, since_s: int, until_s: int) -> Sequence[Handled]:
        rows = self._query(
            "SELECT alert_id, area, signals, raised_s, acknowledged_s, resolved_s, label, hands, department FROM v_handled"
            f" WHERE raised_s >= {int(since_s)} AND raised_s < {int(until_s)} ORDER BY raised_s, alert_id LIMIT {ROWS_MAX}"
        )
        return [
            Handled(
                row["alert_id"], row["area"], tuple(row["signals"]), int(row["raised_s"]), int(row["acknowledged_s"]) or None,
                int(row["resolved_s"]) or None, row["label"], tuple(int(hand) for hand in row["hands"]),
                row["department"],
            )
            for row in rows
        ]  # fmt: skip

    def yearly(self) -> Sequence[Yearly]:
        rows = self._query(f"SELECT year, area, toInt64(reports) AS n FROM v_years ORDER BY year, area LIMIT {ROWS_MAX}")
        return [Yearly(int(row["year"]), row["area"], int(row["n"])) for row in rows]

    def alerts_yearly(self) -> Sequence[Yearly]:
        rows = self._query(
            f"SELECT toYear(onset) AS year, area, count() AS n FROM v_alerts GROUP BY year, area ORDER BY year, area LIMIT {ROWS_MAX}"
        )
        return [Yearly(int(row["year"]), row["area"], int(row["n"])) for row in rows]


def quoted(text: str) -> str:
    r"""A string literal.

    >>> quoted("d'1\\")
    "'d\\'1\\\\'"
    """
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _at(column: str) -> str:
    """A time as whole seconds."""
    return f"toUInt32({column})"


def _span(column: str, since_s: int, until_s: int) -> str:
    return f"{column} >= toDateTime({max(0, int(since_s))}) AND {column} < toDateTime({max(0, int(until_s))})"
