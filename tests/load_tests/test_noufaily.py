"""The simulation has the moments its source gives it, and the scorer counts as it says."""

from __future__ import annotations

import numpy as np
import pytest

from load_tests import noufaily
from load_tests.noufaily import JUDGED, LEARNED, SCENARIOS, WEEKS


@pytest.fixture(scope="module")
def study() -> noufaily.Study:
    return noufaily.study(40, seed=3)


def test_there_are_28_scenarios_and_a_seed_gives_one_study(study: noufaily.Study):
    assert len(set(SCENARIOS)) == 28
    assert study.counts.shape == (WEEKS, 28 * 40)
    again = noufaily.study(40, seed=3)
    assert (again.counts == study.counts).all()
    assert (noufaily.study(40, seed=4).counts != study.counts).any()


def test_counts_without_outbreaks_have_the_mean_and_dispersion_of_their_scenario(study: noufaily.Study):
    plain = study.counts - study.cases
    ratio = (plain - study.mean) ** 2 / study.mean
    for at, scenario in enumerate(SCENARIOS):
        mine = study.scenario == at
        assert plain[:, mine].mean() == pytest.approx(scenario.mean().mean(), rel=0.05)
        assert ratio[:, mine].mean() == pytest.approx(scenario.phi, rel=0.15)
        assert (study.phi[mine] == scenario.phi).all()


def test_outbreaks_lie_where_they_are_said_to(study: noufaily.Study):
    assert study.cases[: LEARNED[0]].sum() == 0
    assert (study.cases[slice(*JUDGED)].sum(axis=0) > 0).mean() > 0.9
    sizes = study.cases[slice(*JUDGED)].sum() / (np.sqrt(study.mean[slice(*JUDGED)].mean(axis=0) * study.phi)).sum()
    assert 4.0 < sizes < 6.5  # sd, of 1 to 10 in the mean, less what lies beyond the last week


def test_the_threshold_lets_no_more_null_weeks_alarm_than_asked_even_among_ties():
    surprise = np.array([[3.0], [3.0], [3.0], [1.0], [5.0], [4.0], [0.0], [0.0], [0.0], [0.0], [0.0], [0.0]])
    outbreak = np.array([0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 1], bool)[:, None]
    found = noufaily.accuracy(surprise, outbreak, ~outbreak, fpr=0.2)  # of nine null weeks one may alarm: the three at 3 tie
    assert (found.pod, found.sensitivity, found.ppv, found.fpr) == (1.0, 0.6667, 1.0, 0.0)
    assert found.f1 == pytest.approx(0.8)
    assert found.se_pod == 0.0


def test_pod_counts_series_and_only_alarms_in_weeks_with_cases():
    surprise = np.array([[9.0, 0.0, 0.0], [0.0, 9.0, 0.0], [0.0, 0.0, 0.0], [0.0, 8.0, 0.0]])
    outbreak = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0], [0, 0, 0]], bool)
    found = noufaily.accuracy(surprise, outbreak, ~outbreak, fpr=0.25)  # of nine null weeks two may alarm
    assert found.pod == pytest.approx(1 / 3, abs=1e-4)
    assert found.ppv == pytest.approx(1 / 3, abs=1e-4)
    assert found.fpr == pytest.approx(2 / 9, abs=1e-4)
    assert found.se_pod == pytest.approx(np.sqrt(2 / 9 / 3), abs=1e-4)


def test_a_null_week_looks_back_as_far_as_it_is_asked():
    cases = np.array([0, 2, 0, 0, 0])[:, None]
    assert noufaily.null_weeks(cases, 1).ravel().tolist() == [True, False, True, True, True]
    assert noufaily.null_weeks(cases, 3).ravel().tolist() == [True, False, False, False, True]


def test_the_oracle_beats_chance_and_a_longer_memory_finds_more_weeks(study: noufaily.Study):
    one = noufaily.judged(noufaily.oracle(study, (1,)), study.cases)
    three = noufaily.judged(noufaily.oracle(study, (1, 2, 3)), study.cases)
    assert one.pod == pytest.approx(0.54, abs=0.06)
    assert three.sensitivity > one.sensitivity + 0.1
    assert one.fpr <= noufaily.FPR
