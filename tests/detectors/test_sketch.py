from __future__ import annotations

import numpy as np
import pytest

from detectors.sketch import Sketch


def filled(scores: np.ndarray) -> Sketch:
    """A sketch that has seen scores (T, U), published."""
    sketch = Sketch(scores.shape[1])
    for t in scores:
        sketch.add(t, np.ones(len(t)))
    sketch.end_block(1.0)
    sketch.end_block(1.0)
    return sketch


@pytest.mark.parametrize("law", ["exponential", "normal", "uniform", "steps"])
def test_p_values_of_new_scores_are_valid_whatever_the_law_and_however_few_were_seen(law):
    rng = np.random.default_rng(5)
    draw = {
        "exponential": lambda n: rng.exponential(1.0, n),
        "normal": lambda n: np.abs(rng.normal(size=n)),
        "uniform": lambda n: rng.uniform(size=n),
        "steps": lambda n: rng.poisson(0.3, n).astype(float),
    }[law]
    p = []
    for seen in (60, 500):
        sketch = filled(draw((seen, 400)))
        p.append(np.concatenate([sketch.p(0, draw(400)) for _ in range(200)]))
    for each in p:
        for a in (0.1, 0.01, 0.001, 1e-4):
            assert (each <= a).mean() <= 1.2 * a + 4.0 * (a / len(each)) ** 0.5 + 2.0 * a * 400**-0.5, (law, a)


def test_beyond_the_largest_p_goes_on_falling_below_one_in_n():
    sketch = filled(np.random.default_rng(5).exponential(1.0, (1000, 1)))
    p = [float(sketch.p(0, np.array([t]))[0]) for t in (1.0, 3.0, 6.0, 9.0, 12.0, 20.0)]
    assert p == sorted(p, reverse=True)
    assert p[0] == pytest.approx(np.exp(-1.0), rel=0.15)
    assert 1e-6 < p[4] < 1e-3


def test_few_scores_make_a_heavier_tail():
    rng = np.random.default_rng(5)
    few, many = (filled(rng.exponential(1.0, (n, 200))) for n in (60, 6000))
    far = np.full(200, 14.0)
    assert np.median(few.p(0, far)) > 5 * np.median(many.p(0, far))
    assert np.exp(-14.0) < np.median(many.p(0, far)) < 5 * np.exp(-14.0)


def test_a_score_that_never_changed_says_nothing_and_none_at_all_neither():
    sketch = filled(np.full((200, 2), 5.0))
    assert sketch.p(0, np.array([5.0, np.nan])).tolist() == [1.0, 1.0]
    assert Sketch(1).p(0, np.array([30.0])).tolist() == [1.0]


def test_scores_are_published_two_blocks_on_and_forgotten_slowly():
    sketch = Sketch(1)
    sketch.add(np.array([1.0]), np.ones(1))
    assert (sketch.number(0)[0], sketch.number(1)[0]) == (0.0, 0.0)
    sketch.end_block(0.5)
    assert (sketch.number(0)[0], sketch.number(1)[0]) == (0.0, 0.5)
    sketch.end_block(0.5)
    assert (sketch.number(0)[0], sketch.number(1)[0]) == (0.5, 0.25)
    sketch.clear(np.array([0]))
    assert sketch.number(1)[0] == 0.25
    sketch.end_block(0.5)
    assert sketch.number(1)[0] == 0.0
