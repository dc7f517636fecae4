"""``tocsin bench``: speed as ratios to a peer measured in the same run, never as a bare number to believe.

tocsin bench intake --json      records a second through all of intake, and through a bare JSON decoder
tocsin bench assess --json      series-windows a second of the counts bank, and of the same tail asked for one series at a time
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import orjson
import typer
from scipy import stats

from detectors.base import Observed, Setup, Window
from detectors.counts import Counts
from load_tests.generator import START, records
from streams.core.intake import Intake, Raw
from streams.loading import find_city, load
from streams.model import DAY_S, HOUR_S, Signal

BATCH = 2000
DURATIONS = (1, 3, 12, 24, 72)
PEER_SERIES = 200

app = typer.Typer(help="Measure speed against a peer in the same run.", no_args_is_help=True)
Json = Annotated[bool, typer.Option("--json", help="Report as JSON.")]


@app.command(epilog="Example: tocsin bench intake --days 5 --json")
def intake(json: Json = False, days: Annotated[float, typer.Option(help="Days of the simulated Hangzhou.")] = 5.0) -> None:
    """Records a second through intake: decode, areas, dedupe, lateness, fold; beside a bare decode to dictionaries."""
    city = load(find_city("hangzhou"))
    by_source: dict[str, list[Raw]] = {}
    start_s = int(datetime.fromisoformat(START).replace(tzinfo=ZoneInfo(city.timezone)).timestamp())
    for source, append_s, payload in records(seed=1, days=days, start_s=start_s, city=city):
        raws = by_source.setdefault(source, [])
        raws.append(Raw(len(raws), append_s, payload))
    machine = Intake(city, b"0" * 32)

    def through_intake() -> None:
        for source, raws in by_source.items():
            for at in range(0, len(raws), BATCH):
                machine.apply(source, 0, raws[at : at + BATCH])

    total = sum(map(len, by_source.values()))
    intake_eps = total / _seconds(through_intake)
    decode_eps = total / _seconds(lambda: [_bare(raw.payload) for raws in by_source.values() for raw in raws])
    _report(json, records=total, intake_eps=round(intake_eps), decode_eps=round(decode_eps), ratio=round(intake_eps / decode_eps, 3))


@app.command(epilog="Example: tocsin bench assess --series 10000 --json")
def assess(
    json: Json = False,
    series: Annotated[int, typer.Option(min=1, max=1_000_000, help="Series in the bank.")] = 10_000,
    windows: Annotated[int, typer.Option(min=48, max=100_000, help="Hours to score and learn.")] = 240,
) -> None:
    """Series-windows a second of the counts bank, every series scored at every window; beside one series at a time."""
    rng = np.random.default_rng(1)
    rates = rng.gamma(0.5, 2.0, series)
    counts = [rng.poisson(rates).astype(float) for _ in range(48)]
    bank = Counts(Setup((Signal("x", "X", "fire"),), np.zeros(series, int), np.ones(series, int), HOUR_S, DURATIONS, {}))
    present = np.ones(series, bool)

    def run() -> None:
        for i in range(windows):
            n = counts[i % len(counts)]
            window = Window(i, i * HOUR_S, i % 24, i // 24 % 7, i * HOUR_S / (365 * DAY_S))
            observed = Observed(n, n, n, n, present)
            bank.learn(window, observed, bank.score(window, observed).p.min(axis=1))

    scored = series * windows * len(DURATIONS)
    bank_rate = scored / _seconds(run)
    peer_rate = PEER_SERIES * len(DURATIONS) / _seconds(lambda: _one_by_one(rates[:PEER_SERIES]))
    size = sum(array.nbytes for array in bank.snapshot().values()) / series
    _report(
        json,
        series=series,
        durations=len(DURATIONS),
        series_windows_per_s=round(bank_rate),
        one_by_one_per_s=round(peer_rate),
        ratio=round(bank_rate / peer_rate, 1),
        bytes_per_series=round(size),
    )


def _one_by_one(rates: np.ndarray[Any, Any]) -> None:
    for rate in rates.tolist():
        for duration in DURATIONS:
            stats.nbinom.sf(3, rate * duration / 0.5, 1 / 1.5)


def _bare(payload: bytes) -> object:
    try:
        return msgspec.json.decode(payload)
    except msgspec.MsgspecError:
        return None


def _seconds(work: Callable[[], object]) -> float:
    """CPU seconds of this process, so that others on the machine count for little."""
    started = time.process_time()
    work()
    return time.process_time() - started


def _report(json: bool, **figures: float) -> None:
    text = orjson.dumps(figures).decode() if json else "\n".join(f"{name}: {value}" for name, value in figures.items())
    sys.stdout.write(text + "\n")
