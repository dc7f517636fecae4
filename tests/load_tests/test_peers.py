"""Every peer is online and finds an outbreak nobody could miss; Farrington-flexible is about calibrated."""

from __future__ import annotations

import numpy as np
import pytest

from load_tests import ours, peers, peers_farrington
from load_tests.peers import HOURLY, WEEKLY, Peer
from streams.model import HOUR_S

FLOORS = ("constant", "random")
WEEKS, HOURS = 330, 1_000


def asked(cases: dict[str, Peer], window_s: int, windows: int) -> list[object]:
    return [pytest.param(peer, window_s, windows, id=f"{name}-{window_s}") for name, peer in cases.items()]


EVERYBODY = [*asked(WEEKLY, ours.WEEK_S, WEEKS), *asked(HOURLY, HOUR_S, HOURS)]
SEEING = [case for case in EVERYBODY if not case.id.startswith(FLOORS)]  # type: ignore[attr-defined]


def counts_of(windows: int) -> np.ndarray:
    return np.random.default_rng(5).poisson([0.3, 2.0, 12.0], (windows, 3))


@pytest.mark.parametrize("peer, window_s, windows", EVERYBODY)
def test_what_comes_later_changes_no_earlier_score(peer: Peer, window_s: int, windows: int):
    counts = counts_of(windows)
    cut = windows - 20
    changed = counts.copy()
    changed[cut:] += 40
    before, after = (peer(c, window_s, cut - 10)[:cut] for c in (counts, changed))
    assert before.shape == (cut, 3)
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("peer, window_s, windows", SEEING)
def test_a_great_outbreak_is_the_most_surprising_thing(peer: Peer, window_s: int, windows: int):
    counts = counts_of(windows)
    at = windows - 6
    counts[at:] += 60
    scores = peer(counts, window_s, windows - 30)
    assert (scores[at:].max(axis=0) > scores[at - 20 : at].max(axis=0)).all()


def test_farrington_on_a_constant_mean_is_about_calibrated():
    counts = np.random.default_rng(6).negative_binomial(10, 0.5, (peers_farrington.YEARS * 52 + 18, 500))
    p = 10 ** -peers_farrington.scores(counts, ours.WEEK_S, since=peers_farrington.YEARS * 52 + 3)[-15:]
    assert 0.005 < (p <= 0.01).mean() < 0.02
    assert 0.40 < (p <= 0.5).mean() < 0.60


def test_farrington_follows_season_and_trend():
    t = np.arange(peers_farrington.YEARS * 52 + 23)
    mean = np.exp(2.0 + 0.004 * t + 0.8 * np.cos(2 * np.pi * t / 52))
    counts = np.random.default_rng(7).poisson(np.repeat(mean[:, None], 200, axis=1))
    p = 10 ** -peers_farrington.scores(counts, ours.WEEK_S, since=len(t) - 20)[-20:]
    assert (p <= 0.01).mean() < 0.04
    assert p.mean() == pytest.approx(0.5, abs=0.1)


def test_farrington_says_nothing_without_five_years():
    assert (peers_farrington.scores(counts_of(200), ours.WEEK_S) == 0).all()


def test_ears_by_hand():
    counts = np.array([2, 4, 2, 4, 2, 4, 3, 9, 9, 7])[:, None]
    before = np.array([2, 4, 2, 4, 2, 4, 3])
    assert peers.ears_c1(counts, ours.WEEK_S)[7, 0] == pytest.approx((9 - 3) / before.std(ddof=1))
    c2 = peers.ears_c2(counts, ours.WEEK_S)
    assert c2[9, 0] == pytest.approx((7 - 3) / before.std(ddof=1))
    assert (c2[:9] == 0).all()
    assert peers.ears_c3(counts, ours.WEEK_S)[9, 0] == pytest.approx(c2[9, 0] - 1)
