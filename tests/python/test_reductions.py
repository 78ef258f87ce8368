"""Reductions over every axis, dtype and layout, against NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import raptors as r
from compare import DTYPES, FLOATS, assert_close_sum, assert_same, evaluate, native
from hypothesis import given
from hypothesis import strategies as st
from strategies import LAYOUTS, arrays, axes, shapes

ORDERLESS = ("any", "all", "min", "max", "argmin", "argmax")
LENGTHS = [0, 1, 2, 3, 7, 8, 9, 31, 64, 127, 128, 129, 1000, 1024, 4095, 4097, 70_001]


def numpy_result(name: str, x: np.ndarray, **arguments: Any) -> np.ndarray | type[Exception]:
    """NumPy's reduction, or the type of the error it raises."""
    try:
        return np.asarray(getattr(np, name)(native(x), **arguments))
    except ValueError:
        return ValueError


@given(x=arrays(), data=st.data())
def test_orderless(x: np.ndarray, data: st.DataObject) -> None:
    name, axis = data.draw(st.sampled_from((*ORDERLESS, "sum", "prod"))), data.draw(axes(x.ndim))
    if name in ("sum", "prod") and x.dtype.kind == "f":
        name = "max"
    if name.startswith("arg") and isinstance(axis, tuple):
        axis = axis[0] if axis else None
    if x.dtype.kind == "f":
        x = x + x.dtype.type(0)  # which of 0.0 and -0.0 wins depends on the order
    keepdims = data.draw(st.booleans())
    want = numpy_result(name, x, axis=axis, keepdims=keepdims)
    if isinstance(want, type):
        with pytest.raises(want, match=name):
            getattr(r, name)(r.lazy(x), axis=axis, keepdims=keepdims).eval()
    else:
        assert_same(getattr(r, name)(r.lazy(x), axis=axis, keepdims=keepdims), want)
        assert_same(getattr(r.lazy(x), name)(axis=axis, keepdims=keepdims), want)


@given(x=arrays(dtype=st.sampled_from(FLOATS)), data=st.data())
def test_float_sum_and_mean(x: np.ndarray, data: st.DataObject) -> None:
    # No sum of these overflows.
    x = np.where(np.abs(x) < (20 if x.itemsize == 2 else 1e6), x, x.dtype.type(1.5))
    axis, keepdims = data.draw(axes(x.ndim)), data.draw(st.booleans())
    assert_close_sum(r.sum(r.lazy(x), axis=axis, keepdims=keepdims), x, axis, keepdims)
    count = x.size // max(math.prod(np.sum(x, axis=axis).shape), 1)
    if count:
        assert_close_sum(
            r.mean(r.lazy(x), axis=axis, keepdims=keepdims), x.astype(np.longdouble) / count, axis, keepdims
        )


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n", LENGTHS)
def test_sum_is_as_accurate_as_numpys(n: int, dtype: str, rng: np.random.Generator) -> None:
    x = rng.normal(size=n).astype(dtype)
    assert_close_sum(r.sum(r.lazy(x)), x, None)
    assert_close_sum(r.sum(r.lazy(x)[::-2]), x[::-2], None)
    table = rng.normal(size=(5, n)).astype(dtype)
    for layout in LAYOUTS.values():
        a = layout(table)
        assert_close_sum(r.sum(r.lazy(a), axis=1), a, 1)
        assert_close_sum(r.sum(r.lazy(a), axis=0), a, 0)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n", [1000, 70_001])
def test_sum_has_the_same_bits_for_every_layout(n: int, dtype: str, rng: np.random.Generator) -> None:
    """The order of additions depends on the length alone: not on strides, nor on what is fused into it."""
    x = rng.normal(size=n).astype(dtype)
    first = evaluate(r.sum(r.lazy(x)))
    for layout in ("stepped", "reversed_axes", "misaligned", "byte_swapped"):
        assert_same(r.sum(r.lazy(LAYOUTS[layout](x))), first)
    assert_same(r.sum((r.lazy(x) * 4.0) * 0.25), first)
    assert_same(r.sum(r.where(r.lazy(x) == r.lazy(x), r.lazy(x), 0.0)), first)


@pytest.mark.parametrize("dtype", FLOATS[1:])  # test_half.py has those of float16
@pytest.mark.parametrize("correction", [0, 1, 2.5])
@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1), (1, 2)])
def test_var_and_std(axis: Any, correction: float, dtype: str, rng: np.random.Generator) -> None:
    x = (rng.normal(size=(6, 7, 33)) * 3 + 1000).astype(dtype)
    exact = np.var(x.astype(np.longdouble), axis=axis, correction=correction)
    got = evaluate(r.var(r.lazy(x), axis=axis, correction=correction))
    eps = float(np.finfo(dtype).eps)
    # Two passes: the mean is off by eps * 1000, which enters squared; the rest is rounding of the squares.
    np.testing.assert_allclose(got, exact, rtol=64 * eps, atol=(64 * 1000 * eps) ** 2)
    got = evaluate(r.std(r.lazy(x), axis=axis, correction=correction))
    np.testing.assert_allclose(got, np.sqrt(exact), rtol=64 * eps, atol=64 * 1000 * eps)
    assert got.dtype == dtype


@pytest.mark.parametrize("dtype", FLOATS)
def test_prod(dtype: str, rng: np.random.Generator) -> None:
    x = rng.uniform(0.8, 1.25, size=(40, 31)).astype(dtype)
    for axis in (None, 0, 1):
        exact = np.prod(x.astype(np.longdouble), axis=axis)
        np.testing.assert_allclose(
            evaluate(r.prod(r.lazy(x), axis=axis)), exact.astype(dtype), rtol=x.size * np.finfo(dtype).eps
        )


@pytest.mark.parametrize("dtype", DTYPES)
def test_integer_mean_and_var(dtype: str) -> None:
    x = np.arange(24).reshape(4, 6).astype(dtype)
    for name in ("mean", "var", "std"):
        want = getattr(np, name)(x, axis=1)
        got = evaluate(getattr(r, name)(r.lazy(x), axis=1))
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_empty(dtype: str) -> None:
    """Sum, prod, any and all of nothing have values; min, max and their positions do not."""
    for shape in ((0,), (0, 3), (3, 0)):
        x = np.zeros(shape, dtype=dtype)
        for name in ("sum", "prod", "any", "all"):
            assert_same(getattr(r, name)(r.lazy(x)), getattr(np, name)(x))
            assert_same(getattr(r, name)(r.lazy(x), axis=0), getattr(np, name)(x, axis=0))
        for name in ("min", "max", "argmin", "argmax"):
            with pytest.raises(ValueError, match=name):
                getattr(r, name)(r.lazy(x))
            want = numpy_result(name, x, axis=0)
            if not isinstance(want, type):
                assert_same(getattr(r, name)(r.lazy(x), axis=0), want)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n", [1, 5, 33, 1000])
def test_nan_and_infinity(n: int, dtype: str) -> None:
    for where in {0, n // 2, n - 1}:
        x = np.ones(n, dtype=dtype)
        x[where] = np.nan
        for name in ("min", "max", "argmin", "argmax", "any", "all"):
            assert_same(getattr(r, name)(r.lazy(x)), getattr(np, name)(x))
        assert math.isnan(float(r.sum(r.lazy(x))))
        x[where] = -np.inf
        for name in ("sum", "min", "max", "argmin", "argmax", "mean"):
            assert_same(getattr(r, name)(r.lazy(x)), getattr(np, name)(x))


@pytest.mark.parametrize("dtype", DTYPES)
def test_first_position_of_equal_elements(dtype: str) -> None:
    x = np.array([1, 0, 1, 0, 1, 1, 0] * 30, dtype=dtype)
    for name in ("argmin", "argmax"):
        assert_same(getattr(r, name)(r.lazy(x)), getattr(np, name)(x))
        assert_same(
            getattr(r, name)(r.lazy(x).reshape((7, 30)), axis=1), getattr(np, name)(x.reshape(7, 30), axis=1)
        )


def few_values(dtype: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Elements of which many are equal, so that there are ties wherever work is cut."""
    return rng.integers(0, 2 if dtype == "bool" else 9, size=shape).astype(dtype)


COLUMNS = [
    *[(1, 5), (2, 300), (7, 1), (8, 5000), (17, 33)],
    *[(130, 3), (257, 65), (1000, 100), (4097, 9), (2500, 70)],
]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
def test_position_in_columns(dtype: str, threads: int, rng: np.random.Generator) -> None:
    with r.options(threads=threads):
        for rows, columns in COLUMNS:
            x = few_values(dtype, (rows, columns), rng)
            wide = few_values(dtype, (rows, columns + 3), rng)[:, 1 : columns + 1]
            for name in ("argmin", "argmax"):
                numpys = getattr(np, name)
                for table in (x, wide, x.T, x[::-1], x[:, ::-1]):
                    for axis in (0, 1, None):
                        assert_same(getattr(r, name)(r.lazy(table), axis=axis), numpys(table, axis=axis))
                cube = np.stack([x, x[::-1], x])
                assert_same(getattr(r, name)(r.lazy(cube), axis=1), numpys(cube, axis=1))
                assert_same(getattr(r, name)(r.lazy(cube), axis=0), numpys(cube, axis=0))


@pytest.mark.parametrize("dtype", FLOATS)
def test_position_of_nan_in_columns(dtype: str, rng: np.random.Generator) -> None:
    for rows, columns in COLUMNS:
        x = rng.normal(size=(rows, columns)).astype(dtype)
        x[rng.integers(0, rows, 9), rng.integers(0, columns, 9)] = np.nan
        x[rng.integers(0, rows, 4), rng.integers(0, columns, 4)] = np.inf
        x[rng.integers(0, rows, 4), rng.integers(0, columns, 4)] = -np.inf
        for name in ("argmin", "argmax"):
            for axis in (0, 1, None):
                want = getattr(np, name)(x, axis=axis)
                assert_same(getattr(r, name)(r.lazy(x), axis=axis), want)
                # Of what is computed, and beside another reduction.
                y = x * x.dtype.type(2)
                lazy = r.lazy(x) * x.dtype.type(2)
                position, total = r.eval(getattr(r, name)(lazy, axis=axis), r.max(lazy, axis=axis))
                assert_same(position, getattr(np, name)(y, axis=axis))
                assert_same(total, np.max(y, axis=axis))


@pytest.mark.parametrize("dtype", DTYPES)
def test_position_in_a_long_row(dtype: str, rng: np.random.Generator) -> None:
    """Ties and improvements on both sides of where work is cut."""
    for n in (31, 32, 33, 1023, 1025, 4096, 8191, 8193, 70_001, 300_000):
        x = few_values(dtype, (n,), rng)
        rising = np.arange(n).astype(dtype)
        for row in (x, rising, rising[::-1], np.full(n, 1, dtype=dtype)):
            for name in ("argmin", "argmax"):
                assert_same(getattr(r, name)(r.lazy(row)), getattr(np, name)(row))


@pytest.mark.parametrize("dtype", FLOATS[1:])
def test_columns_have_the_bits_of_rows(dtype: str, rng: np.random.Generator) -> None:
    """One tree for all forms, computed or in memory, for any number of threads."""
    for rows, columns in (*COLUMNS, (4096, 130), (9000, 20)):
        x = rng.normal(size=(rows, columns)).astype(dtype)
        x[rng.integers(0, rows, 5), rng.integers(0, columns, 5)] = np.nan
        turned = np.ascontiguousarray(x.T)
        for name in ("sum", "prod", "min", "max"):
            reduce = getattr(r, name)
            want = evaluate(reduce(r.lazy(turned), axis=1))
            for threads in (1, 2):
                with r.options(threads=threads):
                    assert_same(reduce(r.lazy(x), axis=0), want)
                    assert_same(reduce((r.lazy(x) * 4.0) * 0.25, axis=0), want)
                    assert_same(reduce(r.lazy(np.pad(x, ((0, 0), (1, 2))))[:, 1:-2], axis=0), want)
        scaled = evaluate(r.sum((r.lazy(turned) - r.lazy(turned[:, :1])) * 2.0, axis=1))
        shift = r.lazy(np.ascontiguousarray(turned[:, 0]))
        assert_same(r.sum((r.lazy(x) - shift) * 2.0, axis=0), scaled)


@given(shape=shapes(max_dims=4, max_side=5), data=st.data())
def test_reduction_of_elementwise_work(shape: tuple[int, ...], data: st.DataObject) -> None:
    """Elementwise work fused into the reduction, and more on its result."""
    x = data.draw(arrays(dtype="int64", shape=shape))
    axis = data.draw(axes(len(shape)))

    def expression(xp: Any, x: Any) -> Any:
        total = xp.sum(x * x - 3, axis=axis, keepdims=True)
        return (x - total) * 2

    assert_same(expression(r, r.lazy(x)), expression(np, x))
