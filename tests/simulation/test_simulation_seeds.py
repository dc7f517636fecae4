"""Seeds of the simulation pass, and what they pass is worth passing."""

from __future__ import annotations

import pytest

from load_tests.simulation import seeds

PARTS, SEEDS = 6, 30
FAULTS = {
    "answer_lost", "broker_away", "compacted", "disk_full", "ended_itself", "expelled", "killed", "refused", "started_twice", "stood_still",
    "stopped", "tables_away",
}  # fmt: skip


@pytest.mark.parametrize("part", range(PARTS))
def test_every_invariant_holds_whatever_happens(part: int) -> None:
    report = seeds.many(part * SEEDS, SEEDS)
    assert (report.seeds, report.failures, report.examples, report.ok) == (SEEDS, 0, [], True)
    assert report.faults.keys() >= FAULTS, "every fault has happened"
    assert all(count > 0 for count in report.faults.values())
    assert report.counted["records"] > 50 * SEEDS
    assert report.counted["transitions"] > 3 * SEEDS
    assert report.counted["late"] > SEEDS
