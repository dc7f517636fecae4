from __future__ import annotations

from pathlib import Path

import pytest

from load_tests.end_to_end import run

pytestmark = [pytest.mark.needs("kafka"), pytest.mark.needs("clickhouse"), pytest.mark.timeout(300)]


def test_nothing_is_lost_doubled_or_changed_whatever_is_killed(tmp_path: Path):
    report = run(tmp_path / "bench", records=20_000, kill=1, seed=2, say=lambda _: None)
    assert report.kills == {"assess": 1, "clickhouse": 1, "intake": 1, "sink": 1}
    assert (report.lost, report.duplicated, report.differences) == (0, 0, {})
    assert report.counted == report.expected > 20_000
    assert report.by_source["camera"] >= 0.3 * report.records
    assert report.alerts > 10
    assert report.ok
