from __future__ import annotations

from pathlib import Path

import pytest

from load_tests.chaos import run
from load_tests.chaos_run import Plan
from streams.shells.kafka.intake import GROUP as INTAKE

pytestmark = [pytest.mark.needs("kafka"), pytest.mark.needs("clickhouse"), pytest.mark.timeout(600)]


def test_nothing_is_lost_doubled_or_wrong_whatever_is_killed_stopped_or_doubled(tmp_path: Path):
    plan = Plan(kills=12, frozen=(INTAKE,), twins=True, full=False, away_s=0.0, rate=200.0)
    report = run(tmp_path / "bench", plan, seed=3, say=lambda _: None)
    assert report.killed == dict.fromkeys(("assess", "broker", "clickhouse", "cockpit", "intake", "sink"), 2)
    assert (report.lost, report.duplicated, report.wrong_alerts, report.alerts_lost, report.differences) == (0, 0, 0, 0, {})
    assert (report.feed.missed, report.feed.repeated) == (0, 0)
    assert report.cells_equal
    assert report.rejected_equal
    assert report.scores_equal
    assert report.loaded
    assert report.records > 5_000
    assert report.alerts > 0
    (frozen,) = report.frozen
    assert frozen.taken_over_s is not None
    assert report.twin is not None
    assert report.twin.ended == 1
    assert "give each its own --instance" in report.twin.said
