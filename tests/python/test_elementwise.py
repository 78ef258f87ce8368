"""Every op of raptors' table, for every dtype and memory layout, against NumPy's function of that name."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import raptors as r
from compare import DTYPES, FLOATS, INTEGERS, assert_same, assert_within_ulp, evaluate, native
from raptors import _core
from strategies import LAYOUTS, any_bits, ordinary, specials, windows

# NumPy has no `fma`; it has a test of its own.
OPS: dict[str, dict[str, Any]] = {op["name"]: op for op in _core.op_table() if op["name"] != "fma"}


def pointwise(function: Callable[[float], float], pole: float) -> Callable[[np.ndarray], np.ndarray]:
    """A function of `math` for arrays.

    `pole` is the value at negative integers; where it is NaN, zero gives an infinity of its sign.
    """

    def value(x: float) -> float:
        try:
            return function(x)
        except OverflowError:
            return math.copysign(math.inf, x)
        except ValueError:
            return math.copysign(math.inf, x) if x == 0 and math.isnan(pole) else pole

    return lambda x: np.array([value(float(e)) for e in x.flat], np.longdouble).reshape(x.shape)


# For ops that NumPy does not have: the function, and its own error for float64.
ORACLES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), 0),
    "erf": (pointwise(math.erf, math.nan), 1),
    "erfc": (pointwise(math.erfc, math.nan), 1),
    # CPython's own approximations.
    "gamma": (pointwise(math.gamma, math.nan), 20),
    "lgamma": (pointwise(math.lgamma, math.inf), 20),
}
CASES = [(name, dtype) for name in OPS for dtype in DTYPES]


def numpy_dtype(name: str, dtype: str) -> np.dtype | None:
    """The dtype NumPy gives `name` for operands of `dtype`; None where it raises TypeError."""
    ones = [np.ones(1, dtype=dtype)] * OPS[name]["arity"]
    try:
        return getattr(np, "exp" if name in ORACLES else name)(*ones).dtype
    except TypeError:
        return None


def operand_values(name: str, dtype: str, rng: np.random.Generator) -> list[np.ndarray]:
    """For each operand, values in the op's domain, special ones (all pairs of them), and random bits."""
    arity, domain = OPS[name]["arity"], OPS[name]["domain"]
    special = specials(dtype)
    grid = np.meshgrid(*[special] * arity, indexing="ij")
    values = [
        np.concatenate([g.reshape(-1), ordinary(dtype, 150, rng, domain), any_bits(dtype, 100, rng)])
        for g in grid
    ]
    if dtype in INTEGERS and name == "reciprocal":
        values = [v[v != 0] for v in values]
    if dtype in (*INTEGERS, "bool") and name == "pow":
        values[1] = ordinary(dtype, values[1].size, rng, (0.0, 70.0))
    order = rng.permutation(values[0].size)
    order = order[: order.size // 7 * 7]
    return [v[order] for v in values]


def check(name: str, operands: list[np.ndarray], result: np.dtype) -> None:
    """raptors' result for `operands`, views of any layout, against NumPy's."""
    got = evaluate(getattr(r, name)(*map(r.lazy, operands)))
    operands = [native(operand) for operand in operands]
    ulp = OPS[name]["ulp"]
    if name in ORACLES:
        function, error = ORACLES[name]
        ulp += error if result == np.float64 else 0
    else:
        function = getattr(np, name)
    if ulp == 0 or result.kind != "f":
        assert_same(got, function(*operands), *operands)
    else:
        compute = [operand.astype(result) for operand in operands]
        exact = np.asarray(function(*[operand.astype(np.longdouble) for operand in compute]))
        # Where logarithm and operand cancel, the error is that of the operand; the oracle of lgamma has an
        # error of float64's precision near its zeros.
        scale = np.maximum(*map(np.abs, compute)) if name == "logaddexp" else None
        if name == "lgamma":
            scale = np.full(exact.shape, 1 if result == np.float64 else 1e-6, result)
        assert_within_ulp(got, exact, result, ulp, *compute, scale=scale)


@pytest.mark.parametrize(("name", "dtype"), CASES, ids=[f"{name}-{dtype}" for name, dtype in CASES])
def test_op_matches_numpy(name: str, dtype: str, rng: np.random.Generator) -> None:
    result = numpy_dtype(name, dtype)
    lines = operand_values(name, dtype, rng)
    if result is None:
        with pytest.raises(TypeError, match=name):
            getattr(r, name)(*map(r.lazy, lines))
        return
    check(name, lines, result)
    tables = [line.reshape(7, -1) for line in lines]
    for layout in LAYOUTS.values():
        check(name, [layout(table) for table in tables], result)
        if len(tables) == 2:
            check(name, [layout(tables[0]), tables[1]], result)
            check(name, [tables[0][:, :1], layout(tables[1])], result)
            check(name, [layout(tables[0]), tables[1][0]], result)
    check(name, [windows(line, 3) for line in lines], result)
    for n in (0, 1, 2, 3, 5, 8, 13, 17, 31, 33, 64, 65, 127):
        check(name, [line[:n] for line in lines], result)
    check(name, [np.asarray(line[0]) for line in lines], result)


def test_table_is_the_array_api() -> None:
    """The elementwise functions of the Python array API 2025.12; `clip`, of optional operands, is no row."""
    expected = """abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_left_shift bitwise_invert
        bitwise_or bitwise_right_shift bitwise_xor ceil conj copysign cos cosh divide equal exp expm1 floor
        floor_divide greater greater_equal hypot imag isfinite isinf isnan less less_equal log log1p log2
        log10 logaddexp logical_and logical_not logical_or logical_xor maximum minimum multiply negative
        nextafter not_equal positive pow real reciprocal remainder round sign signbit sin sinh square
        sqrt subtract tan tanh trunc"""
    assert set(OPS) >= set(expected.split())
    assert {op["arity"] for op in OPS.values()} == {1, 2}


@pytest.mark.parametrize("name", OPS)
def test_docstring(name: str) -> None:
    assert OPS[name]["doc"].strip() in (getattr(r, name).__doc__ or "")


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integer_division_by_zero_is_zero(dtype: str) -> None:
    x = np.array([0, 1, 2, np.iinfo(dtype).max, np.iinfo(dtype).min], dtype=dtype)
    zero = np.zeros_like(x)
    assert_same(r.lazy(x) // zero, zero)
    assert_same(r.lazy(x) % zero, zero)
    assert_same(r.lazy(x) // 0, np.floor_divide(x, 0))
    assert_same(r.lazy(x) % 0, np.remainder(x, 0))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_reciprocal_of_integer_zero_is_zero(dtype: str) -> None:
    assert_same(r.reciprocal(r.lazy(np.zeros(5, dtype=dtype))), np.zeros(5, dtype=dtype))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integer_powers_wrap_around(dtype: str, rng: np.random.Generator) -> None:
    info = np.iinfo(dtype)
    base = rng.integers(info.min, info.max, 3001, dtype, endpoint=True)
    base[::3] = rng.integers(max(-4, info.min), 5, 1001)
    for most in (4, 64, info.max):
        exponent = rng.integers(0, most, base.size, dtype, endpoint=True)
        assert_same(r.pow(r.lazy(base), r.lazy(exponent)), base**exponent)
    for exponent in (0, 1, 3, 7, 40, 63, 64, 101):
        assert_same(r.lazy(base) ** exponent, base**exponent)


@pytest.mark.parametrize("dtype", ["int8", "int32", "int64"])
def test_negative_integer_power_truncates(dtype: str) -> None:
    base = np.array([-3, -2, -1, 1, 2, 3], dtype=dtype)
    exponent = np.array([-3, -2, -1], dtype=dtype)[:, None]
    want = np.trunc(base.astype(float) ** exponent).astype(dtype)
    assert_same(r.pow(r.lazy(base), r.lazy(exponent)), want)


@pytest.mark.parametrize("source", DTYPES)
@pytest.mark.parametrize("target", DTYPES)
def test_cast(source: str, target: str, rng: np.random.Generator) -> None:
    """Integers wrap, floats truncate; floats beyond the target are another test's."""
    values = np.concatenate([specials(source), ordinary(source, 200, rng, (-120.0, 120.0))])
    if source in FLOATS and target in INTEGERS:
        values = ordinary(source, 200, rng, (0.0 if target.startswith("u") else -120.0, 120.0))
    values = values[: values.size // 7 * 7].reshape(7, -1)
    for layout in LAYOUTS.values():
        array = layout(values)
        assert_same(r.astype(r.lazy(array), getattr(r, target)), array.astype(target), array)
    assert_same(r.lazy(values).astype(target), values.astype(target))
    assert_same(r.lazy(values).astype(np.dtype(target)), values.astype(target))


@pytest.mark.parametrize("target", INTEGERS)
@pytest.mark.parametrize("source", FLOATS)
def test_cast_of_what_does_not_fit(source: str, target: str) -> None:
    """NaN and large floats become one integer at every position and length: NumPy's on x86-64."""
    values = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30], dtype=source)
    smallest = {"int32": -(2**31), "int64": -(2**63)}.get(target, 0)
    for value in values:
        single = evaluate(r.lazy(np.asarray(value)).astype(target))
        for n in (1, 7, 16, 67):
            many = evaluate(r.lazy(np.full(n, value)).astype(target))
            assert_same(many, np.full(n, single))
        if target in ("uint32", "uint64"):
            # NumPy itself gives one value to scalars and another to arrays.
            assert int(single) in (0, 2**31, 2**63)
        else:
            assert int(single) == smallest


@pytest.mark.parametrize("dtype", [name for name in DTYPES if name != "bool"])
def test_clip(dtype: str, rng: np.random.Generator) -> None:
    x = np.concatenate([specials(dtype), ordinary(dtype, 100, rng, (-100.0, 100.0))])
    low = 3 if dtype.startswith("u") else -3
    assert_same(r.clip(r.lazy(x), low, 50), np.clip(x, low, 50))
    assert_same(r.clip(r.lazy(x), low), np.clip(x, low, None))
    assert_same(r.clip(r.lazy(x), None, 50), np.clip(x, None, 50))
    bounds = np.sort(np.stack([ordinary(dtype, x.size, rng, (0.0, 60.0)) for _ in range(2)]), axis=0)
    assert_same(r.clip(r.lazy(x), r.lazy(bounds[0]), r.lazy(bounds[1])), np.clip(x, bounds[0], bounds[1]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_where(dtype: str, rng: np.random.Generator) -> None:
    x, y = (ordinary(dtype, 210, rng, (-100.0, 100.0)).reshape(7, 30) for _ in range(2))
    condition = rng.random((7, 30)) < 0.5
    for layout in LAYOUTS.values():
        c, a, b = layout(condition), layout(x), layout(y)
        assert_same(r.where(r.lazy(c), r.lazy(a), r.lazy(b)), np.where(c, a, b))
        assert_same(r.where(r.lazy(c), r.lazy(a[:, :1]), r.lazy(b[0])), np.where(c, a[:, :1], b[0]))
        assert_same(r.where(r.lazy(c), r.lazy(a), 1), np.where(c, a, 1))


@pytest.mark.parametrize("dtype", FLOATS)
def test_fma_rounds_once(dtype: str, rng: np.random.Generator) -> None:
    largest = -38 if dtype == "float16" else -15
    x, y, z = (rng.integers(-(2**45), 2**45, 400) * 2.0 ** rng.integers(-60, largest, 400) for _ in range(3))
    x, y, z = x.astype(dtype), y.astype(dtype), np.where(rng.random(400) < 0.5, -x * y, z).astype(dtype)
    exact = [
        Fraction(a) * Fraction(b) + Fraction(c)
        for a, b, c in zip(*(v.tolist() for v in (x, y, z)), strict=True)
    ]
    got = evaluate(r.fma(r.lazy(x), r.lazy(y), r.lazy(z)))
    error = [abs(Fraction(g) - e) for g, e in zip(got.tolist(), exact, strict=True)]
    half = [Fraction(s) / 2 for s in np.spacing(np.abs(got)).tolist()]
    assert all(e <= h for e, h in zip(error, half, strict=True))
    product_rounded = evaluate(r.lazy(x) * y + z)
    assert (product_rounded != got).any()


def test_fma_of_what_is_not_finite() -> None:
    x = np.array([np.inf, np.inf, 0.0, np.nan, 1.0, -0.0])
    y = np.array([1.0, 0.0, np.inf, 1.0, np.inf, 0.0])
    z = np.array([-np.inf, 1.0, 1.0, 1.0, 1.0, -0.0])
    want = np.array([np.nan, np.nan, np.nan, np.nan, np.inf, -0.0])
    assert_same(r.fma(r.lazy(x), r.lazy(y), r.lazy(z)), want)


def test_exact_ops_have_the_same_bits_at_any_alignment_and_length() -> None:
    """One element's result must not depend on its place in a vector or tail."""
    x = np.linspace(0.1, 9.7, 301, dtype=np.float32)
    for name, op in OPS.items():
        if op["arity"] != 1 or numpy_dtype(name, "float32") is None:
            continue
        whole = evaluate(getattr(r, name)(r.lazy(x)))
        for start, stop in ((1, 301), (3, 20), (7, 8), (150, 299)):
            assert_same(getattr(r, name)(r.lazy(x[start:stop])), whole[start:stop])
        assert_same(getattr(r, name)(r.lazy(x[::-3])), whole[::-3])


@pytest.mark.parametrize("name", ["exp2", "cbrt"])
def test_numpy_functions_of_lazy_arrays_stay_lazy(name: str) -> None:
    x = np.array([0.5, 27.0])
    y = getattr(np, name)(r.lazy(x))
    assert isinstance(y, r.Array)
    assert_within_ulp(y, getattr(np, name)(x.astype(np.longdouble)), x.dtype, 1)
