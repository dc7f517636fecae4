"""Views for people and Grafana: deduplicated, and without counts of small areas.

The base tables hold exact counts and are for the program alone: give people's database users rights on the views
only. An area is small below district level (level 2 and deeper), or when the ``areas`` table does not know it. The views
give no count of a small area at all, whatever its size: districts are told exactly and at every grain, and an alert tells
what was seen in its own small area, so an hour, a day or a score beside them would give small counts away by difference.
Readings of level signals (water, air) are no counts and are shown. Sentences about small areas come without their count: the
cockpit tells it, rounded.
"""

from __future__ import annotations

from string import Template

from sinks.clickhouse.schema import PORTABLE, Version, check_database

_DEFINER_SINCE: Version = (24, 3)  # before, or without saying so, whoever reads a view needs rights on the tables below it

_WIDE = Template("area IN (SELECT code FROM $db.areas FINAL WHERE level <= 1)")
# What a district holds by itself, beside the district's whole, is the sum of what lies in it: it is told of areas without any below.
_WHOLE = Template("area NOT IN (SELECT parent FROM $db.areas FINAL WHERE level = 2)")
_LEVEL = Template("signal IN (SELECT name FROM $db.signals FINAL WHERE kind = 'level')")
# An alert's sentence may be of any of its members: where one is small (or not known), it is told without the count.
_MEMBERS = Template("""(SELECT id FROM $db.alerts FINAL ARRAY JOIN areas AS member
        WHERE member NOT IN (SELECT code FROM $db.areas FINAL WHERE level <= 1))""")
_PLAIN = Template(r"replaceRegexpOne(why, ': [0-9][0-9.]* in the last ([^,]+), .*', ': not as usual in the last \\1.')")
_TOLD_OF_ALERT = Template("if($floor > 1 AND (NOT $wide OR id IN $members), $plain, why)")
_TOLD_OF_STEP = Template("if($floor > 1 AND (NOT $wide OR alert_id IN $members), $plain, why)")
_HOURS = Template("""SELECT toStartOfHour(minute) AS hour, area, signal, sum(n) AS exact,
        sum(total) / sum(n) AS average, min(least) AS lowest, max(most) AS highest
    FROM $db.cells FINAL
    GROUP BY hour, area, signal""")

_BODIES: dict[str, str] = {
    "v_cells": """SELECT hour, area, signal, exact AS n, average, lowest, highest
FROM (
    $hours
)
WHERE $floor <= 1 OR $level OR ($wide AND $whole)""",
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
        $floor > 1 AND NOT $wide AND NOT $level AS hidden
    FROM $db.scores FINAL
)""",
    "v_alerts": """SELECT id, seq, area, signals, areas, state, band, risk, initial_risk, recurrence_s, onset, updated, reason,
    $told_of_alert AS why,
    clears, owner, label, config_version
FROM $db.alerts FINAL""",
    "v_transitions": """SELECT position, alert_id, seq, at, onset, area, signals, from_state, to_state, reason, band, risk, recurrence_s,
    notify, $told_of_step AS why, config_version
FROM $db.transitions FINAL""",
    "v_dead_letters": """SELECT toStartOfHour(at) AS hour, source, reason, count() AS records
FROM $db.dead_letters FINAL
GROUP BY hour, source, reason""",
    "v_quality": """SELECT toStartOfHour(at) AS hour, source, reason, sum(n) AS records
FROM $db.quality FINAL
GROUP BY hour, source, reason""",
    "v_sources": """SELECT source, max(minute) AS newest
FROM $db.cells
GROUP BY source""",
    "v_intake": """SELECT toStartOfHour(minute) AS hour, source, sum(n) AS records
FROM $db.cells FINAL
GROUP BY hour, source""",
    # Who acted stands there as numbers that change with the alert's month, so that nobody's work can be followed.
    "v_handled": """SELECT alert_id, area, signals, raised_s, acknowledged_s, resolved_s, label, hands, department
FROM (
    SELECT alert_id, toUInt32(min(at)) AS raised_s,
        toUInt32(minIf(at, reason IN ('acknowledged', 'assigned'))) AS acknowledged_s,
        toUInt32(minIf(at, to_state = 'cleared')) AS resolved_s,
        arrayFilter(hand -> hand != 0, groupUniqArray(if(actor = '', 0, sipHash64(actor, toYYYYMM(onset))))) AS hands
    FROM $db.transitions FINAL
    GROUP BY alert_id
) AS steps
ALL INNER JOIN (SELECT id AS alert_id, area, signals, label, department FROM $db.alerts FINAL) AS known USING alert_id""",
    # Years of streets are rounded to twice the floor: their sum, less what districts and alerts tell, gives nothing away.
    "v_years": """SELECT year, place AS area, reports FROM (
SELECT toYear(minute) AS year, district AS place, toInt64(sum(n)) AS reports
FROM (SELECT minute, area, n FROM $db.cells FINAL WHERE NOT $level) AS counted
ALL INNER JOIN (SELECT code AS area, district FROM $db.areas FINAL WHERE district != '') AS places USING area
GROUP BY year, place
UNION ALL
SELECT toYear(minute) AS year, street AS place,
    toInt64(if($floor > 1, intDiv(sum(n) + $floor, 2 * $floor) * 2 * $floor, sum(n))) AS reports
FROM (SELECT minute, area, n FROM $db.cells FINAL WHERE NOT $level) AS counted
ALL INNER JOIN (SELECT code AS area, if(level = 2, code, parent) AS street FROM $db.areas FINAL WHERE level IN (2, 3)) AS places USING area
GROUP BY year, place
)""",
}

_PARTS: dict[str, Template] = {
    "wide": _WIDE,
    "whole": _WHOLE,
    "level": _LEVEL,
    "hours": _HOURS,
    "members": _MEMBERS,
    "plain": _PLAIN,
    "told_of_alert": _TOLD_OF_ALERT,
    "told_of_step": _TOLD_OF_STEP,
}
"""In the order in which one may use those before it."""

VIEWS: tuple[str, ...] = tuple(_BODIES)


def views_ddl(database: str, suppress_below: int, version: Version = PORTABLE) -> tuple[str, ...]:
    """Statements that replace every view, for a server of this version; the floor is written into them. A floor of 0 or 1 hides nothing.

    >>> views_ddl("tocsin", 5)[0]
    'DROP TABLE IF EXISTS tocsin.v_cells'
    """
    check_database(database)
    given: dict[str, object] = {"db": database, "floor": int(suppress_below)}
    for name, template in _PARTS.items():
        given[name] = template.substitute(given)
    rights = " DEFINER = CURRENT_USER SQL SECURITY DEFINER" if version >= _DEFINER_SINCE else ""
    return tuple(
        statement
        for name, body in _BODIES.items()
        for statement in (
            f"DROP TABLE IF EXISTS {database}.{name}",
            f"CREATE VIEW {database}.{name}{rights} AS\n{Template(body).substitute(given)}",
        )
    )
