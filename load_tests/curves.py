"""Delay against false alerts a day, for every detector on one background with outbreaks in it; as numbers and as a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from detectors.base import Bools, Floats, Ints
from load_tests import injected, ours, peers
from load_tests.backgrounds import Background, scored
from load_tests.injected import Outbreaks, Peaks
from streams.model import DAY_S

RATES = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
RATE, RATE_FEW, FEW = 2.0, 0.25, 100
"""False alerts a day at which detectors are compared; and where there are fewer than ``FEW`` series, or all would always alarm."""
FLOORS = ("constant", "random")
RATE_CLASSES = ((0.0, 1.0), (1.0, float("inf")))  # events a day of a series
PICTURE = "accuracy-{name}.png"

Score = Callable[[Ints], Floats]
Say = Callable[[str], None]


def compared(background: Background, seed: int, say: Say) -> dict[str, Any]:
    """Everybody on a background: at ``RATE`` in detail, and the delay over ``RATES``."""
    background = injected.eligible(background)
    outbreaks = injected.put_into(background, seed)
    plain, loaded = background.filled(), background._replace(counts=outbreaks.counts).filled()
    delays: dict[str, Floats] = {}
    rows: dict[str, Any] = {}
    rate_day = RATE if len(background.series) >= FEW else RATE_FEW
    groups = _groups(background, outbreaks)
    for name, score in _everybody(background).items():
        say(f"{background.name}: {name}")
        gaps = name == "ours"
        before = score(background.counts if gaps else plain)
        peaks = Peaks(before, background)
        scores = score(outbreaks.counts if gaps else loaded)
        found = {rate: injected.seen(scores, outbreaks, peaks, rate, background.window_s) for rate in RATES}
        delays[name] = found[rate_day].delay_h
        rows[name] = {
            "episodes_per_day": found[rate_day].episodes_per_day,
            **_summary(found[rate_day].delay_h),
            "seen_by_chance": _summary(injected.seen(before, outbreaks, peaks, rate_day, background.window_s).delay_h)["seen"],
            **{group: _parts(parts, found[rate_day].delay_h) for group, parts in groups.items()},
            "curve": {f"{rate:g}": _summary(at.delay_h) for rate, at in found.items()},
        }
    best = min((name for name in delays if name != "ours" and name not in FLOORS), key=lambda name: _order(delays[name]))
    gain, low, high = injected.gain(delays["ours"], delays[best], outbreaks.column)
    about = {
        "series": len(background.series),
        "outbreaks": len(outbreaks.start),
        "false_per_day": rate_day,
        "days": round(injected.days(background), 1),
    }
    return {**about, "best_peer": best, "gain": gain, "gain_low": low, "gain_high": high, "detectors": rows}


def _everybody(background: Background) -> Mapping[str, Score]:
    def own(counts: Ints) -> Floats:
        return ours.surprise(scored(background._replace(counts=counts)).combined)

    first = int(np.argmax(background.judged.any(axis=1)))

    def asked(peer: peers.Peer) -> Score:
        return lambda counts: peer(counts, background.window_s, first)

    return {"ours": own} | {name: asked(peer) for name, peer in peers.HOURLY.items()}


def _order(delay_h: Floats) -> tuple[float, float]:
    return injected.median_h(delay_h), float(delay_h.mean())


def _summary(delay_h: Floats) -> dict[str, float]:
    """Median delay, hours, those not seen counted as seven days; share seen; number."""
    censored = injected.CENSORED_D * 24.0
    return {"median_h": injected.median_h(delay_h), "seen": round(float((delay_h < censored).mean()), 3), "outbreaks": len(delay_h)}


def _groups(background: Background, outbreaks: Outbreaks) -> dict[str, dict[str, Bools]]:
    """Outbreaks (O,) by size, by spread and by how frequent their series is."""
    known = background.counts >= 0
    rate = (background.counts * known).sum(axis=0) / known.sum(axis=0) * DAY_S / background.window_s
    each = rate[outbreaks.column]
    return {
        "by_size_sd": {str(size): outbreaks.size_sd == size for size in injected.SIZES_SD},
        "by_spread_h": {str(spread): outbreaks.spread_h == spread for spread in injected.SPREAD_H},
        "by_events_a_day": {f"{low:g}-{high:g}": (each >= low) & (each < high) for low, high in RATE_CLASSES},
    }


def _parts(parts: Mapping[str, Bools], delay_h: Floats) -> dict[str, Any]:
    return {name: _summary(delay_h[chosen]) for name, chosen in parts.items() if chosen.any()}


def draw(found: Mapping[str, Any], name: str, folder: Path) -> Path:
    """Write the picture of ``compared``'s curves.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    figure_module: Any = import_module("matplotlib.figure")
    figure = figure_module.Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for detector, row in found["detectors"].items():
        if detector in FLOORS:
            continue
        rates = [float(rate) for rate in row["curve"]]
        medians = [at["median_h"] for at in row["curve"].values()]
        axes.plot(rates, medians, marker="o", label=detector, linewidth=3 if detector == "ours" else 1)
    axes.set(xscale="log", yscale="log", xlabel="false alerts a day, all series", ylabel="median delay, hours (not seen: 168)", title=name)
    axes.legend(fontsize="small")
    path = folder / PICTURE.format(name=name)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    return path
