from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from detectors.tails import lower_mid_p, upper_mid_p

MEANS = np.array([0.01, 1.0, 30.0, 60.0, 500.0])


@pytest.mark.parametrize("over", [1.0, 3.0])
def test_tails_are_those_of_the_distribution_however_small(over: float) -> None:
    for mean in MEANS:
        size = mean / max(over - 1.0, 1e-6)
        law = stats.nbinom(size, size / (size + mean))
        for count in (0.0, np.floor(mean), np.ceil(3.0 * mean + 5.0)):
            at = law.pmf(count)
            args = np.array([count]), np.array([mean]), np.array([mean * over])
            assert lower_mid_p(*args)[0] == pytest.approx(law.cdf(count) - 0.5 * at, rel=1e-4, abs=0.0)
            assert upper_mid_p(*args)[0] == pytest.approx(law.sf(count) + 0.5 * at, rel=1e-4, abs=0.0)
