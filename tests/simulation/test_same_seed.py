"""A seed is the same run every time, byte for byte, in every process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from load_tests.simulation import seeds

ROOT = Path(__file__).parents[2]
PROGRAM = "from load_tests.simulation import seeds; print(seeds.one(11).trace)"


def test_two_runs_of_a_seed_are_the_same_bytes() -> None:
    first, again = (seeds.one(11) for _ in range(2))
    assert first == again
    assert first.effects > 100


def test_another_process_whose_hashes_differ_runs_the_same_seed() -> None:
    environ = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, env=environ, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == seeds.one(11).trace


def test_what_ran_before_does_not_matter() -> None:
    report = seeds.many(9, 3)
    with seeds.prepared(""):
        traces = [seeds.verdict(seed, "").trace for seed in (11, 10, 9)]
    assert report.failures == 0
    assert traces == [seeds.one(seed).trace for seed in (11, 10, 9)]


def test_seeds_differ() -> None:
    assert seeds.one(1).trace != seeds.one(2).trace
