"""Alerts told as timelines: one character an hour, one line a series.

.  calm: no finding                        s  raising over long durations only
-  between the thresholds                  x  the signal has no data in its shard
~  as s, once the fresh durations were above: only the long ones still remember
0  raising; 1, 2 ... ten, a hundred times as rare
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from streams.core.decide import Decide, Decided
from streams.model import HOUR_S, Alert, Area, Band, Closed, Command, Evidence, Finding, Signal, Tick, Transition
from streams.settings import City, Detection, Lifecycle

START_S = 1_420_070_400  # 2015-01-01T00:00Z
RAISE_S = 100 * 86_400.0  # finding_floor_s / clear_ratio: the story's city is too small for more

SEEN = {1: 33.0, 2: 17.0}  # city and district see more than any leaf accounts for

SLOW_S = 7 * 24 * HOUR_S  # the duration that speaks in slow findings

DETECTION = Detection(window_s=HOUR_S, finding_floor_s=864_000)

AREAS = (
    Area("c", "City", 0, None),
    Area("d1", "North", 1, "c"),
    Area("d1a", "North A", 2, "d1"),
    Area("d1b", "North B", 2, "d1"),
    Area("d2", "South", 1, "c"),
    Area("d2a", "South A", 2, "d2"),
)
SIGNALS = (
    Signal("fire", "Fire", "fire"),
    Signal("flood", "Flooding", "floods"),
    Signal("noise", "Noise", "noise", group="nuisance"),
    Signal("rubbish", "Rubbish", "sanitation", group="nuisance"),
)
SHARDS = ("c", "d1", "d2")


def city(**lifecycle: object) -> City:
    """A city of three shards and 24 series; ``lifecycle`` changes single settings."""
    settings = msgspec.convert(
        {"clear_ratio": 0.1, "hold_s": 12 * HOUR_S, "worse_ratio": 10.0, "incident_span_s": 72 * HOUR_S, "repeat_interval_s": 0}
        | lifecycle,
        Lifecycle,
    )
    return City("story", "Story", "UTC", AREAS, {}, SIGNALS, {}, DETECTION, settings, config_version="v1")


def shard_of(area: str) -> str:
    return area[:2]


class Story:
    """Plays timelines to a ``Decide`` and keeps what came of them."""

    def __init__(self, settings: City | None = None, shards: tuple[str, ...] = SHARDS) -> None:
        self.city = settings or city()
        self.decide = Decide(self.city, shards)
        self.shards = shards
        self.hour = 0
        self.transitions: list[Transition] = []
        self.alerts: dict[str, Alert] = {}
        self.commands: list[Command] = []
        self.refused: list[tuple[str, str]] = []
        self._numbers = dict.fromkeys(shards, 0)
        self._ids = 0

    @property
    def now_s(self) -> int:
        return START_S + self.hour * HOUR_S

    def hours(self, lines: Mapping[str, str], *, band: Band = "yellow") -> list[str]:
        """Play lines of equal length; returns what was said as "hour from->to reason", with "!" where a person is told."""
        lengths = {len(line) for line in lines.values()}
        assert len(lengths) == 1, "lines differ in length"
        before = len(self.transitions)
        for at in range(lengths.pop()):
            self.window({series: line[at] for series, line in lines.items()}, band=band)
        return self.said(before)

    def said(self, since: int = 0) -> list[str]:
        return [
            f"{(t.at_s - START_S) // HOUR_S} {t.from_state}->{t.to_state} {t.reason}{'!' if t.notify else ''}"
            for t in self.transitions[since:]
        ]

    def window(self, levels: Mapping[str, str], *, band: Band = "yellow") -> list[Transition]:
        """One hour: all shards say their findings and close it."""
        self.hour += 1
        before = len(self.transitions)
        dark: dict[str, set[str]] = {}
        for series, level in levels.items():
            area, signal = series.split("/")
            if level == "x":
                dark.setdefault(shard_of(area), set()).add(signal)
            elif level != ".":
                self.take(self.finding(series, level, band=band))
        for shard in self.shards:
            self.take(Closed(shard, self.now_s, self._numbers[shard], tuple(sorted(dark.get(shard, ())))))
        return self.transitions[before:]

    def early(self, series: str, level: str = "0", *, band: Band = "yellow", minute: int = 20) -> list[Transition]:
        """A finding from the hour that is still open."""
        before = len(self.transitions)
        self.take(self.finding(series, level, band=band, minute=minute))
        return self.transitions[before:]

    def command(self, kind: str, body: object = None, *, actor: str = "ann", id: str = "") -> list[Transition]:  # noqa: A002
        before = len(self.transitions)
        self._ids += 1
        text = body if isinstance(body, str) else msgspec.json.encode(body).decode()
        self.take(Command(id or f"command-{self._ids}", self.now_s, actor, kind, text))
        return self.transitions[before:]

    def tick(self, at_s: int | None = None) -> list[Transition]:
        before = len(self.transitions)
        self.take(Tick(self.now_s if at_s is None else at_s))
        return self.transitions[before:]

    def take(self, record: Finding | Closed | Command | Tick) -> Decided:
        decided = self.decide.apply(record)
        self.decide.check()
        self.transitions += decided.transitions
        self.alerts |= {alert.id: alert for alert in decided.alerts}
        self.commands += [outcome.command for outcome in decided.outcomes]
        self.refused += [(outcome.command.id, outcome.refusal) for outcome in decided.outcomes if outcome.refusal]
        return decided

    def only(self) -> Alert:
        """The one alert that is open."""
        (alert,) = self.decide.open_alerts()
        return alert

    def finding(self, series: str, level: str, *, band: Band = "yellow", minute: int | None = None) -> Finding:
        """The next finding of a series' shard: of the hour at hand, or, with a minute, an early one of the next."""
        area, signal = series.split("/")
        shard = shard_of(area)
        number = self._numbers[shard]
        self._numbers[shard] += 1
        early = minute is not None
        end_s = self.now_s + HOUR_S * early
        return finding(
            area, signal, level, end_s, number, early=early, band=band, at_s=self.now_s + 60 * minute if minute is not None else 0
        )


def finding(
    area: str, signal: str, level: str, end_s: int, number: int = 0, *, early: bool = False, band: Band = "yellow", at_s: int = 0
) -> Finding:
    """A finding of one hour whose recurrence intervals are those of a timeline's character."""
    whole_s, fresh_s = recurrence(level)
    return Finding(
        shard=shard_of(area),
        number=number,
        window_start_s=end_s - HOUR_S,
        window_end_s=end_s,
        area=area,
        signal=signal,
        early=early,
        p=HOUR_S / whole_s,
        recurrence_s=whole_s,
        fresh_recurrence_s=fresh_s,
        risk=50.0 + len(level) + (int(level) if level.isdigit() else 0),
        band=band,
        evidence=(Evidence(SLOW_S if level in {"~", "s"} else HOUR_S, SEEN.get(len(area), 9.0), 1.0, 0.0, 4.0, HOUR_S / whole_s),),
        why=f"{signal}, {area}: {level}",
        config_version="v1",
        at_s=at_s,
    )


def recurrence(level: str) -> tuple[float, float]:
    """(over all durations, over those of a day or less), seconds."""
    if level == "-":
        return RAISE_S / 2, RAISE_S / 2
    if level in {"~", "s"}:
        return RAISE_S * 2, RAISE_S / 20
    rare_s = 2 * RAISE_S * 10.0 ** int(level)
    return rare_s, rare_s
