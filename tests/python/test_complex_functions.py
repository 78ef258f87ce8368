"""Functions of complex numbers against mpmath, part by part, and special values against NumPy's C library."""

from __future__ import annotations

import cmath
from typing import Any

import mpmath
import numpy as np
import pytest
import raptors as r
from compare import COMPLEX, assert_same, evaluate
from strategies import LAYOUTS, PARTS, ordinary, pairs

# The most units in the last place that a part is off: of the part itself, or, where parts may cancel, of the
# larger one. For complex64 one is enough, because it is computed in float64.
OWN = {
    "exp": 4,
    "log": 4,
    "log1p": 4,
    "log2": 4,
    "log10": 4,
    "sqrt": 3,
    "sin": 4,
    "cos": 4,
    "tan": 6,
    "sinh": 4,
    "cosh": 4,
    "tanh": 6,
    "asin": 4,
    "acos": 4,
    "atan": 4,
    "asinh": 4,
    "acosh": 4,
    "atanh": 4,
}
LARGER = {"expm1": 4}
EXACT = {
    "log1p": lambda z: mpmath.log(1 + z),
    "log2": lambda z: mpmath.log(z) / mpmath.log(2),
    "log10": lambda z: mpmath.log(z) / mpmath.log(10),
    "exp2": lambda z: mpmath.exp(z * mpmath.log(2)),
    "expm1": lambda z: mpmath.exp(z) - 1,
}


def points(dtype: str, rng: np.random.Generator) -> np.ndarray:
    """Ordinary numbers, numbers of every size, and those near the unit circle, the axes and branch points."""
    part = PARTS[dtype]
    limit = 30 if dtype == "complex64" else 280

    def sized(low: float, high: float, count: int) -> np.ndarray:
        return (np.exp(rng.uniform(low, high, count)) * rng.choice([-1, 1], count)).astype(part)

    near = pairs(sized(-12, 1, 80), sized(-12, 1, 80))
    circle = np.exp(1j * rng.uniform(-3.14, 3.14, 60)) * (1 + rng.normal(size=60) * 1e-6)
    branch = rng.choice([1, -1, 1j, -1j], 60) + near[:60]
    drawn = [
        ordinary(dtype, 80, rng, (-4.0, 4.0)),
        ordinary(dtype, 40, rng, (-60.0, 60.0)),
        near,
        pairs(sized(-limit, limit, 60), sized(-limit, limit, 60)),
        circle.astype(dtype),
        branch.astype(dtype),
    ]
    z = np.concatenate(drawn)
    return z[(z.real != 0) & (z.imag != 0)]


def exact(name: str, z: np.ndarray) -> list[tuple[Any, Any]]:
    """The parts of the exact results."""
    function = EXACT.get(name, getattr(mpmath, name, None))
    results = []
    with mpmath.workprec(2400):
        for x in z:
            value = function(mpmath.mpc(float(x.real), float(x.imag)))
            results.append((value.real, value.imag))
    return results


def errors(got: np.ndarray, want: list[tuple[Any, Any]], *, own: bool) -> np.ndarray:
    """For each number, the error of the worse part in its own units, or in those of the larger part."""
    part = np.dtype(f"f{got.dtype.itemsize // 2}")
    limits = np.finfo(part)
    worst = np.zeros(got.size)
    for n, (value, parts) in enumerate(zip(got, want, strict=True)):
        sizes = [abs(x) for x in parts]
        for found, x, size in zip((value.real, value.imag), parts, sizes, strict=True):
            scale = size if own else max(sizes)
            if scale > limits.max:
                # Rounds to infinity, or to the largest number beside it.
                fits = not np.isfinite(found) or abs(found) > 0.999 * float(limits.max) or size <= limits.max
                worst[n] = max(worst[n], 0 if fits else np.inf)
                continue
            unit = float(np.spacing(part.type(max(float(scale), float(limits.tiny)))))
            worst[n] = max(worst[n], float(abs(mpmath.mpf(float(found)) - x) / unit))
    return worst


def large(name: str, z: np.ndarray) -> np.ndarray:
    """The points for which mpmath needs no thousands of digits."""
    if name in ("sin", "cos", "tan"):
        return z[(np.abs(z.imag) < 1000) & (np.abs(z.real) < 1e15)]
    if name in ("exp", "expm1", "sinh", "cosh", "tanh"):
        return z[(np.abs(z.real) < 1000) & (np.abs(z.imag) < 1e15)]
    return z


@pytest.mark.parametrize("dtype", COMPLEX)
@pytest.mark.parametrize("name", [*OWN, *LARGER])
def test_functions_are_accurate(name: str, dtype: str, rng: np.random.Generator) -> None:
    z = large(name, points(dtype, rng))
    got = evaluate(getattr(r, name)(z))
    assert got.dtype == z.dtype
    found = errors(got, exact(name, z), own=name in OWN)
    bound = 1 if dtype == "complex64" else OWN.get(name, LARGER.get(name))
    assert found.max() <= bound, f"{found.max()} at {z[found.argmax()]!r}: {got[found.argmax()]!r}"


@pytest.mark.parametrize("fp", ["contract", "fast"])
@pytest.mark.parametrize("name", [*OWN, *LARGER])
def test_wider_modes_keep_functions_accurate(name: str, fp: str, rng: np.random.Generator) -> None:
    """What is rewritten is the user's arithmetic; what functions are made of stands that, relaxed or not."""
    z = large(name, points("complex128", rng))
    with r.options(fp=fp):
        got = evaluate(getattr(r, name)(z))
    found = errors(got, exact(name, z), own=name in OWN)
    bound = OWN.get(name, LARGER.get(name))
    if fp == "fast":
        bound *= 4 if name == "expm1" else 2
    assert found.max() <= bound, f"{found.max()} at {z[found.argmax()]!r}"


@pytest.mark.parametrize("name", ["exp", "sinh", "cosh", "exp2", "expm1"])
def test_a_result_may_be_finite_where_its_exponential_is_not(name: str, rng: np.random.Generator) -> None:
    """A sine or cosine that is small enough makes the product finite."""
    x = rng.uniform(1022, 1024.4, 30) if name == "exp2" else rng.uniform(708.5, 712, 30)
    z = pairs(x, np.exp(rng.uniform(-30, -1, 30)))
    found = errors(evaluate(getattr(r, name)(z)), exact(name, z), own=True)
    assert found.max() <= 6, f"{found.max()} at {z[found.argmax()]!r}"


@pytest.mark.parametrize("dtype", COMPLEX)
def test_powers_and_exp2_are_accurate(dtype: str, rng: np.random.Generator) -> None:
    """The error of a power is that of `y log(x)`, which is as large as it."""
    x, y = (ordinary(dtype, 150, rng, (-5.0, 5.0)) for _ in range(2))
    got = evaluate(r.pow(x, y))
    scale = np.maximum(1, np.abs(y * np.log(x)))
    with mpmath.workprec(300):
        want = [mpmath.mpc(complex(a)) ** mpmath.mpc(complex(b)) for a, b in zip(x, y, strict=True)]
    found = errors(got, [(w.real, w.imag) for w in want], own=False) / scale
    assert found.max() <= (1 if dtype == "complex64" else 4), found.max()
    got = evaluate(r.exp2(x))
    assert errors(got, exact("exp2", x), own=False).max() <= (1 if dtype == "complex64" else 8)


@pytest.mark.parametrize("dtype", COMPLEX)
@pytest.mark.parametrize("name", [*OWN, *LARGER, "exp2"])
def test_layouts_give_the_same_bits(name: str, dtype: str, rng: np.random.Generator) -> None:
    z = ordinary(dtype, 9 * 35, rng, (-3.0, 3.0)).reshape(9, 35)
    want = evaluate(getattr(r, name)(z))
    for layout in LAYOUTS.values():
        given = layout(z)
        same = want if np.array_equal(given, z) else evaluate(getattr(r, name)(np.array(given).astype(dtype)))
        assert_same(getattr(r, name)(r.lazy(given)), same)


# Special values

SPECIAL = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 3.0, -3.0, 1e-310, 1e308, np.inf, -np.inf, np.nan]


@pytest.mark.parametrize("name", ["exp", *[name for name in OWN if name not in ("exp", "log1p")]])
def test_special_values_are_those_of_c99(name: str) -> None:
    """Zeros, infinities and NaN of either part are those of the C library, with the signs that C99 gives."""
    grid = np.meshgrid(SPECIAL, SPECIAL, indexing="ij")
    z = pairs(grid[0].reshape(-1), grid[1].reshape(-1))
    got, want = evaluate(getattr(r, name)(z)), getattr(np, {"asin": "arcsin"}.get(name, numpy_name(name)))(z)
    wrong = []
    for point, mine, theirs in zip(z, got, want, strict=True):
        for a, b in ((mine.real, theirs.real), (mine.imag, theirs.imag)):
            if np.isnan(a) and np.isnan(b):
                continue
            close = a == b or abs(a - b) <= 1e-13 * abs(b)
            # C99 leaves the sign open beside a NaN, and where both parts are infinite.
            is_open = np.isnan(mine) or (np.isinf(point.real) and np.isinf(point.imag))
            same_sign = is_open or np.signbit(a) == np.signbit(b)
            if not same_sign or not (close or (is_open and abs(a) == abs(b))):
                wrong.append((complex(point), complex(mine), complex(theirs)))
                break
    assert not wrong, wrong


def test_special_values_of_functions_that_c99_does_not_have() -> None:
    inf, nan = np.inf, np.nan
    cases: dict[str, list[tuple[complex, complex]]] = {
        "expm1": [
            (0j, 0j),
            (complex(-0.0, -0.0), complex(-0.0, -0.0)),
            (complex(inf, 0), complex(inf, 0)),
            (complex(-inf, 1), complex(-1, 0)),
            (complex(inf, inf), complex(inf, nan)),
            (complex(nan, 0), complex(nan, 0)),
            (complex(1, inf), complex(nan, nan)),
            (complex(1e-310, 1e-310), complex(1e-310, 1e-310)),
        ],
        "exp2": [
            (0j, 1 + 0j),
            (complex(inf, 0), complex(inf, 0)),
            (complex(-inf, 3), complex(-0.0, 0)),
            (complex(3, -0.0), complex(8, -0.0)),
            (complex(nan, 0), complex(nan, 0)),
        ],
        "log1p": [
            (0j, 0j),
            (complex(-1, 0), complex(-inf, 0)),
            (complex(-2, -0.0), complex(0, -np.pi)),
            (complex(inf, nan), complex(inf, nan)),
            (complex(1e-310, 1e-310), complex(1e-310, 1e-310)),
            (complex(-inf, 1), complex(inf, np.pi)),
        ],
    }
    for name, pairs_of in cases.items():
        given, want = (np.array(column) for column in zip(*pairs_of, strict=True))
        assert_same(getattr(r, name)(given), want, given)


def numpy_name(name: str) -> str:
    """NumPy's name of an inverse function."""
    return name.replace("a", "arc", 1) if name.startswith("a") else name


@pytest.mark.parametrize("dtype", COMPLEX)
def test_branch_cuts_are_continuous_from_the_signed_side(dtype: str) -> None:
    """Above and below a cut are told apart by the sign of zero, as in `cmath`."""
    part = PARTS[dtype]
    on_real = np.array([-3.0, -1.5, -0.25, 0.25, 1.5, 3.0], part)
    for name in ("log", "sqrt", "log1p", "acos", "asin", "acosh", "atanh", "asinh", "atan"):
        for zero in (0.0, -0.0):
            side = np.full(on_real.size, zero, part)
            for z in (pairs(on_real, side), pairs(side, on_real)):
                got = evaluate(getattr(r, name)(z))
                shifted = {"log1p": lambda x: cmath.log(complex(1 + x.real, x.imag))}
                function = shifted.get(name, getattr(cmath, name, None))
                for value, found in zip(z, got, strict=True):
                    exact_value = function(complex(value))
                    for a, b in ((found.real, exact_value.real), (found.imag, exact_value.imag)):
                        assert abs(a - b) <= 4 * np.finfo(part).eps * max(abs(b), 1e-3), (name, value, found)
                        assert np.signbit(a) == np.signbit(b) or name == "log1p", (name, value, found)
