"""Every benchmark of speed and of faults, one after the other, each in a process of its own; and docs/performance.md of what they said."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from load_tests import performance_page
from load_tests.performance_plots import draw

BENCHES: dict[str, tuple[str, ...]] = {
    "intake": ("intake", "--records", "1000000"),
    "latency_2000": ("latency", "--rate", "2000"),
    "latency_50000": ("latency", "--rate", "50000"),
    "scale": ("scale",),
    "assess": ("assess",),
    "fanout": ("fanout",),
    "fuzz": ("fuzz",),
    "simulate": ("simulate", "--seeds", "5000"),
    "chaos": ("chaos", "--kills", "100", "--away", "600"),
    "end_to_end": ("end-to-end", "--records", "1000000", "--kill", "5"),
    "outage": ("outage",),
}
"""Key in the report -> words behind ``tocsin bench``."""
REPORT, PAGE = "performance.json", "performance.md"
HOURS_MAX = 3.0


def run(only: Sequence[str], known: Mapping[str, Any], say: Callable[[str], None]) -> dict[str, Any]:
    """What each of ``only`` says, all where it is empty; of the others what is ``known``. What fails says so in its place.

    Raises:
        KeyError: there is no such benchmark.
    """
    unknown = [name for name in only if name not in BENCHES]
    if unknown:
        raise KeyError(f"no benchmark {unknown[0]!r}; there are {', '.join(BENCHES)}")
    report = dict(known)
    for name in only or BENCHES:
        say(name)
        report[name] = {**_one(BENCHES[name]), "on": _machine()}
    return report


def read(folder: Path | None) -> dict[str, Any]:
    """The report that stands in a folder; empty where there is none."""
    path = folder / REPORT if folder else None
    found: dict[str, Any] = orjson.loads(path.read_bytes()) if path and path.exists() else {}
    return found


def write(report: Mapping[str, Any], folder: Path) -> None:
    """The report, the page made of it, and its pictures where matplotlib is there.

    Raises:
        ModuleNotFoundError: matplotlib is not installed; the page was written.
    """
    (folder / REPORT).write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    (folder / PAGE).write_text(performance_page.text(report))
    draw(report, folder)


def _one(words: Sequence[str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "streams.shells.cli", "bench", *words, "--json"]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    began = time.monotonic()
    done = subprocess.run(command, env=environ, capture_output=True, timeout=HOURS_MAX * 3600, check=False)
    took = {"status": done.returncode, "took_s": round(time.monotonic() - began, 1)}
    lines = [line for line in done.stdout.splitlines() if line.startswith(b"{")]
    if not lines:
        return {**took, "failed": done.stderr.decode(errors="replace").strip().splitlines()[-1:]}
    return {**orjson.loads(lines[-1]), **took}


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {time.strftime('%Y-%m-%d', time.gmtime())}"
