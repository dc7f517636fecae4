from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import detectors
from detectors.base import Detector, Observed, Setup, Verdict, Window, params_of
from detectors.checks import _live
from detectors.nulls import World, null_world
from streams.model import DAY_S, HOUR_S, Signal

TREES, GAUSSIAN = "river.anomaly.HalfSpaceTrees", "river.anomaly.GaussianScorer"
DAYS = 40
SIGNALS = tuple(Signal(name, name.title(), "facilities") for name in ("fire", "noise", "waste"))


def bank(name: str, window_s: int = HOUR_S, pool: np.ndarray | None = None, **params: float | str) -> Detector:
    """Two areas with three signals each."""
    setup = Setup(SIGNALS, np.arange(6) % 3, np.repeat([0, 1], 3), window_s, (1, 3), params, pool)
    return detectors.find(name)(setup)


def window(t: int, window_s: int = HOUR_S) -> Window:
    second = t * window_s
    return Window(t, second, second // HOUR_S % 24, second // DAY_S % 7, second / DAY_S % 365 / 365)


def seen(n: np.ndarray) -> Observed:
    n = np.asarray(n, float)
    unknown = np.full(len(n), np.nan)
    return Observed(n, unknown, unknown, unknown, np.isfinite(n))


def play(detector: Detector, counts: np.ndarray, begin: int = 0) -> list[Verdict]:
    """Score and learn counts (T, S)."""
    verdicts = []
    for t, n in enumerate(counts, begin):
        verdict = detector.score(window(t), seen(n))
        detector.learn(window(t), seen(n), verdict.p.min(axis=1))
        verdicts.append(verdict)
    return verdicts


def mornings(days: int, series: int = 6, seed: int = 3, rate: float = 4.0) -> np.ndarray:
    """Counts (T, S): ``rate`` an hour, five times as many from 7 to 10."""
    hour = np.arange(days * 24) % 24
    mean = np.where((hour >= 7) & (hour < 10), 5.0 * rate, rate)
    return np.random.default_rng(seed).poisson(mean[:, None], (days * 24, series)).astype(float)


@pytest.mark.parametrize("name", [TREES, GAUSSIAN])
def test_every_morning_is_no_anomaly_and_a_night_like_a_morning_is(name):
    detector = bank(name)
    verdicts = play(detector, mornings(DAYS))
    p = np.array([v.p[:, 0] for v in verdicts])[30 * 24 :]
    hour = np.arange(len(p)) % 24
    assert verdicts[-1].ready.all()
    assert (p[(hour >= 7) & (hour < 10)] < 0.01).mean() < 0.03
    at = DAYS * 24 + 3
    assert detector.score(window(at), seen(np.full(6, 21.0)), ahead=()).p[:, 0].max() < 0.01


def test_a_vector_is_odd_that_no_series_shows_and_the_area_alone_is_told():
    #            fire  noise  waste
    # usual       x     x      4     fire and noise rise and fall together
    # odd        high  low     4
    rng = np.random.default_rng(5)
    together = rng.choice([2.0, 30.0], (DAYS * 24, 2))
    usual = rng.poisson(np.repeat(together, 3, axis=1) * [1, 1, 0, 1, 1, 0] + np.array([0, 0, 4, 0, 0, 4])).astype(float)
    detector = bank("river.anomaly.LocalOutlierFactor", drift="none")
    play(detector, usual)
    at = window(DAYS * 24)
    apart, both = np.array([45.0, 0.0, 4, 30, 30, 4]), np.array([30.0, 30.0, 4, 30, 30, 4])
    p_apart, p_both = (detector.score(at, seen(n)).p[:, 0] for n in (apart, both))
    assert p_apart[0] < 0.02 < p_both[0]
    assert p_apart[1] == 1.0  # the area is odd, noise is not up
    assert p_apart[3] == p_both[3]


@pytest.mark.parametrize("name", [TREES, GAUSSIAN])
def test_the_more_there_are_the_less_likely_it_was(name):
    detector = bank(name)
    play(detector, mornings(DAYS))
    p = [float(detector.score(window(DAYS * 24), seen(np.full(6, n))).p.min()) for n in (4.0, 9.0, 14.0, 40.0)]
    assert p == sorted(p, reverse=True)
    assert p[-1] < 1e-3 < p[0]


def test_expected_seen_and_the_interval_are_there_to_explain_it():
    detector = bank(TREES)
    play(detector, mornings(DAYS))
    verdict = detector.score(window(DAYS * 24), seen(np.full(6, 14.0)))
    assert verdict.observed[:, 0].tolist() == [14.0] * 6
    assert verdict.expected[:, 0] == pytest.approx(4.0, rel=0.25)
    assert (verdict.lower[:, 0] < verdict.expected[:, 0]).all()
    assert ((verdict.upper[:, 0] > 6.0) & (verdict.upper[:, 0] < 14.0)).all()
    assert (verdict.p[:, 1] == 1.0).all()
    assert not verdict.expected[:, 1].any()


def test_an_outbreak_is_not_learned_and_stays_surprising():
    detector = bank(GAUSSIAN)
    play(detector, mornings(DAYS))
    outbreak = mornings(DAYS + 2)[DAYS * 24 :]
    outbreak[:, 0] += 30.0
    p = np.array([v.p[:, 0] for v in play(detector, outbreak, DAYS * 24)])
    assert p[0, 0] < 1e-3
    assert (p[:, 0] < 0.05).mean() > 0.9
    assert np.median(p[:, 1]) > 0.2
    later = detector.score(window((DAYS + 5) * 24), seen(np.full(6, 4.0)))
    assert later.expected[0, 0] == pytest.approx(later.expected[1, 0], rel=0.3)


@pytest.mark.parametrize("drift", ["ADWIN", "PageHinkley"])
def test_where_the_level_has_moved_the_model_begins_anew_and_learns_the_new_one(drift):
    #   day 40            grey            day 110
    # 4 [ -- 12, flagged --)[ -- relearned ---
    detector = bank(GAUSSIAN, drift=drift)
    counts = mornings(110)
    counts[DAYS * 24 :, 0] *= 3.0
    verdicts = play(detector, counts)
    ready = np.array([v.ready for v in verdicts])
    grey = ~ready[DAYS * 24 :, 0]
    assert grey.any()
    assert ready[DAYS * 24 :, 1:].all()
    assert ready[-1, 0]
    p = np.array([v.p[0, 0] for v in verdicts])
    assert p[DAYS * 24] < 0.05
    assert (p[100 * 24 :] < 1e-3).mean() < 0.01


def test_without_a_drift_detector_nothing_begins_anew():
    detector = bank(GAUSSIAN, drift="none")
    counts = mornings(80)
    counts[DAYS * 24 :, 0] *= 3.0
    ready = np.array([v.ready for v in play(detector, counts)])
    assert ready[DAYS * 24 :].all()


def test_windows_of_a_day():
    detector = bank(GAUSSIAN, window_s=DAY_S)
    counts = np.random.default_rng(3).poisson(30.0, (150, 6)).astype(float)
    for t, n in enumerate(counts):
        detector.learn(window(t, DAY_S), seen(n), np.ones(6))
    assert detector.block == 1
    verdict = detector.score(window(150, DAY_S), seen(np.full(6, 120.0)))
    assert verdict.ready.all()
    assert verdict.p[:, 0].max() < 0.01


@pytest.mark.parametrize("name", [TREES, GAUSSIAN])
def test_areas_do_not_know_one_another(name):
    shards = np.array([0, 0, 0, 1, 1, 1])  # the hours of a signal are pooled over its shard
    one, other = bank(name, pool=shards), bank(name, pool=shards)
    counts = mornings(30)
    changed = counts.copy()
    changed[:, 3:] = counts[::-1, 3:]
    first, second = play(one, counts), play(other, changed)
    assert all(np.array_equal(a.p[:3], b.p[:3]) for a, b in zip(first, second, strict=True))


def test_the_seed_decides_and_nothing_else_does():
    p = []
    for seed in (1, 1, 2):
        detector = bank(TREES, seed=seed)
        play(detector, mornings(30))
        p.append(detector.score(window(30 * 24), seen(np.full(6, 9.0))).p[:, 0].tolist())
    assert p[0] == p[1]
    assert p[0] != p[2]


def test_its_snapshot_is_numbers_and_no_objects():
    detector = bank(TREES)
    play(detector, mornings(30))
    state = detector.snapshot()
    assert {value.dtype.kind for value in state.values()} <= set("biuf")
    assert sum(value.nbytes for value in state.values()) < 100_000


@pytest.mark.parametrize(
    "name,given,told",
    [
        (TREES, {"n_tree": 5}, "has no parameter 'n_tree'"),
        (TREES, {"height": 40}, "'height' of detector '.*' is 40; give a number from 1 to 15"),
        (TREES, {"height": "tall"}, "'height' of detector '.*' is 'tall'; give a number"),
        (GAUSSIAN, {"drift": "ADWYN"}, "'drift' of detector '.*' is 'ADWYN'; choose one of none, ADWIN, PageHinkley, KSWIN"),
        (GAUSSIAN, {"drift": 1.0}, "'drift' of detector"),
        (GAUSSIAN, {"n_trees": 5}, "has no parameter 'n_trees'"),
    ],
)
def test_a_parameter_it_cannot_take_is_refused(name, given, told):
    with pytest.raises(ValueError, match=told):
        params_of(detectors.find(name), given)


def test_all_that_river_offers_is_found_by_name_and_nothing_else():
    offered = {name.rpartition(".")[2] for name in detectors.known("river.anomaly.") if name.startswith("river.")}
    assert offered >= {"GaussianScorer", "HalfSpaceTrees", "LODA", "LocalOutlierFactor", "OneClassSVM", "StandardAbsoluteDeviation"}
    assert "QuantileFilter" not in offered
    assert not any(name.startswith("river.") for name in detectors.registered())
    with pytest.raises(
        ValueError, match=r"'river.anomaly.HalfSpaceTree' is not a detector; known are counts, levels, .*river.anomaly.HalfSpaceTrees"
    ):
        detectors.find("river.anomaly.HalfSpaceTree")
    with pytest.raises(ValueError, match=r"'cuonts' is not a detector; known are counts, levels, silence, river.anomaly.\*"):
        detectors.find("cuonts")


def test_parameters_reach_river():
    detector = bank(TREES, n_trees=3, height=4, window_size=60)
    play(detector, mornings(12))
    model = detector._models.model(1, 0)
    assert (len(model.trees), model.height, model.window_size, model.seed) == (3, 4, 60, 1)
    model = bank(GAUSSIAN, grace_period=70, window_size=90)._models.model(0, 0)
    assert (model.grace_period, model.window_size) == (70, 90)


@pytest.mark.parametrize("name", [TREES, GAUSSIAN])
def test_a_long_life_crosses_every_renewal_of_the_models_and_a_restore_says_the_same(name):
    cls = detectors.find(name)
    world: World = null_world(cls, series=3, windows=4 * 130, window_s=6 * HOUR_S)
    world = replace(world, setup=replace(world.setup, params={"memory_blocks": 10.0}))
    whole = cls(world.setup)
    expected = [v.p for v in _live(whole, world, 0, len(world.values))]
    for stop in range(4 * 40, 4 * 130, 61):
        first, second = cls(world.setup), cls(world.setup)
        for _ in _live(first, world, 0, stop):
            pass
        second.restore(first.snapshot())
        assert all(np.array_equal(v.p, expected[stop + i]) for i, v in enumerate(_live(second, world, stop, min(stop + 90, len(expected)))))
