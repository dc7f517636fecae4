"""Alerts of a city as if they happened: made up from a seed, with members, evidence and sentences, for the page and what measures it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

import msgspec

from streams.model import DAY_S, HOUR_S, Alert, Area, Band, Evidence, Member, Signal, Transition

replace = msgspec.structs.replace
BANDS: tuple[tuple[float, Band], ...] = ((75.0, "red"), (60.0, "orange"), (45.0, "yellow"), (0.0, "blue"))
DURATIONS_S = (HOUR_S, 3 * HOUR_S, 12 * HOUR_S, DAY_S, 3 * DAY_S, 7 * DAY_S)
YEAR_S = 365 * DAY_S
CLEARS = "Clears when its signals have been below a tenth of the threshold for 12 hours, at the earliest in 9 hours."


class Acted:
    """A city in which alerts are raised, grow and clear. The same seed tells the same story."""

    def __init__(self, areas: Sequence[Area], signals: Sequence[Signal], now_s: int, *, seed: int = 1, open_max: int = 40) -> None:
        self._random = Random(seed)
        self._districts = [area for area in areas if area.level == 1]
        self._below = {one.code: [area for area in areas if area.parent == one.code] for one in self._districts}
        self._city = next(area for area in areas if area.parent is None)
        self._signals = list(signals)
        self._open_max = open_max
        self.now_s = now_s
        self.open: dict[str, Alert] = {}
        self.number = 0

    def begin(self, count: int) -> list[tuple[Alert, Transition]]:
        """So many alerts, raised over the last two days."""
        now_s, made = self.now_s, []
        for place in range(count):
            self.now_s = now_s - int((count - place) * 2 * DAY_S / (count + 1))
            made.append(self._raise())
        self.now_s = now_s
        return made

    def next(self) -> tuple[Alert, Transition]:
        """The next thing that happens."""
        chance = self._random.random()
        if not self.open or (chance < 0.4 and len(self.open) < self._open_max):
            return self._raise()
        alert = self._random.choice(sorted(self.open.values(), key=lambda one: one.id))
        if chance < 0.75 and len(self.open) < self._open_max:
            return self.step(alert, "worse", risk=min(99.0, alert.risk + self._random.uniform(1, 12)))
        return self.step(alert, "calm", state="cleared")

    def step(self, alert: Alert, reason: str, *, actor: str = "", **changes: object) -> tuple[Alert, Transition]:
        """Something happens to an alert."""
        risk = float(changes.pop("risk", alert.risk))  # type: ignore[arg-type]
        later = replace(alert, seq=alert.seq + 1, updated_s=self.now_s, reason=reason, risk=risk, band=_band(risk), **changes)
        if later.state in {"cleared", "withdrawn"}:
            self.open.pop(alert.id, None)
        else:
            self.open[alert.id] = later
        return later, _transition(later, alert.state, actor, notify=reason in {"worse", "raised"})

    def _raise(self) -> tuple[Alert, Transition]:
        random = self._random
        self.number += 1
        district = random.choice(self._districts)
        signals = random.sample(self._signals, random.choice((1, 1, 1, 2, 3)))
        risk = round(min(98.0, max(26.0, random.gauss(52, 17))), 1)
        onset_s = self.now_s - random.randrange(HOUR_S, 5 * HOUR_S)
        places = [*random.sample(self._below[district.code], min(3, len(self._below[district.code]))), district]
        members = tuple(
            self._member(place, signal, risk - 3 * at, onset_s) for signal in signals for at, place in enumerate(reversed(places))
        )
        alert = Alert(
            id=f"{random.getrandbits(64):016x}",
            area=district.code,
            signals=tuple(signal.name for signal in signals),
            state=random.choice(("open", "open", "open", "open", "provisional", "no_data")),
            band=_band(risk),
            risk=risk,
            initial_risk=round(max(25.0, risk - random.uniform(0, 15)), 1),
            recurrence_s=_recurrence(risk),
            onset_s=onset_s,
            updated_s=self.now_s,
            reason="raised",
            why=members[0].why,
            clears=CLEARS,
            members=members,
            seq=1,
            config_version="made-up",
        )
        self.open[alert.id] = alert
        return alert, _transition(alert, "none", "", notify=True)

    def _member(self, area: Area, signal: Signal, risk: float, onset_s: int) -> Member:
        random = self._random
        hourly = random.uniform(0.05, 1.5) * (3 if area.level == 1 else 1)
        burst = random.uniform(6, 40)
        evidence = []
        for duration_s in DURATIONS_S:
            expected = hourly * duration_s / HOUR_S
            spread = 2 * math.sqrt(expected) + 0.5
            observed = round(expected + min(1.0, duration_s / (6 * HOUR_S)) * burst)
            p = min(1.0, math.exp(-((observed - expected) ** 2) / (2 * expected + observed)))
            evidence.append(
                Evidence(
                    duration_s, float(observed), round(expected, 2), round(max(0.0, expected - spread), 1), round(expected + spread, 1), p
                )
            )
        lead = min(evidence, key=lambda one: one.p)
        why = (
            f"{signal.title}, {area.name}: {lead.observed:.0f} in the last {lead.duration_s // HOUR_S} hours, {lead.expected:.1f} expected "
            f"({lead.lower:.0f} to {lead.upper:.0f})."
        )
        return Member(area.code, signal.name, onset_s, self.now_s, _recurrence(risk), round(risk, 1), why, tuple(evidence))


def _band(risk: float) -> Band:
    return next(band for least, band in BANDS if risk >= least)


def _recurrence(risk: float) -> float:
    return float(10 ** (risk / 25) * 7 * DAY_S)


def _transition(alert: Alert, before: str, actor: str, *, notify: bool) -> Transition:
    return Transition(
        alert.id,
        alert.seq,
        alert.updated_s,
        alert.onset_s,
        alert.area,
        alert.signals,
        before,  # type: ignore[arg-type]
        alert.state,
        alert.reason,
        alert.band,
        alert.risk,
        alert.recurrence_s,
        notify,
        actor,
        alert.why,
        alert.config_version,
    )
