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
from streams.shells.errors import ShellError

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


def run(
    only: Sequence[str], known: Mapping[str, Any], say: Callable[[str], None], keep: Callable[[Mapping[str, Any]], None]
) -> dict[str, Any]:
    """What each of ``only`` says, all where it is empty; of the others, and of one that fails, what is ``known``. ``keep`` is told after each.

    Raises:
        KeyError: there is no such benchmark.
    """
    chosen = [name for asked in only for name in BENCHES if asked in (name, BENCHES[name][0])]
    unknown = [asked for asked in only if not any(asked in (name, words[0]) for name, words in BENCHES.items())]
    if unknown:
        raise KeyError(f"no benchmark {unknown[0]!r}; there are {', '.join(sorted({*BENCHES, *(words[0] for words in BENCHES.values())}))}")
    report = dict(known)
    for name in chosen if only else BENCHES:
        say(name)
        found = _one(BENCHES[name])
        report[name] = {**report.get(name, {}), **found} if "failed" in found else {**found, "on": _machine()}
        keep(report)
    return report


def failed(report: Mapping[str, Any]) -> list[str]:
    """Benchmarks that did not run, or of which something does not hold."""
    return [name for name, found in report.items() if "failed" in found or found.get("status", 0) != 0]


def read(folder: Path | None) -> dict[str, Any]:
    """The report that stands in a folder; empty where there is none.

    Raises:
        ShellError: it cannot be read.
    """
    path = folder / REPORT if folder else None
    if path is None or not path.exists():
        return {}
    try:
        found: dict[str, Any] = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise ShellError(f"{path}: {error}; remove it, and run all of them again") from None
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
    child = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        out, err = child.communicate(timeout=HOURS_MAX * 3600)
    except subprocess.TimeoutExpired:
        return {"failed": f"not done in {HOURS_MAX:g} hours"}
    finally:
        child.kill()
        child.wait()
    took = {"status": child.returncode, "took_s": round(time.monotonic() - began, 1)}
    lines = [line for line in out.splitlines() if line.startswith(b"{")]
    if not lines:
        said = err.decode(errors="replace").strip().splitlines()
        return {"failed": said[-1] if said else f"status {child.returncode}"}
    return {**orjson.loads(lines[-1]), **took}


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {time.strftime('%Y-%m-%d', time.gmtime())}"
