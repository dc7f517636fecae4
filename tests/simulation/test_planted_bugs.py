"""Each planted bug is found, by an invariant that says what it is; a failing seed is told with the command that replays it."""

from __future__ import annotations

import orjson
import pytest
from typer.testing import CliRunner

from load_tests.bench import app
from load_tests.simulation import seeds
from load_tests.simulation.planted import PLANTED

SEEN_BY = {
    "lost_offset": {"spans_follow", "each_record_counted_once"},
    "double_apply": {"scores_equal", "said_again_the_same"},
    "watermark_back": {"watermark_never_goes_back"},
    "snapshot_before_outputs": {"windows_without_gap", "numbers_without_gap"},
    "aliased_snapshot": {"said_again_the_same", "scores_equal"},
}


def test_every_planted_bug_has_its_invariant() -> None:
    assert SEEN_BY.keys() == PLANTED.keys()


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_seen_by_the_invariant_it_breaks(name: str) -> None:
    with seeds.prepared(name):
        verdicts = (seeds.verdict(seed, name) for seed in range(seeds.PLANTED_SEEDS_MAX))
        found = next(verdict for verdict in verdicts if verdict.invariant in SEEN_BY[name])
    assert not found.ok
    assert found.detail
    assert found.replay == f"tocsin bench simulate --seed {found.seed} --plant {name} --json"
    assert seeds.one(found.seed).ok, "without it the same seed passes"


def test_the_report_says_how_soon_each_was_found() -> None:
    report = seeds.many(0, 1, planted=("double_apply",))
    assert report.ok
    assert 1 <= report.planted_found["double_apply"].seeds <= seeds.PLANTED_SEEDS_MAX
    assert report.planted_found["double_apply"].invariant


def test_the_command_prints_a_failing_seed_and_replays_it() -> None:
    arguments = ["simulate", "--seed", str(seeds.find("double_apply").seeds - 1), "--plant", "double_apply", "--json"]
    first, again = (CliRunner().invoke(app, arguments) for _ in range(2))
    assert first.exit_code == 1, first.output
    assert first.output == again.output
    verdict = orjson.loads(first.output)
    assert verdict["invariant"]
    assert verdict["replay"] == f"tocsin bench {' '.join(arguments)}"


def test_the_command_reports_many_seeds() -> None:
    result = CliRunner().invoke(app, ["simulate", "--seeds", "2", "--no-planted", "--json"])
    assert result.exit_code == 0, result.output
    report = orjson.loads(result.output)
    assert (report["seeds"], report["failures"], report["planted_found"], report["ok"]) == (2, 0, {}, True)


def test_a_bug_that_is_not_known_is_refused() -> None:
    assert CliRunner().invoke(app, ["simulate", "--seed", "1", "--plant", "gremlins"]).exit_code == 2
