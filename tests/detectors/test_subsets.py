from __future__ import annotations

from itertools import combinations

import numpy as np

from detectors.subsets import best_subsets


def llr(seen: float, expected: float) -> float:
    return seen * np.log(seen / expected) + expected - seen if seen > expected else 0.0


def test_no_other_subset_of_a_circle_has_a_greater_ratio_than_the_best_prefix() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        seen, expected = rng.poisson(3.0, 6).astype(float), rng.gamma(2.0, 1.0, 6)
        best = best_subsets(seen[None, :, None], expected[None, :, None])
        chosen = best.members[0, : best.size[0]].tolist()
        every = [s for size in range(1, 7) for s in combinations(range(6), size)]
        value = llr(seen[chosen].sum(), expected[chosen].sum()) - max(llr(seen[i], expected[i]) for i in chosen)
        assert np.isclose(max(value, 0.0), best.gain[0])
        greatest = max(llr(seen[list(s)].sum(), expected[list(s)].sum()) for s in every)
        prefixes = np.argsort(-seen / expected, kind="stable")
        assert any(np.isclose(greatest, llr(seen[prefixes[:n]].sum(), expected[prefixes[:n]].sum())) for n in range(1, 7))


def test_a_burst_in_one_area_adds_nothing_and_the_same_spread_over_four_does() -> None:
    expected = np.full((2, 5, 1), 3.0)
    seen = np.array([[23.0, 3, 3, 3, 3], [8, 8, 8, 8, 3]])[:, :, None]
    one, spread = best_subsets(seen, expected).gain.tolist()
    assert one == 0.0
    assert spread > 5.0


def test_an_area_that_says_nothing_is_never_part_of_it() -> None:
    seen, expected = np.array([0.0, 9.0, 8.0, 0.0])[None, :, None], np.array([0.0, 3.0, 3.0, 0.0])[None, :, None]
    best = best_subsets(seen, expected)
    assert best.members[0, : best.size[0]].tolist() == [1, 2]
