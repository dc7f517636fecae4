from __future__ import annotations

from pathlib import Path

import pytest

from load_tests.latency import BURSTS_PER_S, run

pytestmark = [pytest.mark.needs("kafka"), pytest.mark.alone, pytest.mark.timeout(300)]


def test_every_burst_is_an_alert_at_a_reader_of_the_cockpit(tmp_path: Path):
    found = run(tmp_path / "bench", rate=200, seconds=6.0, seed=1)
    assert found.alerts == found.bursts == 6.0 * BURSTS_PER_S
    assert 0.0 < found.p50_s <= found.p99_s <= found.max_s < 30.0
    assert abs(found.rate_eps - 200) < 20
