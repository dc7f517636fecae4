"""docs/performance.md, every figure of it taken from the report of ``tocsin bench all``, or computed from one here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil
from types import MappingProxyType
from typing import Any, NamedTuple

from load_tests.accuracy_page import table
from load_tests.performance_plots import INTAKE, SCALE

HEAD = """# Performance

This page is written by `tocsin bench all --write docs`; no figure on it was typed. Speed is CPU time, threads of libraries included, and stands
beside that of a peer in the same run: figures of different machines and days do not compare, ratios nearly do.
"""
INTAKE_WORDS = """## Intake

One process, one raw partition on a real broker, {records:,} hotline records of {bytes_each:g} bytes; exactly once, in transactions: typed decode, areas (80% by code, 15% by
point, 5% by address), duplicates, lateness, cells. The bare consumer does nothing with what it reads. Faust decodes and counts record by record, without
state. Quix Streams counts a tumbling window by key, exactly once.
"""
PROFILE = """Where intake's time goes, measured in a run of its own under a profiler, whose cost is in it:
"""
LATENCY = """## From a record to its alert

From the record that crosses an alarm count to the alert at a reader of the cockpit's stream, through broker, intake, assess and cockpit, with this traffic
going on; everything on this machine, the sender too.
"""
SCALE_WORDS = """## What grows with a city, and what does not

Score, a tenth of all series changing in each window; a window has a fixed cost of its own, which shows where series are few. {idle[series]:,} series in which nothing
happens take {idle_percent:.4f}% of a core, with a window of {idle[window_s]} s. The dearest cell costs {series_ratio:g} times the cheapest, and among processes of
intake the dearest record {processes_ratio:g} times.
"""
FAULTS = """## Faults
"""
CAPACITY = """## What a city would need

Computed from the figures above, not measured: {headroom:.0%} of each part's measured speed, one core each where not said otherwise; {series:,} series, each with one cell a minute at
most; journals without replicas. Brokers: the CPU time of writing raw records and reading them once, a core of a broker each. ClickHouse takes cells, not records: {rows:,} rows a second and node is
assumed, which is the one figure here that nobody measured.
"""
HEADROOM = 0.5
CITY_SERIES = 100_000
ROWS_A_NODE = 200_000
RATES = (100_000, 1_000_000, 10_000_000)


class Need(NamedTuple):
    """What so many records a second need."""

    records_a_second: int
    intake: int  # processes, each with a core
    raw_partitions: int
    broker_cores: int
    assess: int
    clickhouse: int


def text(report: Mapping[str, Any]) -> str:
    """The page; of what was not run it says that."""
    parts = [HEAD, *_intake(report), *_latency(report), *_scale(report), *_faults(report), *_capacity(report)]
    return "\n".join(parts)


def needs(report: Mapping[str, Any]) -> list[Need]:
    """Parts of a city with ``CITY_SERIES`` series, by records a second."""
    intake, cell_us = report["intake"], max(row["us_a_cell"] for row in report["scale"]["series"] if row["series"] >= 10_000)
    broker_us = intake["broker_write_us"] + intake["broker_read_us"]
    found = []
    for rate in RATES:
        cells = min(rate, CITY_SERIES / 60)
        processes = ceil(rate / intake["intake_eps"] / HEADROOM)
        found.append(
            Need(
                rate,
                processes,
                2 * processes,  # so that each can take over half of another's
                ceil(rate * broker_us / 1e6 / HEADROOM),
                ceil(cells * cell_us / 1e6 / HEADROOM),
                ceil(cells / ROWS_A_NODE / HEADROOM),
            )
        )
    return found


def _intake(report: Mapping[str, Any]) -> Iterable[str]:
    found = report.get("intake", {})
    if "intake_eps" not in found:
        return _absent("Intake", found)
    names = {"drain_eps": "bare consumer (librdkafka)", "intake_eps": "**intake**", "quix_eps": "Quix Streams", "faust_eps": "Faust"}
    rows = [(words, f"{found[name]:,}", f"{found['intake_eps'] / found[name]:.2f}") for name, words in names.items() if found[name]]
    stages = sorted(found["profile"].items(), key=lambda item: -item[1])
    return (
        INTAKE_WORDS.format(**found),
        table(("", "records/s", "intake, times as many"), rows),
        f"![Intake beside its peers, and where its time goes]({INTAKE})\n",
        PROFILE,
        table(("stage", "microseconds a record"), stages),
        _where(found),
    )


def _latency(report: Mapping[str, Any]) -> Iterable[str]:
    rows = [report[name] for name in ("latency_2000", "latency_50000") if "p99_s" in report.get(name, {})]
    if not rows:
        return _absent("From a record to its alert")
    columns = ("rate_eps", "series", "bursts", "alerts", "p50_s", "p99_s", "p999_s", "max_s")
    head = ("records/s", "series", "bursts", "alerts", "p50, s", "p99, s", "p99.9, s", "longest, s")
    return LATENCY, table(head, [[row[c] for c in columns] for row in rows]), _where(rows[-1])


def _scale(report: Mapping[str, Any]) -> Iterable[str]:
    found = report.get("scale", {})
    if "series" not in found:
        return _absent("What grows with a city, and what does not", found)
    series = [(f"{row['series']:,}", row["us_a_cell"], row["us_a_series"], row["bytes_a_series"]) for row in found["series"]]
    areas = [(f"{row['areas']:,}", row["us_a_record"]) for row in found["areas"]]
    processes = [(row["processes"], row["us_a_record"], f"{row['records_a_second']:,}") for row in found["processes"]]
    return (
        SCALE_WORDS.format(**found, idle_percent=100 * found["idle"]["core"]),
        table(("series", "us a changed cell", "us a series and window", "bytes a series"), series),
        table(("areas", "intake, us a record"), areas),
        table(("processes", "intake, us a record", "records a second by the clock"), processes),
        f"![Cost by size]({SCALE})\n",
        _where(found),
    )


def _faults(report: Mapping[str, Any]) -> Iterable[str]:
    rows = []
    for name, words in FAULT_WORDS.items():
        found = report.get(name)
        if found is None:
            rows.append((words, "was not run"))
            continue
        shown = [f"{key.replace('_', ' ')} {_short(found[key])}" for key in FAULT_KEYS[name] if key in found]
        shown += [f"failed: {found['failed']}"] if "failed" in found else []
        rows.append((words, ", ".join(shown)))
    return FAULTS, table(("", "what came of it"), rows)


FAULT_WORDS = {
    "end_to_end": "a million records, each process killed five times",
    "chaos": "kill -9, SIGSTOP, two of one name and full disks, under load",
    "outage": "the broker and ClickHouse away, at the start and in between",
    "simulate": "the simulation: seeds that failed, and after how many each planted bug was found",
    "fuzz": "records bent out of shape",
    "fanout": "a thousand readers of the feed, ten of them stuck",
}
FAULT_KEYS = {
    "end_to_end": ("records", "lost", "duplicated", "cells_equal", "scores_equal", "alerts_equal"),
    "chaos": ("kills", "lost", "duplicated", "wrong_alerts", "recovery_p99_s"),
    "outage": ("away_s", "records", "lost", "duplicated", "ended"),
    "simulate": ("seeds", "failures", "planted_found"),
    "fuzz": ("records", "crashes", "unaccounted", "different"),
    "fanout": ("readers", "stuck", "missed", "p99_s", "rss_mb"),
}


def _capacity(report: Mapping[str, Any]) -> Iterable[str]:
    if "intake_eps" not in report.get("intake", {}) or "series" not in report.get("scale", {}):
        return _absent("What a city would need")
    rows = [(f"{need.records_a_second:,}", *need[1:]) for need in needs(report)]
    head = ("records/s", "intake processes", "raw partitions", "broker cores", "assess processes", "ClickHouse nodes")
    return CAPACITY.format(headroom=HEADROOM, series=CITY_SERIES, rows=ROWS_A_NODE), table(head, rows)


def _absent(title: str, found: Mapping[str, Any] = MappingProxyType({})) -> tuple[str]:
    return (f"## {title}\n\n" + (f"Failed: {found['failed']}\n" if "failed" in found else "Was not run.\n"),)


def _where(found: Mapping[str, Any]) -> str:
    return f"On {found['on']}.\n" if "on" in found else ""


def _short(value: object) -> str:
    if isinstance(value, Mapping):  # of what has a name and several figures, the first
        firsts = [(key, next(iter(one.values())) if isinstance(one, Mapping) else one) for key, one in value.items()]
        return "; ".join(f"{key.replace('_', ' ')} {one}" for key, one in firsts) or "none"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
