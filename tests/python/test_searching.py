"""Searches, counts, histograms and sets, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import raptors as r
from compare import DTYPES, FLOATS, assert_same, native
from hypothesis import given
from hypothesis import strategies as st
from strategies import arrays, mixed, ordinary

VECTORS = st.integers(0, 9).map(lambda length: (length,))


@given(sorted_to=arrays(shape=VECTORS), values=arrays(), side=st.sampled_from(("left", "right")))
def test_searchsorted(sorted_to: np.ndarray, values: np.ndarray, side: Any) -> None:
    dtype = np.result_type(sorted_to.dtype, values.dtype)
    ascending = np.sort(native(sorted_to).astype(dtype))
    want = np.searchsorted(ascending, native(values).astype(dtype), side=side)
    assert_same(r.searchsorted(r.lazy(ascending), r.lazy(values), side=side), want)
    order = np.argsort(native(sorted_to), kind="stable")
    want = np.searchsorted(native(sorted_to), native(values), side=side, sorter=order)
    assert_same(r.lazy(sorted_to).searchsorted(values, side=side, sorter=order), want)


@pytest.mark.parametrize("dtype", DTYPES)
def test_long_searches(dtype: str) -> None:
    rng = np.random.default_rng(3)
    for n in (0, 1, 2, 3, 17, 1000, 65_537):
        ascending, values = np.sort(mixed(dtype, n, rng)), mixed(dtype, 5003, rng)
        for side in ("left", "right"):
            want = np.searchsorted(ascending, values, side=side)
            assert_same(r.searchsorted(r.lazy(ascending), values, side=side), want)
    assert_same(r.searchsorted(r.lazy(np.arange(5.0)), 2), np.searchsorted(np.arange(5.0), 2))
    assert_same(r.searchsorted(r.lazy(np.arange(5.0)), [2, 9]), np.searchsorted(np.arange(5.0), [2, 9]))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "int64"])
def test_bincount(dtype: str) -> None:
    rng = np.random.default_rng(4)
    for n in (0, 1, 100, 300_001):
        x, weights = ordinary(dtype, n, rng, (0.0, 90.0)), rng.random(n)
        assert_same(r.bincount(r.lazy(x)), np.bincount(x.astype(np.int64)))
        assert_same(r.bincount(r.lazy(x), minlength=200), np.bincount(x.astype(np.int64), minlength=200))
        assert_same(r.bincount(r.lazy(x), weights), np.bincount(x.astype(np.int64), weights))
    sparse = rng.integers(0, 500_000, 200_000)
    assert_same(r.bincount(r.lazy(sparse) // 2), np.bincount(sparse // 2))
    assert_same(r.bincount([1, 2, 2]), np.bincount([1, 2, 2]))


@pytest.mark.parametrize("dtype", ["uint8", "int32", *FLOATS])
def test_histogram(dtype: str) -> None:
    rng = np.random.default_rng(5)
    # Between a few numbers of float16 there are no 37 bins, which NumPy refuses.
    for n in (1, 2, 1000, 100_003) if dtype != "float16" else (1000, 100_003):
        x = ordinary(dtype, n, rng, (0.0, 60.0))
        for arguments in (
            {},
            {"bins": 1},
            {"bins": 37},
            {"bins": 5, "range": (10.0, 50.0)},
            {"bins": [0, 1, 5, 20.5, 60]},
            {"bins": np.array([3.0, 4.0, 4.0, 50.0])},
            {"bins": 7, "density": True},
            {"bins": 4, "weights": np.ones(n)},
        ):
            hist, edges = r.histogram(r.lazy(x), **arguments)
            want, want_edges = np.histogram(x, **arguments)
            assert_same(edges.astype(want_edges.dtype), want_edges)
            assert_same(hist.astype(want.dtype), want)
    hist, edges = r.histogram(r.lazy(np.zeros((0,), dtype=dtype)))
    want, want_edges = np.histogram(np.zeros((0,), dtype=dtype))
    assert_same(hist, want)
    with_nan = r.lazy(np.array([1.0, np.nan, 2.0]))
    assert_same(r.histogram(with_nan, bins=[0.0, 1.5, 2.0])[0], np.array([1, 1]))


def counted(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Values in order, where each is first, each element's value, and counts; NaNs are distinct."""
    order = np.argsort(x.reshape(-1), kind="stable")
    ascending = x.reshape(-1)[order]
    first = np.ones(x.size, dtype=bool)
    first[1:] = ascending[1:] != ascending[:-1]
    inverse = np.empty(x.size, dtype=np.int64)
    inverse[order] = np.cumsum(first) - 1
    places = np.flatnonzero(first)
    return (
        ascending[first],
        order[first],
        inverse.reshape(x.shape),
        np.diff([*places, x.size]).astype(np.int64),
    )


@given(x=arrays())
def test_unique(x: np.ndarray) -> None:
    values, indices, inverse, counts = counted(native(x))
    np.testing.assert_array_equal(values, np.sort(np.unique(native(x), equal_nan=False)))
    assert_same(r.unique_values(r.lazy(x)), values)
    everything = r.unique_all(r.lazy(x))
    for name, want in zip(everything._fields, (values, indices, inverse, counts), strict=True):
        assert_same(getattr(everything, name), want)
    assert_same(r.unique_counts(r.lazy(x)).counts, counts)
    assert_same(r.unique_inverse(r.lazy(x)).inverse_indices, inverse)
    assert_same(everything.values[everything.inverse_indices], everything.values.eval()[inverse])


def test_long_unique() -> None:
    x = np.random.default_rng(7).integers(0, 1000, 200_000).astype(np.float32)
    values, counts = np.unique(x, return_counts=True)
    assert_same(r.unique_values(r.lazy(x)), values)
    found = r.unique_counts(r.lazy(x))
    assert_same(found.values, values)
    assert_same(found.counts, counts)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: r.searchsorted(r.lazy([[1.0]]), 1.0), ValueError, "searchsorted: takes one dimension"),
        (lambda: r.searchsorted(r.lazy([1.0]), 1.0, side="up"), ValueError, 'searchsorted: side is "up"'),
        (lambda: r.bincount(r.lazy([1, -2])), ValueError, "bincount: -2 is negative"),
        (lambda: r.bincount(r.lazy([1.5])), TypeError, "bincount: not defined for float64"),
        (lambda: r.bincount(r.lazy([[1]])), ValueError, "bincount: takes one dimension"),
        (
            lambda: r.bincount(r.lazy([1]), [1.0, 2.0]),
            ValueError,
            r"weights of shape \(2,\) for shape \(1,\)",
        ),
        (lambda: r.histogram(r.lazy([1.0]), bins=0), ValueError, "histogram: 0 bins"),
        (lambda: r.histogram(r.lazy([1.0]), bins=-1), ValueError, "histogram: bins is -1"),
        (lambda: r.histogram(r.lazy([1.0]), bins="auto"), TypeError, "histogram: bins is str"),
        (lambda: r.histogram(r.lazy([np.inf])), ValueError, "is not finite"),
        (lambda: r.histogram(r.lazy([1.0]), range=(2.0, 1.0)), ValueError, "does not ascend"),
    ],
)
def test_mistakes(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
