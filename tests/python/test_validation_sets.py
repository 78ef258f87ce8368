"""NumPy's own validation sets of the functions of mathematics, which are installed with it, at 1 ULP."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import raptors as r
from compare import evaluate

DATA = Path(np.__file__).parent / "_core" / "tests" / "data"
SETS = sorted(DATA.glob("umath-validation-set-*.csv"))


def test_the_sets_are_installed() -> None:
    assert len(SETS) >= 15


@pytest.mark.parametrize("path", SETS, ids=lambda path: path.stem.removeprefix("umath-validation-set-"))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_validation_set(path: Path, dtype: str) -> None:
    name = path.stem.removeprefix("umath-validation-set-")
    rows = [line.split(",") for line in path.read_text().splitlines()[1:] if line.startswith(f"np.{dtype}")]
    if not rows:
        pytest.skip(f"no rows of {dtype}")
    unsigned = {"float32": np.uint32, "float64": np.uint64}[dtype]
    x, want = (np.array([int(row[i], 16) for row in rows], unsigned).view(dtype) for i in (1, 2))
    got = evaluate(getattr(np, name)(r.lazy(x)))
    assert got.dtype == dtype
    # Neighbours differ by one in their bits; zeros and infinities are exact, and any NaN is one.
    steps = np.abs(got.view(unsigned).astype(object) - want.view(unsigned).astype(object))
    close = (got == want) | (np.isnan(got) & np.isnan(want)) | ((steps <= 1) & np.isfinite(want))
    close &= (np.signbit(got) == np.signbit(want)) | np.isnan(want)
    wrong = np.nonzero(~close)[0][:5]
    assert close.all(), [(x[i], got[i], want[i]) for i in wrong]
