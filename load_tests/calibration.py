"""How often p-values are as small as they say: realised over nominal, on windows without an outbreak."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from detectors.base import Bools, Floats, Ints
from load_tests import noufaily, ours
from load_tests.backgrounds import DURATIONS, Background, scored
from load_tests.noufaily import SCENARIOS, Study
from load_tests.ours import Scored

LEVELS = {"1e-2": 1e-2, "1e-3": 1e-3, "1e-4": 1e-4}
RESAMPLES = 400


class Exceeded(NamedTuple):
    """Null windows with p at or below a level. Both intervals are of 95%, for the ratio."""

    expected: float
    seen: int
    ratio: float
    poisson: tuple[float, float]  # as if windows were independent
    by_series: tuple[float, float]  # series drawn with replacement


def exceeded(p: Floats, null: Bools, level: float) -> Exceeded:
    """Of ``p`` (T, S) where ``null`` (T, S)."""
    seen, windows = ((p <= level) & null).sum(axis=0), null.sum(axis=0)
    expected, total = level * float(windows.sum()), int(seen.sum())
    low = stats.chi2.ppf(0.025, 2 * total) / 2 if total else 0.0
    high = stats.chi2.ppf(0.975, 2 * total + 2) / 2
    drawn = np.random.default_rng(0).multinomial(len(seen), np.full(len(seen), 1 / len(seen)), RESAMPLES)
    ratios = (drawn @ seen) / np.maximum(level * (drawn @ windows), 1e-12)
    return Exceeded(
        expected=round(expected, 1),
        seen=total,
        ratio=_round(total / max(expected, 1e-12)),
        poisson=(_round(low / max(expected, 1e-12)), _round(high / max(expected, 1e-12))),
        by_series=(_round(np.quantile(ratios, 0.025)), _round(np.quantile(ratios, 0.975))),
    )


def of_study(mine: Scored, study: Study) -> dict[str, Any]:
    """On the simulation: the judged weeks at each level, all weeks from the sixth year at 1e-4 too, and each scenario at 1e-2.

    A null week of a duration holds no case in any week that the duration covers; of the combination, in any of the longest.
    """
    late = np.arange(len(study.cases))[:, None] >= noufaily.LEARNED[0]
    judged = np.arange(len(study.cases))[:, None] >= noufaily.JUDGED[0]
    parts: dict[str, Any] = {}
    for name, p, memory in [("combined", mine.combined, ours.WEEKLY[-1])] + [
        (f"{d}_weeks", mine.each[i], d) for i, d in enumerate(ours.WEEKLY)
    ]:
        null = noufaily.null_weeks(study.cases, memory)
        parts[name] = {key: exceeded(p, null & judged, level)._asdict() for key, level in LEVELS.items()}
        parts[name]["1e-4 from year 6"] = exceeded(p, null & late, LEVELS["1e-4"])._asdict()
    null = noufaily.null_weeks(study.cases, ours.WEEKLY[-1]) & judged
    each = [exceeded(mine.combined, null & (study.scenario == at), LEVELS["1e-2"]).ratio for at in range(len(SCENARIOS))]
    return {**parts, "per_scenario_1e-2": each}


def of_background(background: Background) -> dict[str, Any]:
    """On real counts: whatever happened that nobody has written down counts as an exceedance."""
    found = scored(background)
    named = {"combined": found.combined} | {f"{d}_windows": found.each[i] for i, d in enumerate(DURATIONS[background.window_s])}
    rate = _rates(background)
    out: dict[str, Any] = {"series": len(background.series), "windows": int(background.judged.sum())}
    for name, p in named.items():
        out[name] = {key: exceeded(p, background.judged, level)._asdict() for key, level in LEVELS.items()}
    for name, chosen in (("rare", rate < 1.0), ("frequent", rate >= 1.0)):
        if chosen.any():
            out[f"combined_{name}"] = {
                key: exceeded(found.combined[:, chosen], background.judged[:, chosen], level)._asdict() for key, level in LEVELS.items()
            }
    return out


def _rates(background: Background) -> Floats:
    """(S,) events a day"""
    known: Ints = np.maximum(background.counts, 0)
    return np.asarray(known.mean(axis=0) * 86_400 / background.window_s)


def _round(value: float) -> float:
    return float(f"{value:.3g}")
