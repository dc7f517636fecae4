"""Views for people and Grafana: deduplicated, and without small counts of small areas.

The base tables hold exact counts and are for the program alone: give people's database users rights on the views
only. An area is small below district level (level 2 and deeper), or when the ``areas`` table does not know it; what
is hidden is ``NULL``. Readings of level signals (water, air) are no counts and are shown.
"""

from __future__ import annotations

from string import Template

from sinks.clickhouse.schema import PORTABLE, Version, check_database

_DEFINER_SINCE: Version = (24, 3)  # before, or without saying so, whoever reads a view needs rights on the tables below it

_WIDE = Template("area IN (SELECT code FROM $db.areas FINAL WHERE level <= 1)")
_LEVEL = Template("signal IN (SELECT name FROM $db.signals FINAL WHERE kind = 'level')")
# One hour is the finest grain that people get: two grains side by side would give small counts away by difference.
_HOURS = Template("""SELECT toStartOfHour(minute) AS hour, area, signal, sum(n) AS exact,
        sum(total) / sum(n) AS average, min(least) AS lowest, max(most) AS highest
    FROM $db.cells FINAL
    GROUP BY hour, area, signal""")

_BODIES: dict[str, str] = {
    "v_cells": """SELECT hour, area, signal, if(NOT $wide AND NOT $level AND exact < $floor, NULL, exact) AS n,
    average, lowest, highest
FROM (
    $hours
)""",
    "v_districts": """SELECT hour, district, signal, sum(exact) AS n
FROM (
    $hours
) AS hours
ALL INNER JOIN (SELECT code AS area, district FROM $db.areas FINAL WHERE district != '') AS places USING area
GROUP BY hour, district, signal""",
    "v_scores": """SELECT window_end, shard, area, signal, duration_s, if(hidden, NULL, exact) AS observed, if(hidden, NULL, usual) AS expected,
    if(hidden, NULL, tail) AS p, if(hidden, NULL, rare_s) AS recurrence_s, risk, config_version
FROM (
    SELECT window_end, shard, area, signal, duration_s, observed AS exact, expected AS usual, p AS tail, recurrence_s AS rare_s,
        risk, config_version,
        NOT $wide AND NOT $level AND observed < $floor AS hidden
    FROM $db.scores FINAL
)""",
    "v_alerts": """SELECT id, seq, area, signals, areas, state, band, risk, initial_risk, recurrence_s, onset, updated, reason, why,
    clears, owner, label, config_version
FROM $db.alerts FINAL""",
    "v_transitions": """SELECT position, alert_id, seq, at, onset, area, signals, from_state, to_state, reason, band, risk, recurrence_s,
    notify, why, config_version
FROM $db.transitions FINAL""",
    "v_dead_letters": """SELECT toStartOfHour(at) AS hour, source, reason, count() AS records
FROM $db.dead_letters FINAL
GROUP BY hour, source, reason""",
    "v_quality": """SELECT toStartOfHour(at) AS hour, source, reason, sum(n) AS records
FROM $db.quality FINAL
GROUP BY hour, source, reason""",
}

VIEWS: tuple[str, ...] = tuple(_BODIES)


def views_ddl(database: str, suppress_below: int, version: Version = PORTABLE) -> tuple[str, ...]:
    """Statements that replace every view, for a server of this version; the floor is written into them.

    >>> views_ddl("tocsin", 5)[0]
    'DROP TABLE IF EXISTS tocsin.v_cells'
    """
    check_database(database)
    parts = {name: template.substitute(db=database) for name, template in (("wide", _WIDE), ("level", _LEVEL), ("hours", _HOURS))}
    values = {"db": database, "floor": int(suppress_below), **parts}
    rights = " DEFINER = CURRENT_USER SQL SECURITY DEFINER" if version >= _DEFINER_SINCE else ""
    return tuple(
        statement
        for name, body in _BODIES.items()
        for statement in (
            f"DROP TABLE IF EXISTS {database}.{name}",
            f"CREATE VIEW {database}.{name}{rights} AS\n{Template(body).substitute(values)}",
        )
    )
