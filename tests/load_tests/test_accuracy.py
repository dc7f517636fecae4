"""Our p-values, calibration and outbreaks in real counts: each measure on data whose answer is known."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import orjson
import pytest
from typer.testing import CliRunner

from load_tests import accuracy, accuracy_page, calibration, curves, injected, noufaily, ours, peers
from load_tests.backgrounds import Background, boston
from load_tests.bench import app
from streams.model import DAY_S, HOUR_S

EVENT = {
    "event": "Hail",
    "delay_h": 3.0,
    "delay_anywhere_h": 1.0,
    "delay_news_h": 5.0,
    "delay_news_anywhere_h": 1.0,
    "area": "Boston",
    "said": "raised",
}
STRANGE = {"at": "2015-03-01T09:00", "area": "Roxbury", "signals": ["noise"], "years": 2.5, "why": "six in an hour"}
LATER = {
    "budget": {"2": 2.1},
    "budget_detail": {"boston": {"2": {"controlled": 2.1, "fixed": 9.0}}, "null": {"2": {"controlled": 1.9, "fixed": 2.2}}},
    "boston": [EVENT],
    "boston_year": {"notifications_a_day": 2.0, "incidents_a_day": 1.5, "strongest": [STRANGE]},
}
"""What the parts of other modules look like."""


def town(days: int = 260, rates: tuple[float, ...] = (0.2, 1.0, 4.0), seed: int = 1) -> Background:
    counts = np.random.default_rng(seed).poisson(rates, (days * 24, len(rates)))
    judged = np.repeat((np.arange(len(counts)) >= 40 * 24)[:, None], len(rates), axis=1)
    return Background("town", HOUR_S, 24 * 7 * 2000, tuple(map(str, rates)), counts, judged)


def test_windows_are_named_by_the_calendar():
    at = datetime(2015, 8, 4, 18, tzinfo=UTC)
    window = ours.calendar(int(at.timestamp()) // HOUR_S, HOUR_S)
    assert (window.hour, window.weekday) == (18, at.weekday())
    assert window.year == pytest.approx((at.timetuple().tm_yday - 1) / 365, abs=0.005)
    assert ours.calendar(52 * 20 + 13, ours.WEEK_S).year == 0.25


def test_our_p_values_are_online_and_an_unknown_window_says_nothing():
    counts = town(40).counts
    gap = counts.copy()
    gap[700] = -1
    changed = gap.copy()
    changed[900:] += 9
    a, b = (ours.p_values(c, window_s=HOUR_S, durations=(1, 24), first_index=0) for c in (gap, changed))
    np.testing.assert_array_equal(a.each[:, :900], b.each[:, :900])
    assert (a.combined[700] == 1.0).all()
    assert (a.combined[: 13 * 24] == 1.0).all()
    assert b.combined[900:].min() < 1e-6


def test_exceedances_are_counted_where_nothing_happened():
    p = np.tile(np.linspace(0.005, 0.995, 100)[:, None], (1, 50))
    found = calibration.exceeded(p, np.ones(p.shape, bool), 0.1)
    assert (found.seen, found.expected, found.ratio) == (500, 500.0, 1.0)
    assert found.by_series == (1.0, 1.0)
    assert found.poisson[0] < 1.0 < found.poisson[1]
    none = calibration.exceeded(p, p > 0.1, 0.1)
    assert (none.seen, none.ratio, none.poisson[0]) == (0, 0.0, 0.0)


def test_episodes_are_alarms_with_three_quiet_days_before():
    background = town(20, (1.0, 1.0))._replace(judged=np.ones((480, 2), bool))
    scores = np.zeros((480, 2))
    scores[[10, 11, 80, 160], 0] = [5, 6, 5, 7]  # 10, 11 and 80 are one episode, 160 comes more than 72 hours later
    scores[[200], 1] = 4
    peaks = injected.Peaks(scores, background)
    assert peaks.days == 20
    assert [peaks.episodes(at) for at in (4.0, 5.0, 6.0, 7.0, 8.0)] == [3, 2, 2, 1, 0]
    assert peaks.threshold(2 / 20) == 5.0
    assert peaks.threshold(1 / 20) == 7.0
    assert peaks.threshold(0.0) == float("inf")


def test_a_delay_runs_from_the_start_to_the_first_crossing():
    scores = np.zeros((400, 3))
    scores[103:110, 0] = 5.0
    scores[95:120, 1] = 5.0  # was above before: no crossing
    scores[130, 1] = 5.0
    outbreaks = injected.Outbreaks(np.zeros((400, 3), int), *np.array([[0, 1, 2], [100, 100, 100], [3, 3, 3], [3, 3, 3], [5, 5, 5]]))
    quiet = np.arange(400.0)[:, None] / 400 * [1, 0, 0]
    background = town(20, (1, 1, 1))._replace(judged=np.ones((400, 3), bool))
    seen = injected.seen(scores * (scores >= 5), outbreaks, injected.Peaks(quiet, background), 0.1, HOUR_S)
    assert seen.delay_h.tolist() == [4.0, 31.0, 168.0]


def test_outbreaks_lie_in_judged_days_and_are_as_large_as_asked():
    background = town()
    outbreaks = injected.put_into(background, seed=2)
    assert len(outbreaks.start) >= 6
    assert (outbreaks.start >= (40 + injected.EPISODE_D) * 24).all()
    added = outbreaks.counts - background.counts
    assert (added >= 0).all()
    assert added.sum() <= outbreaks.cases.sum()
    assert (outbreaks.cases >= injected.CASES_MIN).all()
    again = injected.put_into(background, seed=2)
    assert (again.counts == outbreaks.counts).all()


def test_the_gain_is_of_medians():
    column = np.repeat(np.arange(30), 3)
    gain, low, high = injected.gain(np.full(90, 3.0), np.full(90, 12.0), column)
    assert (gain, low, high) == (0.75, 0.75, 0.75)


def test_boston_holds_the_public_only_and_cuts_known_events_out():
    background = boston()
    assert background.counts.shape[0] == 365 * 24
    assert not [name for name in background.series if "/staff" in name]
    assert background.first_index * HOUR_S == datetime(2015, 1, 1, tzinfo=UTC).timestamp()
    hail = (datetime(2015, 8, 4, 18, tzinfo=UTC) - datetime(2015, 1, 1, tzinfo=UTC)).days * 24 + 18
    assert not background.judged[hail].any()
    assert background.judged[hail - 5 * 24].all()
    assert background.counts[:, background.series.index("boston/tree_emergencies")][hail - 18 : hail + 30].sum() > 80


def test_the_report_has_what_is_asked_of_it_and_a_page_without_gaps(monkeypatch: pytest.MonkeyPatch):
    assert {"farrington_flexible", "ears_c1", "ears_c3", "cusum", "river_gaussian_scorer", "river_half_space_trees"} <= set(peers.WEEKLY)
    monkeypatch.setattr(accuracy, "WEEKLY", {name: peers.WEEKLY[name] for name in ("ears_c2", "constant", "random")})
    of = noufaily.study(2, seed=1)
    report = accuracy.simulated(of, lambda _: None)
    keys = {"pod", "sensitivity", "ppv", "f1", "fpr", "series", "se_pod"}
    assert set(report["noufaily"]) == keys
    assert all(set(row) == keys for row in report["peers"].values())
    assert set(report["calibration"]) == {"1e-2", "1e-3", "1e-4"}
    assert report["peers"]["constant"]["pod"] == 0.0
    assert report["noufaily"]["pod"] > report["peers"]["random"]["pod"]
    orjson.dumps(report)
    page = accuracy_page.text({**report, **LATER, "settings": {"series": 2, "seed": 1}, "injected": {}}, pictures=())
    assert "| 2 | 2.1 | 9.0 | 1.9 | 2.2 |" in page
    assert "| Hail | 3.0 | 5.0 | 1.0 | Boston | raised |" in page
    assert "{" not in page
    assert f"| **ours** | {report['noufaily']['pod']} |" in page


def test_days_are_those_of_judged_windows():
    assert injected.days(town()) == 220
    assert town().window_s * 24 == DAY_S


def test_everybody_is_compared_on_one_background(monkeypatch: pytest.MonkeyPatch):
    names = ("running_mean", "constant", "random")
    monkeypatch.setattr(peers, "HOURLY", {name: peers.HOURLY[name] for name in names})
    monkeypatch.setattr(curves, "RATES", (0.25, 0.5, 2.0))
    background = town(days=150, rates=(0.02, 0.05, 0.1, 0.5) * 4)
    found = curves.compared(background, 1, lambda _: None)
    assert set(found["detectors"]) == {"ours", *names}
    assert found["best_peer"] == "running_mean"
    assert found["outbreaks"] == sum(row["outbreaks"] for row in found["detectors"]["ours"]["by_size_sd"].values())
    ours_row, floor = found["detectors"]["ours"], found["detectors"]["constant"]
    assert ours_row["seen"] > 0.6 > found["detectors"]["random"]["seen"]
    assert ours_row["seen_by_chance"] < 0.3
    assert floor["median_h"] == 168.0
    assert found["gain"] == pytest.approx(1 - ours_row["median_h"] / found["detectors"]["running_mean"]["median_h"], abs=1e-3)
    waits = [at["median_h"] for at in ours_row["curve"].values()]
    assert waits == sorted(waits, reverse=True)
    assert f"| ours | {ours_row['median_h']} | {ours_row['seen']} |" in accuracy_page.injected_part("town", found)


def test_without_matplotlib_the_page_is_written_and_the_command_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def missing(*_: object) -> None:
        raise ModuleNotFoundError(name="matplotlib")

    monkeypatch.setattr(accuracy, "run", lambda **_: {"injected": {"boston": {}}, "delay_gain_vs_best_peer": -1.0})
    monkeypatch.setattr(accuracy_page, "text", lambda *_, pictures: f"page with {len(pictures)} pictures")
    monkeypatch.setattr(curves, "draw", missing)
    result = CliRunner().invoke(app, ["accuracy", "--series", "2", "--json", "--write", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert orjson.loads(result.stdout)["delay_gain_vs_best_peer"] == -1.0
    assert "matplotlib is not installed" in result.stderr
    assert (tmp_path / "accuracy.md").read_text() == "page with 0 pictures"
    monkeypatch.setattr(curves, "draw", lambda _, name, folder: folder / f"{name}.png")
    assert CliRunner().invoke(app, ["accuracy", "--json", "--write", str(tmp_path)]).exit_code == 0
    assert (tmp_path / "accuracy.md").read_text() == "page with 1 pictures"


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib is not installed")
def test_a_picture_is_drawn_and_is_the_same_each_time(tmp_path: Path):
    curve = {"0.5": {"median_h": 9.0, "seen": 0.4}, "2": {"median_h": 4.0, "seen": 0.9}}
    found = {"detectors": {name: {"curve": curve} for name in ("ours", "cusum", "constant")}}
    first, second = (curves.draw(found, name, tmp_path).read_bytes() for name in ("town", "town"))
    assert first.startswith(b"\x89PNG")
    assert first == second
