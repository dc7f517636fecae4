"""What all tests share: parts that a machine may lack, connections that must be closed, and how hypothesis draws.

A test that needs something beyond the Python environment says so: ``@pytest.mark.needs("make")``. Where the part is
missing, the test is skipped and the run's last lines name what was not tested and what to install. Under STRICT=1
(continuous integration) nothing may be skipped, whatever the reason.

Tests run in several processes (pytest-xdist). One that measures how long something takes says ``@pytest.mark.alone``:
no other test of this folder runs meanwhile.
"""

from __future__ import annotations

import fcntl
import functools
import logging
import os
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import structlog
from hypothesis import HealthCheck, settings

from load_tests.services import chromium, clickhouse, kafka

HERE = Path(__file__)
STRICT = os.environ.get("STRICT", "") not in {"", "0"}


class Part(NamedTuple):
    """Something a test may need: how to see it, and what to do where it is missing."""

    present: Callable[[], bool]
    remedy: str


PARTS: dict[str, Part] = {
    "make": Part(lambda: shutil.which("make") is not None, "apt-get install make"),
    "openssl": Part(lambda: shutil.which("openssl") is not None, "apt-get install openssl"),
    "kafka": Part(kafka.present, kafka.REMEDY),
    "clickhouse": Part(clickhouse.present, clickhouse.REMEDY),
    "chromium": Part(chromium.present, chromium.REMEDY),
    "page": Part(chromium.page_present, chromium.PAGE_REMEDY),
}

connected: set[sqlite3.Connection] = set()
_connect = sqlite3.connect


class _Connection(sqlite3.Connection):
    """Known as long as it is open."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        connected.add(self)

    def close(self) -> None:
        super().close()
        connected.discard(self)


sqlite3.connect = functools.partial(_connect, factory=_Connection)

settings.register_profile("tocsin", deadline=None, derandomize=STRICT, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tocsin")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"needs(part): skipped where the part is missing; one of {', '.join(sorted(PARTS))}")
    config.addinivalue_line("markers", "alone: runs while no other test does, in whatever process")


@contextmanager
def locked(path: Path, how: int) -> Iterator[None]:
    """A file or folder is locked for this process; closing it lets it go."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Every test shares this file, one that runs alone has it for itself. Waiting counts for no timeout.

    Who waits holds the folder, where all pass through: those that come later cannot pass by.
    """
    alone = item.get_closest_marker("alone") is not None
    with ExitStack() as stack:
        with locked(HERE.parent, fcntl.LOCK_EX):
            stack.enter_context(locked(HERE, fcntl.LOCK_EX if alone else fcntl.LOCK_SH))
        return (yield)


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A command run in a test leads the logs to that test's stderr, which is closed afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _nothing_stays_connected() -> Iterator[None]:
    """The garbage collector would tell of a connection left open in whichever test it happens to run."""
    before = set(connected)
    yield
    left = connected - before
    for connection in left:
        connection.close()
    assert not left, f"connections to SQLite left open ({len(left)}): close them, also where what follows connecting fails"


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        (name,) = marker.args
        part = PARTS.get(name)
        if part is None:
            pytest.fail(f"{item.nodeid} needs {name!r}, which tests/conftest.py does not know; it knows {sorted(PARTS)}", pytrace=False)
        if not part.present():
            item.user_properties.append(("missing", name))  # reaches the process that sums up
            pytest.skip(f"needs {name}: {part.remedy}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    report = yield
    if STRICT and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped under STRICT=1: {reason_of(report)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    report = yield
    if STRICT and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped under STRICT=1: {reason_of(report)}"
    return report


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The words after ``Skipped:`` of a report's (path, line, reason)."""
    return str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for found in terminalreporter.stats.values() for report in found if isinstance(report, pytest.TestReport)]
    without = {(report.nodeid, name) for report in reports for what, name in report.user_properties if what == "missing"}
    missing = Counter(str(name) for _, name in without)
    if missing:
        what = ", ".join(f"{name} ({n} {'test' if n == 1 else 'tests'})" for name, n in sorted(missing.items()))
        terminalreporter.write_line(
            f"not tested: {what}; install: {'; '.join(PARTS[name].remedy for name in sorted(missing))}", yellow=True
        )
