"""An alert's story from the files of a backtest or a replay. They hold no intervals, and of most series only what was notable."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import orjson

from streams.core.watch import Point
from streams.model import Evidence, Transition
from streams.settings import City
from streams.shells.explain import POINTS_MAX, ExplainError, Material, Names, Series, Story, found, leading, tell, told_step
from streams.shells.explain_state import Listed
from streams.shells.outputs import ALERTS, SCORES

FLOOR = 5
"""Where the city is not named, every area counts as small."""
NO_CITY = "without --city every area counts as small: counts below 5 are not shown, and areas and signals go by their codes"
NO_INTERVALS = "the files of a run hold no intervals and not when an alert clears: --state explains more"


def listed(folder: Path) -> tuple[Listed, ...]:
    """The alerts of a run, newest onset first.

    Raises:
        ExplainError: no such files.
    """
    last: dict[str, Transition] = {step.alert_id: step for step in _steps(folder)}
    alerts = [
        Listed(s.alert_id, s.onset_s, s.to_state, s.band, s.area, s.signals, f"{', '.join(s.signals)} in {s.area}") for s in last.values()
    ]
    return tuple(sorted(alerts, key=lambda alert: (-alert.onset_s, alert.id)))


def explain(folder: Path, wanted: str, city: City | None) -> Story:
    """The story of one alert; ``wanted``: its id or a unique beginning; ``city``: whose run it was, for names and for what is small.

    Raises:
        ExplainError: no such files, no such alert, or no score of it.
    """
    every = list(_steps(folder))
    name = found(wanted, list(dict.fromkeys(step.alert_id for step in every)), f"--run {folder}")
    steps = [step for step in every if step.alert_id == name]
    told = told_step(steps) or steps[0]
    names = Names(city.areas, city.signals) if city else Names((), ())
    own = {(told.area, signal) for signal in told.signals}
    below = {(code, signal) for code in names.children(told.area) for signal in told.signals}
    points, rarity = _points(folder, own | below, told)
    moment_s = min((p.window_end_s for series in own for p in points.get(series, ()) if p.window_end_s >= told.at_s), default=None)
    now = {series: p.evidence for series in own for p in points.get(series, ()) if p.window_end_s == moment_s}
    if moment_s is None or not now:
        raise ExplainError(
            f"{name}: {folder / SCORES} has no score of {told.area} at that time; explain it from the state folder: --state DIR"
        )
    lead = min(now, key=lambda series: (leading(now[series]).p, series))
    last = steps[-1]
    return tell(
        Material(
            id=name,
            state=last.to_state,
            band=told.band,
            risk=told.risk,
            recurrence_s=rarity.get((lead, moment_s), told.recurrence_s),
            place=told.area,
            signals=told.signals,
            onset_s=told.onset_s,
            told_s=moment_s,
            updated_s=last.at_s,
            lead=lead,
            flags=(),
            evidence=now[lead],
            points=points,
            steps=steps,
            clears="",
            names=names,
            timezone=city.timezone if city else "UTC",
            suppress_below=city.suppress_below if city else FLOOR,
            notes=(NO_INTERVALS,) if city else (NO_INTERVALS, NO_CITY),
        ),
        city.detection.window_s if city else moment_s - told.onset_s,
    )


def _steps(folder: Path) -> Iterator[Transition]:
    path = folder / ALERTS
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise ExplainError(f"{path}: {error.strerror}; give the folder that was passed to --out") from None
    for number, line in enumerate(lines, 1):
        try:
            row = orjson.loads(line)
            row["from_state"], row["to_state"], row["signals"] = row.pop("from"), row.pop("to"), tuple(row["signals"])
            yield Transition(**row)
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise ExplainError(f"{path}:{number}: not a line that a run writes; give the folder that was passed to --out") from None


def _points(folder: Path, wanted: set[Series], told: Transition) -> tuple[dict[Series, list[Point]], dict[tuple[Series, int], float]]:
    """What the scores say of some series, and how rare each window was; at most ``POINTS_MAX`` windows of each around what was told."""
    path = folder / SCORES
    rows: dict[Series, dict[int, list[Evidence]]] = {}
    rarity: dict[tuple[Series, int], float] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                series = (row["area"], row["signal"])
                if series not in wanted:
                    continue
                end_s = round(datetime.fromisoformat(row["time"]).timestamp())
                mine = rows.setdefault(series, {})
                if end_s not in mine and len(mine) >= POINTS_MAX:
                    if end_s > told.at_s + (told.at_s - min(mine)):
                        continue
                    del mine[min(mine)]
                seen = float(row["observed"]), float(row["expected"])
                mine.setdefault(end_s, []).append(Evidence(int(row["duration_s"]), *seen, math.nan, math.nan, float(row["p"])))
                rarity[series, end_s] = float(row["recurrence_s"])
    except OSError as error:
        raise ExplainError(f"{path}: {error.strerror}; give the folder that was passed to --out") from None
    except (KeyError, ValueError, TypeError):
        raise ExplainError(f"{path}: not a table that a run writes; give the folder that was passed to --out") from None
    points = {series: [Point(end_s, tuple(evidence)) for end_s, evidence in sorted(mine.items())] for series, mine in rows.items()}
    return points, {key: value for key, value in rarity.items() if key[1] in rows[key[0]]}
