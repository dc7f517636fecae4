from __future__ import annotations

from pathlib import Path

from load_tests.intake_bench import run


def test_intake_and_its_peers_read_the_same_topic(tmp_path: Path) -> None:
    report = run(tmp_path, records=200_000, seed=1, say=lambda _: None)
    assert report.intake_eps > report.faust_eps > 0
    assert report.drain_eps > 0
    assert report.of_drain == round(report.intake_eps / report.drain_eps, 3)
    assert 150 < report.bytes_each < 200
