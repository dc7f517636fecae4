"""Outbreaks spread thinly over neighbouring streets of a made-up city: how many are found with and without the scan, at the same number of false alerts.

python -m load_tests.spread --seed 1

A district of sixteen streets; each outbreak lies on two by two of them for a day, weak in each. What is judged is the least p-value of
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
DAYS = 200
JUDGED_DAYS = 60  # from here on
APART_DAYS = 7
SIGNALS = 6
PHI = 1.3  # variance over mean
SIZES_SD = (2.0, 2.5, 3.0, 4.0)  # of a street's day
FALSE_ALERTS = 6  # in all that is judged: about one a signal
EPISODE = 72
STREETS = (5, 6, 9, 10)  # two by two of them


class Scored(NamedTuple):
    """p-values (T, K) of a district's signals."""

    alone: Floats  # least of the district and its streets
    scan: Floats


def town(neighbours: int = 5) -> City:
    """One district of streets on a grid, each a place of its own."""
    streets = [Area(f"D{i:02}", f"Street {i}", 2, "D") for i in range(SIDE * SIDE)]
    areas = (Area("C", "City", 0, None), Area("D", "District", 1, "C"), *streets)
    centres = {street.code: (i // SIDE / 100, i % SIDE / 100) for i, street in enumerate(streets)}
    signals = tuple(Signal(f"s{i}", f"Signal {i}", "fire") for i in range(SIGNALS))
    detection = Detection(durations_s=(HOUR_S, 3 * HOUR_S, 12 * HOUR_S, DAY_S), scan_neighbours=neighbours)
    return City("t", "T", "UTC", areas, {}, signals, {}, detection, centres=centres, raws=("raw.a/0",), feeds={})


def counts(seed: int, days: int = DAYS) -> Ints:
    """(T, streets, K) clustered counts; a street sees from one a day to one an hour."""
    rng = np.random.default_rng(seed)
    rate = np.geomspace(1 / 24, 1.0, SIGNALS)[None, None, :] * np.ones((days * 24, SIDE * SIDE, 1))
    return np.asarray(rng.negative_binomial(rate / (PHI - 1.0), 1.0 / PHI))


def outbreaks(plain: Ints, seed: int, size_sd: float) -> tuple[Ints, list[tuple[int, int]]]:
    """The counts with an outbreak a week in each signal, and (window, signal) at which each begins."""
    rng = np.random.default_rng([seed, round(10 * size_sd)])
    out, starts = plain.copy(), []
    for signal in range(plain.shape[2]):
        sd = float(np.sqrt(24 * plain[:, :, signal].mean() * PHI))
        for day in range(JUDGED_DAYS + 3, len(plain) // 24 - 3, APART_DAYS):
            starts.append((day * 24, signal))
            for street in STREETS:
                hours = day * 24 + rng.integers(0, 24, rng.poisson(size_sd * sd))
                np.add.at(out, (hours, street, signal), 1)
    return out, starts


def scored(seen: Ints) -> Scored:
    """The shard's own bank, calibration and scan, window after window."""
    city = town()
    layout = Layout(city, ("D",), AreaTree(city.areas))
    bank = layout.banks()[0]
    assert bank.scan is not None
    every = np.concatenate((seen.sum(axis=1, keepdims=True), seen), axis=1).reshape(len(seen), -1).astype(float)
    present, rows = np.ones(every.shape[1], bool), np.arange(every.shape[1])
    alone, scan = np.ones((2, len(seen), seen.shape[2]))
    for at, n in enumerate(every):
        window = calendar(at, HOUR_S)
        observed = Observed(n, n, n, n, present)
        verdict = bank.detector.score(window, observed, np.flatnonzero(n > 0))
        raw = bank.combined(verdict.p, verdict.rows)
        found = np.ones(len(rows))
        found[verdict.rows] = np.where(verdict.ready, bank.calibration(window.index, raw, verdict.rows)[:, 1], 1.0)
        scanned = bank.scan.score(window, observed, verdict)
        alone[at], scan[at] = found.reshape(-1, seen.shape[2]).min(axis=0), scanned.p
        p = np.ones(len(rows))
        p[verdict.rows] = verdict.p.min(axis=1)
        able = rows if verdict.ready.any() else rows[:0]
        bank.scan.learn(window, scanned, able)
        bank.detector.learn(window, observed, p)
        bank.calibration.learn(window.index, raw[verdict.ready], verdict.rows[verdict.ready], able)
    return Scored(alone, scan)


def report(seed: int) -> dict[str, Any]:
    """Shares found by size, and how often the scan's p-values are as small as they say where nothing happens."""
    plain = counts(seed)
    calm = scored(plain)
    null = calm.scan[JUDGED_DAYS * 24 :]
    out: dict[str, Any] = {f"null_{level:g}": round(float((null <= level).mean()) / level, 2) for level in (1e-2, 1e-3)}
    for size in SIZES_SD:
        loaded, starts = outbreaks(plain, seed, size)
        found = scored(loaded)
        shares = {}
        for name, before, after in (("without", calm.alone, found.alone), ("with", _both(calm), _both(found))):
            threshold = _threshold(before[JUDGED_DAYS * 24 :])
            shares[name] = round(float(np.mean([(after[s : s + 30, k] <= threshold).any() for s, k in starts])), 3)
        out[f"{size:g}_sd"] = shares | {"outbreaks": len(starts)}
    return out


def _both(of: Scored) -> Floats:
    """The district's own share of false alarms stays with the least of all, which errs against the scan."""
    return np.minimum(of.alone / (1.0 - SHARE), of.scan / SHARE)


def _threshold(p: Floats) -> float:
    """The greatest p at which the windows come to no more than ``FALSE_ALERTS`` episodes."""
    for value in np.unique(p)[::-1]:
        if _episodes(p, value, FALSE_ALERTS) <= FALSE_ALERTS:
            return float(value)
    return 0.0


def _episodes(p: Floats, value: float, most: int) -> int:
    found = 0
    for column in p.T:
        over = np.flatnonzero(column <= value)
        found += len(over) and 1 + int((np.diff(over) > EPISODE).sum())
        if len(over) > 500 or found > most:
            return most + 1
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", type=int, default=1)
    sys.stdout.write(orjson.dumps(report(parser.parse_args().seed)).decode() + "\n")
