"""Functions of float64 against `numpy.longdouble`, where that has 64 bits: errors to a thousandth of a unit.

The Rust tests' oracle is rounded to float64: it tells neighbours of the right number from others, no more.
"""

from __future__ import annotations

import numpy as np
import pytest
import raptors as r

# NumPy's name, and intervals; the last ones are where errors are largest.
FUNCTIONS = {
    "exp": ("exp", (-700, 700), (-1, 1), (0.34, 0.37)),
    "exp2": ("exp2", (-1000, 1000), (-1, 1), (0.49, 0.51)),
    "expm1": ("expm1", (-40, 700), (-1, 1), (0.34, 0.37)),
    "log": ("log", (1e-300, 1e300), (0.5, 2), (0.93, 0.94)),
    "log2": ("log2", (1e-300, 1e300), (0.5, 2), (0.91, 0.93)),
    "log10": ("log10", (1e-300, 1e300), (0.5, 2), (1.12, 1.15)),
    "log1p": ("log1p", (-0.9999, 10), (-0.3, 0.42), (-0.3, -0.29)),
    "sin": ("sin", (-10, 10), (-1, 1), (-1e6, 1e6)),
    "cos": ("cos", (-10, 10), (-1, 1), (-1e6, 1e6)),
    "tan": ("tan", (-10, 10), (-1, 1), (-1e6, 1e6)),
    "asin": ("arcsin", (-1, 1), (-0.6, 0.6), (0.51, 0.53)),
    "acos": ("arccos", (-1, 1), (0.9, 1), (0.54, 0.56)),
    "atan": ("arctan", (-10, 10), (-1, 1), (0.42, 0.48)),
    "sinh": ("sinh", (-10, 10), (-1, 1), (0.34, 0.36)),
    "cosh": ("cosh", (-10, 10), (-1, 1), (0.34, 0.36)),
    "tanh": ("tanh", (-4, 4), (0.8, 0.9), (0.9, 0.98)),
    "asinh": ("arcsinh", (-10, 10), (-1, 1), (0.33, 0.36)),
    "acosh": ("arccosh", (1, 10), (1, 1.1), (1.055, 1.065)),
    "atanh": ("arctanh", (-1, 1), (-0.6, 0.6), (0.16, 0.18)),
    "cbrt": ("cbrt", (-10, 10), (1, 8), (5, 5.5)),
}


@pytest.mark.skipif(np.finfo(np.longdouble).nmant != 63, reason="longdouble has no 64 bits here")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_are_within_one_unit_of_the_exact_ones(name: str, rng: np.random.Generator) -> None:
    numpy_name, *intervals = FUNCTIONS[name]
    for low, high in intervals:
        x = rng.uniform(low, high, 100_000)
        exact = getattr(np, numpy_name)(x.astype(np.longdouble))
        found = getattr(r, name)(r.lazy(x)).eval()
        unit = np.spacing(np.abs(exact.astype(np.float64))).astype(np.longdouble)
        errors = np.abs(found.astype(np.longdouble) - exact) / unit
        worst = errors.argmax()
        assert errors[worst] <= 1.001, f"{name}({x[worst]!r}) is {errors[worst]:.4f} units off"
