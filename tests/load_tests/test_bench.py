from __future__ import annotations

import orjson
from typer.testing import CliRunner

from load_tests.bench import app


def test_assess_counts_every_series_at_every_duration() -> None:
    result = CliRunner().invoke(app, ["assess", "--series", "50", "--windows", "48", "--json"])
    assert result.exit_code == 0, result.output
    report = orjson.loads(result.output)
    assert (report["series"], report["durations"]) == (50, 5)
    assert report["series_windows_per_s"] > 0
    assert report["bytes_per_series"] > 0


def test_assess_says_what_river_does_in_the_same_run() -> None:
    result = CliRunner().invoke(app, ["assess", "--series", "50", "--windows", "24", "--json"])
    assert result.exit_code == 0, result.output
    river = orjson.loads(result.output)["river_per_s"]
    assert set(river) == {"GaussianScorer", "HalfSpaceTrees"}
    assert river["GaussianScorer"] > river["HalfSpaceTrees"] > 0
