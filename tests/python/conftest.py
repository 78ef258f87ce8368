"""Settings for all tests: reproducible output from Hypothesis, and NumPy without warnings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "raptors",
    deadline=None,
    database=None,
    print_blob=True,
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("raptors")


@pytest.fixture(autouse=True, scope="session")
def _quiet_numpy() -> Iterator[None]:
    """The tests compare results of overflow, division by zero and NaN; NumPy need not warn about them."""
    with np.errstate(all="ignore"):
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same in every run."""
    return np.random.default_rng(20_251_207)
