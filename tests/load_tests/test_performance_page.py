from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from load_tests import every_bench
from load_tests.performance_page import needs, text
from streams.shells.errors import ShellError

GROWN = [
    {"series": n, "us_a_cell": us, "us_a_series": us / 10, "bytes_a_series": 600}
    for n, us in ((1_000, 11.0), (10_000, 4.0), (100_000, 5.0))
]
REPORT: dict[str, Any] = {
    "intake": {
        "records": 1000, "bytes_each": 175.7, "intake_eps": 400_000, "drain_eps": 1_000_000, "faust_eps": 16_000, "quix_eps": 0, "of_drain": 0.4,
        "broker_write_us": 1.0, "broker_read_us": 1.0, "profile": {"scanning JSON": 0.5, "points": 0.2}, "on": "2 cores",
    },
    "latency_2000": {"rate_eps": 2000, "series": 9, "bursts": 1, "alerts": 1, "p50_s": 0.1, "p99_s": 0.2, "p999_s": 0.3, "max_s": 0.4},
    "scale": {
        "series": GROWN, "series_ratio": 2.75, "idle": {"series": 100_000, "window_s": 900, "core": 1e-5}, "areas": [{"areas": 100, "us_a_record": 1.0}],
        "areas_ratio": 1.0, "processes": [{"processes": 1, "us_a_record": 3.0, "records_a_second": 300_000}], "processes_ratio": 1.0,
    },
    "fuzz": {"records": 10, "crashes": 0, "unaccounted": 0, "different": 0},
    "chaos": {"failed": "no broker"},
}  # fmt: skip


def test_the_page_shows_what_was_measured_and_says_what_was_not() -> None:
    page = text(REPORT)
    assert "| **intake** | 400,000 | 1.00 |" in page
    assert "| Faust | 16,000 | 25.00 |" in page
    assert "Quix Streams |" not in page
    assert "0.0010% of a core" in page
    assert "records 10, crashes 0, unaccounted 0, different 0" in page
    assert "failed: no broker" in page
    assert "was not run" in page
    assert "Was not run." in text({})


def test_what_a_city_needs_follows_from_the_figures() -> None:
    small, _, large = needs(REPORT)
    assert (small.records_a_second, small.intake, small.raw_partitions, small.broker_cores) == (100_000, 1, 2, 1)
    assert (large.intake, large.broker_cores) == (50, 40)
    assert (large.assess, large.clickhouse) == (1, 1), "cells are bounded by series, not by records"


def test_figures_that_are_not_measured_again_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(every_bench.BENCHES, "fuzz", ("fuzz", "--records", "300"))
    (tmp_path / every_bench.REPORT).write_bytes(orjson.dumps(REPORT))
    kept: list[object] = []
    report = every_bench.run(["fuzz"], every_bench.read(tmp_path), lambda _: None, kept.append)
    assert (report["fuzz"]["records"], report["fuzz"]["status"], report["intake"]) == (300, 0, REPORT["intake"])
    assert kept == [report]
    assert every_bench.failed(report) == ["chaos"]
    every_bench.write(report, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} >= {
        "performance.json",
        "performance.md",
        "performance-intake.png",
        "performance-scale.png",
    }
    assert every_bench.read(tmp_path) == report
    assert every_bench.read(None) == {}


def test_a_benchmark_that_is_not_there_is_refused() -> None:
    with pytest.raises(KeyError, match="no benchmark 'speed'"):
        every_bench.run(["speed"], {}, lambda _: None, lambda _: None)


def test_one_that_fails_leaves_the_figures_that_were_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(every_bench.BENCHES, "fuzz", ("fuzz", "--records", "none"))
    report = every_bench.run(["fuzz"], REPORT, lambda _: None, lambda _: None)
    assert report["fuzz"]["records"] == 10
    assert "--records" in report["fuzz"]["failed"]
    assert "failed: " in text(report)


def test_a_command_s_name_means_all_its_runs_and_a_damaged_report_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(every_bench, "_one", lambda words: ran.append(words) or {"failed": "no"})  # type: ignore[func-returns-value]
    every_bench.run(["latency"], {}, lambda _: None, lambda _: None)
    assert [words[2] for words in ran] == ["2000", "50000"]
    (tmp_path / every_bench.REPORT).write_bytes(b"{")
    with pytest.raises(ShellError, match=r"performance.json: .*; remove it"):
        every_bench.read(tmp_path)
