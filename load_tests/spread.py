"""Outbreaks spread thinly over neighbouring streets of a made-up city: how many are found with and without the scan, at the same number of false alerts.

python -m load_tests.spread --seed 1

Districts of sixteen streets; each outbreak lies on two by two of them for a day, weak in each. What is judged is the least p-value of
a signal in the district and its streets; alarms less than three days apart are one. The threshold of each way is the one at which the same counts
without outbreaks come to as many alarms.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any, NamedTuple

import numpy as np
import orjson

from detectors.base import Floats, Ints, Observed
from load_tests.ours import calendar
from streams.core.areas import AreaTree
from streams.core.scan import SHARE
from streams.core.shard import Layout
from streams.model import DAY_S, HOUR_S, Area, Signal
from streams.settings import City, Detection

SIDE = 4
DISTRICTS = 12
DAYS = 200
JUDGED_DAYS = 60  # from here on
STARTS = (90, 140)  # days of outbreaks, each up to ten days later: more often, and they would be what is usual
SIGNALS = 6
PHI = 1.3  # variance over mean
SIZES_SD = (2.0, 2.5, 3.0, 4.0)  # of a street's day
APART = 72
STREETS = (5, 6, 9, 10)  # two by two of them
FALSE_PER_DAY = (0.1, 0.5)


class Scored(NamedTuple):
    """p-values (T, districts * signals)."""

    alone: Floats  # least of the district and its streets
    scan: Floats


class Outbreaks(NamedTuple):
    """Counts with outbreaks (T, districts, streets, signals), and of each the window, the column and the size."""

    counts: Ints
    start: Ints
    column: Ints
    size_sd: Floats


def town(neighbours: int = 5, districts: int = 1) -> City:
    """Districts of streets on a grid, each a place of its own."""
    areas, centres = [Area("C", "City", 0, None)], {}
    for d in range(districts):
        areas.append(Area(f"D{d}", f"District {d}", 1, "C"))
        for i in range(SIDE * SIDE):
            areas.append(Area(f"D{d}s{i:02}", f"Street {i}", 2, f"D{d}"))
            centres[areas[-1].code] = (i // SIDE / 100, d + i % SIDE / 100)
    signals = tuple(Signal(f"s{i}", f"Signal {i}", "fire") for i in range(SIGNALS))
    detection = Detection(durations_s=(HOUR_S, 3 * HOUR_S, 12 * HOUR_S, DAY_S), scan_neighbours=neighbours)
    return City("t", "T", "UTC", tuple(areas), {}, signals, {}, detection, centres=centres, raws=("raw.a/0",), feeds={})


def counts(seed: int) -> Ints:
    """(T, districts, streets, signals) clustered counts; a street sees from one a day to one an hour."""
    rng = np.random.default_rng(seed)
    rate = np.geomspace(1 / 24, 1.0, SIGNALS) * np.ones((DAYS * 24, DISTRICTS, SIDE * SIDE, 1))
    return np.asarray(rng.negative_binomial(rate / (PHI - 1.0), 1.0 / PHI))


def outbreaks(plain: Ints, seed: int) -> Outbreaks:
    """Two in each district and signal."""
    rng = np.random.default_rng([seed, 1])
    out, rows = plain.copy(), []
    for district in range(DISTRICTS):
        for signal in range(SIGNALS):
            sd = float(np.sqrt(24 * plain[:, district, :, signal].mean() * PHI))
            for day in STARTS:
                start, size = 24 * day + int(rng.integers(0, 240)), float(rng.choice(SIZES_SD))
                for street in STREETS:
                    hours = start + rng.integers(0, 24, rng.poisson(size * sd))
                    np.add.at(out[:, district, street, signal], hours, 1)
                rows.append((start, district * SIGNALS + signal, size))
    start, column, size_sd = np.array(rows).T
    return Outbreaks(out, start.astype(int), column.astype(int), size_sd)


def scored(seen: Ints) -> Scored:
    """The shards' own bank, calibration and scan, window after window."""
    windows, districts, _, signals = seen.shape
    city = town(districts=districts)
    layout = Layout(city, tuple(f"D{d}" for d in range(districts)), AreaTree(city.areas))
    bank = layout.banks()[0]
    assert bank.scan is not None
    every = np.concatenate((seen.sum(axis=2, keepdims=True), seen), axis=2).reshape(windows, -1).astype(float)
    size = every.shape[1]
    present, rows = np.ones(size, bool), np.arange(size)
    alone, scan = np.ones((2, windows, districts * signals))
    for at, n in enumerate(every):
        window = calendar(at, HOUR_S)
        observed = Observed(n, n, n, n, present)
        verdict = bank.detector.score(window, observed, np.flatnonzero(n > 0))
        raw = bank.combined(verdict.p, verdict.rows, verdict.onset)
        found, p = np.ones((2, size))
        found[verdict.rows] = np.where(verdict.ready, bank.calibration(window.index, raw, verdict.rows)[:, 1], 1.0)
        p[verdict.rows] = verdict.p.min(axis=1)
        scanned = bank.scan.score(window, observed, verdict)
        alone[at] = found.reshape(districts, -1, signals).min(axis=1).reshape(-1)
        scan[at] = scanned.p
        able = rows if verdict.ready.any() else rows[:0]
        bank.scan.learn(window, scanned, able)
        bank.detector.learn(window, observed, p)
        bank.calibration.learn(window.index, raw[verdict.ready], verdict.rows[verdict.ready], able)
    return Scored(alone, scan)


def report(seed: int) -> dict[str, Any]:
    """Shares found by size, and how often the scan's p-values are as small as they say where nothing happens."""
    plain = counts(seed)
    put = outbreaks(plain, seed)
    calm, found = scored(plain), scored(put.counts)
    null = calm.scan[JUDGED_DAYS * 24 :]
    out: dict[str, Any] = {"null": {f"{level:g}": round(float((null <= level).mean()) / level, 2) for level in (1e-2, 1e-3, 1e-4)}}
    ways = {"without": (calm.alone, found.alone), "scan_only": (calm.scan, found.scan), "with": (_both(calm), _both(found))}
    for rate in FALSE_PER_DAY:
        seen = {}
        for way, (before, after) in ways.items():
            threshold = _threshold(before[JUDGED_DAYS * 24 :], rate * (DAYS - JUDGED_DAYS))
            seen[way] = np.array([(after[s : s + 30, k] <= threshold).any() for s, k in zip(put.start, put.column, strict=True)])
        sizes = {f"{size:g}_sd": put.size_sd == size for size in SIZES_SD} | {"all": put.size_sd > 0}
        out[f"{rate:g}_false_alerts_a_day"] = {
            name: {"outbreaks": int(chosen.sum())} | {way: round(float(hits[chosen].mean()), 3) for way, hits in seen.items()}
            for name, chosen in sizes.items()
        }
    return out


def _both(of: Scored) -> Floats:
    """Streets too are held to what is left to the district, which errs against the scan."""
    return np.asarray(np.minimum(of.alone / (1.0 - SHARE), of.scan / SHARE))


def _threshold(p: Floats, allowed: float) -> float:
    """The greatest p at which the windows come to no more than so many episodes."""
    low, values = 0, np.unique(p[p < 0.05])
    high = len(values)
    while low < high:
        middle = (low + high + 1) // 2
        if _episodes(p, float(values[middle - 1])) <= allowed:
            low = middle
        else:
            high = middle - 1
    return float(values[low - 1]) if low else 0.0


def _episodes(p: Floats, threshold: float) -> int:
    found = 0
    for column in p.T:
        over = np.flatnonzero(column <= threshold)
        found += int(len(over) > 0) + int((np.diff(over) > APART).sum())
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    sys.stdout.write(orjson.dumps(report(parser.parse_args().seed)).decode() + "\n")
