from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from load_tests.chaos_embedded import Town, journals, run
from load_tests.chaos_town import batches, count, make, write_town
from streams.shells.replay import replay


def test_kill_9_loses_nothing_and_changes_nothing(tmp_path: Path):
    report = run(tmp_path, kills=3, records=3000, batch=100, seed=5, clickhouse=False)
    assert report.kills == 3
    assert (report.lost, report.extra) == (0, 0)
    assert report.transitions > 10
    assert report.ok, report
    # and what is left replays to the bytes that were written while it was killed
    replay(tmp_path / "harried" / "state", tmp_path / "again")
    for name in ("alerts.ndjson", "scores.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "harried" / "out" / name).read_bytes()


@pytest.fixture
def town(tmp_path: Path):
    made = Town(write_town(tmp_path / "town"), tmp_path / "one", clickhouse=False)
    yield made
    made.stop()


def test_a_second_process_is_refused_and_a_graceful_stop_is_quick(town: Town):
    town.start()
    command = [sys.executable, "-m", "streams.shells.cli", "up", "--embedded", "--city", str(town._settings), "--no-clickhouse"]
    second = subprocess.run(
        [*command, "--state", str(town.folder / "state"), "--port", "0"], capture_output=True, text=True, check=False, timeout=60
    )
    assert second.returncode == 2
    assert second.stderr.endswith("in use by another process; stop it first, or give another folder to --state\n")
    started = time.monotonic()
    town.stop()
    assert time.monotonic() - started < 10


def test_a_followed_file_is_counted_once_over_a_kill(tmp_path: Path):
    items = [item for item in make(12_000, 3) if item.source == "hotline"]
    path = tmp_path / "hotline.ndjson"
    path.write_bytes(b"".join(item.payload + b"\n" for item in items[:-1]))
    follow = ("--follow", f"hotline={path}")
    town = Town(write_town(tmp_path / "town"), tmp_path / "one", clickhouse=False, arguments=follow)
    town.start()
    town.kill()  # somewhere in the middle of the file
    town.start()
    with path.open("ab") as file:
        file.write(items[-1].payload + b"\n")
    until = time.monotonic() + 30
    numbers = list("12345")
    while time.monotonic() < until and len(set(numbers)) > 1:  # until nothing has come in for half a second
        time.sleep(0.1)
        numbers = [*numbers[1:], "".join(line for line in town.metrics().splitlines() if "intake_records_total{" in line)]
    town.stop()
    cells, _ = journals(town.folder)
    assert cells == count(items)


def test_a_port_that_is_taken_is_said(town: Town):
    town.start()
    command = [sys.executable, "-m", "streams.shells.cli", "up", "--embedded", "--city", str(town._settings), "--no-clickhouse"]
    second = subprocess.run(
        [*command, "--state", str(town.folder / "other"), "--port", str(town._port)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert second.returncode == 2
    assert f"port {town._port} cannot be used" in second.stderr
    source, payloads = next(batches(make(50, 1), 20))
    assert town.post(source, payloads)["accepted"] > 0
