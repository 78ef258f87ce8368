"""Sorting, partitioning and cumulative functions over every axis, dtype and layout, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import raptors as r
from compare import DTYPES, FLOATS, INTEGERS, assert_same, evaluate, native
from hypothesis import given
from hypothesis import strategies as st
from strategies import LAYOUTS, any_bits, arrays, mixed, ordinary, shapes

LENGTHS = [0, 1, 2, 3, 31, 255, 256, 257, 511, 513, 1023, 1025, 4097, 70_001]
CUMULATIVE = {"cumulative_sum": "cumsum", "cumulative_prod": "cumprod"}


def descending(x: np.ndarray, axis: int) -> np.ndarray:
    """NumPy's stable positions by falling value: the reverse of the stable order of the reversed elements."""
    reversed_positions = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
    return np.flip(x.shape[axis] - 1 - reversed_positions, axis)


@st.composite
def arrays_and_axes(draw: st.DrawFn) -> tuple[np.ndarray, int]:
    x = draw(arrays(shape=shapes().filter(len)))
    return x, draw(st.integers(-x.ndim, x.ndim - 1))


@given(arrays_and_axes())
def test_sort(case: tuple[np.ndarray, int]) -> None:
    x, axis = case
    want = np.argsort(native(x), axis=axis, kind="stable")
    assert_same(r.argsort(r.lazy(x), axis=axis), want)
    assert_same(r.lazy(x).argsort(axis), want)
    assert_same(r.sort(r.lazy(x), axis=axis), np.take_along_axis(native(x), want, axis))
    falling = descending(native(x), axis)
    assert_same(r.argsort(r.lazy(x), axis=axis, descending=True), falling)
    assert_same(r.sort(r.lazy(x), axis=axis, descending=True), np.take_along_axis(native(x), falling, axis))


@given(arrays_and_axes(), st.data())
def test_partition(case: tuple[np.ndarray, int], data: st.DataObject) -> None:
    x, axis = case
    length = x.shape[axis]
    if length == 0:
        with pytest.raises(ValueError, match="kth 0 is out of bounds for 0 elements"):
            r.partition(r.lazy(x), 0, axis=axis)
        return
    kth = data.draw(st.lists(st.integers(-length, length - 1), min_size=1, max_size=3))
    ordered = np.sort(native(x), axis=axis)
    found = evaluate(r.partition(r.lazy(x), kth, axis=axis))
    positions = evaluate(r.argpartition(r.lazy(x), kth, axis=axis))
    np.testing.assert_array_equal(
        np.sort(positions, axis=axis), np.argsort(np.zeros(x.shape), axis=axis, kind="stable")
    )
    for result in (found, np.take_along_axis(native(x), positions, axis)):
        np.testing.assert_array_equal(np.sort(result, axis=axis), ordered)
        for k in kth:
            before, at, after = np.split(np.moveaxis(result, axis, 0), [k % length, k % length + 1])
            np.testing.assert_array_equal(at, np.moveaxis(ordered, axis, 0)[[k]])
            order = np.sort(np.concatenate([before, at]), axis=0)[-1:]
            np.testing.assert_array_equal(order, at)
            order = np.sort(np.concatenate([at, after]), axis=0)[:1]
            np.testing.assert_array_equal(order, at)


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_long_rows(dtype: str, n: int) -> None:
    rng = np.random.default_rng(n)
    for values in (any_bits(dtype, n, rng), mixed(dtype, n, rng), ordinary(dtype, n, rng, (0.0, 9.0))):
        want = np.argsort(values, kind="stable")
        assert_same(r.argsort(r.lazy(values)), want)
        assert_same(r.sort(r.lazy(values)), values[want])
        assert_same(r.sort(r.lazy(values), descending=True), values[descending(values, 0)])
    ascending = np.sort(ordinary(dtype, n, rng, (-90.0, 90.0)))
    assert_same(r.sort(r.lazy(ascending)), ascending)
    assert_same(r.argsort(r.lazy(ascending[::-1])), np.argsort(ascending[::-1], kind="stable"))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", ["int16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 50_000), (50_000, 3), (700, 300), (1, 300_000), (300_000, 1)])
def test_large(shape: tuple[int, int], dtype: str, axis: int) -> None:
    values = mixed(dtype, shape[0] * shape[1], np.random.default_rng(1)).reshape(shape)
    want = np.argsort(values, axis=axis, kind="stable")
    ordered = np.take_along_axis(values, want, axis)
    many, one = r.get_num_threads(), 1
    try:
        for threads in (one, 2, 5):
            r.set_num_threads(threads)
            assert_same(r.argsort(r.lazy(values), axis=axis), want)
            assert_same(r.sort(r.lazy(values), axis=axis), ordered)
            assert_same(r.sort(r.lazy(values * 1), axis=axis), ordered)
            assert_same(r.cumsum(r.lazy(values), axis=axis), np.cumsum(values, axis=axis))
    finally:
        r.set_num_threads(many)


SPECIALS: list[float] = [0.0, -0.0, float("nan"), float("inf"), float("-inf"), 1.5, -1.5]


@pytest.mark.parametrize("n", [15, 16, 17, 64, 127, 128, 129, 256, 511, 512, 513, 1000, 2049, 9001, 100_003])
@pytest.mark.parametrize("dtype", DTYPES)
def test_patterns(dtype: str, n: int) -> None:
    rng = np.random.default_rng(n)
    rising = np.sort(ordinary(dtype, n, rng, (-90.0, 90.0)))
    rows = [
        rising,
        rising[::-1],
        np.concatenate([rising[::2], rising[1::2][::-1]]),
        np.full_like(rising, rising[0]),
    ]
    rows.append(rng.choice(rising[:: max(1, n // 3)], n))
    if dtype in FLOATS:
        rows.append(rng.choice(np.array(SPECIALS), n).astype(rising.dtype))
    for values in rows:
        want = np.argsort(values, kind="stable")
        assert_same(r.sort(r.lazy(values)), values[want])
        assert_same(r.argsort(r.lazy(values)), want)
        assert_same(r.sort(r.lazy(values), descending=True), values[descending(values, 0)])
        middle = evaluate(r.partition(r.lazy(values), n // 2))
        np.testing.assert_array_equal(np.sort(middle), values[want])
        np.testing.assert_array_equal(middle[n // 2], values[want][n // 2])


def test_zeros_keep_their_order() -> None:
    x = np.array([0.0, -1.0, -0.0, 1.0, 0.0, -0.0, np.nan, -0.0], dtype=np.float32)
    assert_same(r.sort(r.lazy(x)), np.array([-1.0, 0.0, -0.0, 0.0, -0.0, -0.0, 1.0, np.nan], np.float32))
    assert_same(
        r.sort(r.lazy(x), descending=True),
        np.array([np.nan, 1.0, 0.0, -0.0, 0.0, -0.0, -0.0, -1.0], np.float32),
    )


@given(case=arrays_and_axes(), name=st.sampled_from(sorted(CUMULATIVE)))
def test_cumulative(case: tuple[np.ndarray, int], name: str) -> None:
    x, axis = case
    with np.errstate(all="ignore"):
        want = getattr(np, name)(native(x), axis=axis)
        initial = getattr(np, name)(native(x), axis=axis, include_initial=True)
        flat = getattr(np, CUMULATIVE[name])(native(x))
    assert_same(getattr(r, name)(r.lazy(x), axis=axis), want)
    assert_same(getattr(r, name)(r.lazy(x), axis=axis, include_initial=True), initial)
    assert_same(getattr(r, CUMULATIVE[name])(r.lazy(x), axis), want)
    assert_same(getattr(r.lazy(x), CUMULATIVE[name])(axis), want)
    assert_same(getattr(r.lazy(x), CUMULATIVE[name])(), flat)
    assert_same(getattr(np, CUMULATIVE[name])(r.lazy(x), axis=axis), want)


@pytest.mark.parametrize("to", [*INTEGERS, *FLOATS])
@pytest.mark.parametrize("dtype", DTYPES)
def test_cumulative_dtype(dtype: str, to: str) -> None:
    x = ordinary(dtype, 300, np.random.default_rng(2), (0.0, 3.0))
    with np.errstate(all="ignore"):
        assert_same(r.cumsum(r.lazy(x), dtype=to), np.cumsum(x, dtype=to))
        assert_same(r.cumulative_prod(r.lazy(x), dtype=to), np.cumprod(x, dtype=to))
        assert_same(np.add.accumulate(r.lazy(x), dtype=to), np.add.accumulate(x, dtype=to))
    assert_same(np.add.accumulate(r.lazy(x)), np.add.accumulate(x))


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "float64"])
@pytest.mark.parametrize("n", [*LENGTHS, 1_000_003])
def test_cumulative_of_long_rows(n: int, dtype: str) -> None:
    x = mixed(dtype, n, np.random.default_rng(n))
    with np.errstate(all="ignore"):
        assert_same(r.cumsum(r.lazy(x)), np.cumsum(x))
        assert_same(r.cumprod(r.lazy(x), dtype=dtype), np.cumprod(x, dtype=dtype))
        assert_same(r.cumsum(r.lazy(x) + x.dtype.type(1)), np.cumsum(x + x.dtype.type(1)))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_in_place(layout: str) -> None:
    """A donated operand that is row-major is the result's memory; another is not."""
    x = LAYOUTS[layout](np.array([[3.0, -0.0, 2.0], [np.nan, 0.0, -1.0]]))
    want, sums = np.sort(native(x), axis=1), np.cumsum(native(x), axis=0)
    result = r.sort(r.lazy(x, donate=True), axis=1).eval()
    assert np.shares_memory(result, x) == (layout == "contiguous")
    assert_same(result, want)
    y = LAYOUTS[layout](np.array([[3.0, -0.0, 2.0], [np.nan, 0.0, -1.0]]))
    assert_same(r.cumsum(r.lazy(y, donate=True), axis=0), sums)


def test_what_is_computed_for_a_sort_is_sorted_where_it_is() -> None:
    x = np.random.default_rng(3).random(1000)
    plan = r.sort(r.lazy(x) * 2.0).plan()
    assert plan.kernels == 2
    assert len(plan.reuses) == 1
    # The result, and as much scratch memory.
    assert plan.peak_bytes == 2 * x.nbytes
    assert "axis 0 order ascending" in r.sort(r.lazy(x) * 2.0).explain()


def test_out() -> None:
    x = np.array([[3, 1, 2], [9, 7, 8]], dtype=np.int32)
    out = np.empty((2, 3), dtype=np.int64)
    assert r.lazy(x).cumsum(1, out=out) is out
    np.testing.assert_array_equal(out, np.cumsum(x, 1))
    assert r.sort(r.lazy(x)).eval(out=x) is x
    np.testing.assert_array_equal(x, [[1, 2, 3], [7, 8, 9]])
    assert np.argsort(r.lazy(x), axis=0).dtype == "int64"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda x: r.sort(x, axis=2),
            r.AxisError,
            "sort: axis 2 is out of bounds for an array with 2 dimensions",
        ),
        (
            lambda x: r.argsort(r.lazy(1.0)),
            r.AxisError,
            "argsort: axis -1 is out of bounds for an array with 0",
        ),
        (r.cumulative_sum, ValueError, r"cumulative_sum: an array of shape \(2, 3\) needs an axis"),
        (lambda x: r.cumsum(x, axis=1.5), TypeError, "cumsum: axis is float, needs an integer"),
        (lambda x: r.cumsum(x, dtype="bool"), TypeError, "cumulative_sum: not defined for bool"),
        (lambda x: r.partition(x, 3), ValueError, "partition: kth 3 is out of bounds for 3 elements"),
        (lambda x: r.partition(x, -4), ValueError, "partition: kth -4 is out of bounds for 3 elements"),
        (lambda x: r.argpartition(x, 1.0), TypeError, "argpartition: kth is float, needs an integer"),
        (lambda x: x.argsort(order="f"), ValueError, "argsort: order names fields"),
    ],
)
def test_mistakes(call: Any, error: type[Exception], message: str) -> None:
    x = r.lazy(np.arange(6.0).reshape(2, 3))
    with pytest.raises(error, match=message):
        call(x).eval()
