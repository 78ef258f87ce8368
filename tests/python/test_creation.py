"""Arrays from nothing, and arrays joined, against NumPy to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import raptors as r
from compare import DTYPES, FLOATS, assert_same, native
from hypothesis import given
from hypothesis import strategies as st
from strategies import LAYOUTS, arrays, shapes

NUMERIC = [dtype for dtype in DTYPES if dtype != "bool"]


@pytest.mark.parametrize(
    "arguments",
    [
        (0,),
        (1,),
        (10,),
        (1000,),
        (3, 10),
        (10, 3),
        (10, 3, -2),
        (-5, 5, 3),
        (0, 1, 5),
        (2.5,),
        (0.0, 1.0, 0.1),
        (1.0, 0.0, -0.3),
        (0, 3, 0.7),
        (-1.5, 8),
        (5.0, 5.0),
        (0.1, 50.0, 0.001),
    ],
)
def test_arange(arguments: tuple[float, ...]) -> None:
    assert_same(r.arange(*arguments), np.arange(*arguments))


@pytest.mark.parametrize("dtype", NUMERIC)
def test_arange_dtype(dtype: str) -> None:
    for arguments in ((100,), (3, 90, 7), (0, 0)):
        assert_same(r.arange(*arguments, dtype=getattr(r, dtype)), np.arange(*arguments, dtype=dtype))


def test_arange_keywords() -> None:
    assert_same(r.arange(2, stop=9, step=3), np.arange(2, 9, 3))
    assert_same(r.arange(2**40, 2**40 + 3), np.arange(2**40, 2**40 + 3))


@pytest.mark.parametrize("dtype", [None, *FLOATS])
@pytest.mark.parametrize("endpoint", [True, False])
@pytest.mark.parametrize("num", [0, 1, 2, 3, 50, 101, 427, 1000])
def test_linspace(num: int, endpoint: bool, dtype: str | None) -> None:
    for start, stop in ((0.0, 1.0), (-1.0, 1.0), (1.0, -3.0), (0.1, 0.7), (2, 5), (1.0, 1.0), (-1e30, 1e30)):
        ours = None if dtype is None else getattr(r, dtype)
        got = r.linspace(start, stop, num, endpoint=endpoint, dtype=ours)
        assert_same(got, np.linspace(start, stop, num, endpoint=endpoint, dtype=dtype))


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.integers(0, 70))
def test_linspace_of_any_ends(start: float, stop: float, num: int) -> None:
    assert_same(r.linspace(start, stop, num), np.linspace(start, stop, num))


@given(shape=shapes(), dtype=st.sampled_from(DTYPES))
def test_zeros_ones_full(shape: tuple[int, ...], dtype: str) -> None:
    ours = getattr(r, dtype)
    assert_same(r.zeros(shape, dtype=ours), np.zeros(shape, dtype=dtype))
    assert_same(r.ones(shape, dtype=ours), np.ones(shape, dtype=dtype))
    assert_same(r.full(shape, 1, dtype=ours), np.full(shape, 1, dtype=dtype))


@pytest.mark.parametrize("shape", [4, (4,), (2, 3), (), (0, 5), [2, 2]])
def test_default_dtypes(shape: Any) -> None:
    assert_same(r.zeros(shape), np.zeros(shape))
    assert_same(r.ones(shape), np.ones(shape))
    for value in (True, 7, 2.5):
        assert_same(r.full(shape, value), np.full(shape, value))


@pytest.mark.parametrize("dtype", DTYPES)
def test_eye(dtype: str) -> None:
    for rows, columns, k in (
        (0, None, 0),
        (1, None, 0),
        (4, None, 0),
        (3, 5, 1),
        (5, 3, -2),
        (3, 3, 7),
        (2, 3, -9),
    ):
        got = r.eye(rows, columns, k=k, dtype=getattr(r, dtype))
        assert_same(got, np.eye(rows, columns, k=k, dtype=dtype))
    assert_same(r.eye(3), np.eye(3))


def test_created_arrays_take_part_in_graphs() -> None:
    def ramp(xp: Any) -> Any:
        x = xp.linspace(-1.0, 1.0, 33, dtype=xp.float32)
        return (x[:, None] * x[None, :] + xp.ones((33, 33), dtype=xp.float32)) * xp.eye(33, dtype=xp.float32)

    assert_same(ramp(r), ramp(np))


@pytest.mark.parametrize("dtype", DTYPES)
def test_concat(dtype: str, rng: np.random.Generator) -> None:
    x = rng.integers(0, 100, (4, 5)).astype(dtype)
    for layout in LAYOUTS.values():
        parts = [layout(x), layout(x[:2]), x[:0]]
        assert_same(r.concat([r.lazy(part) for part in parts]), np.concat(parts))
        parts = [layout(x), layout(x[:, 1:3]), layout(x[:, ::-1])]
        assert_same(r.concat([r.lazy(part) for part in parts], axis=1), np.concat(parts, axis=1))
        assert_same(r.concat([r.lazy(part) for part in parts], axis=-1) == 1, np.concat(parts, axis=-1) == 1)
    assert_same(r.concat([r.lazy(x), r.lazy(x[0])], axis=None), np.concat([x, x[0]], axis=None))
    assert_same(r.concat([r.lazy(x)]), x)


def test_concat_promotes() -> None:
    for left in DTYPES:
        for right in DTYPES:
            x, y = np.ones(2, dtype=left), np.zeros(3, dtype=right)
            assert_same(r.concat([r.lazy(x), r.lazy(y)]), np.concat([x, y]))
            assert_same(r.stack([r.lazy(x), r.lazy(y[:2])]), np.stack([x, y[:2]]))


def test_concat_of_computed_parts(rng: np.random.Generator) -> None:
    x = rng.normal(size=(6, 7)).astype(np.float32)

    def padded(xp: Any, a: Any) -> Any:
        b = a * 2.0 + 1.0
        b = xp.concat([b[:1], b, b[-1:]], axis=0)
        return b[2:] - 2.0 * b[1:-1] + b[:-2]

    assert_same(padded(r, r.lazy(x)), padded(np, x))


@given(x=arrays(), count=st.integers(1, 4), data=st.data())
def test_stack(x: np.ndarray, count: int, data: st.DataObject) -> None:
    axis = data.draw(st.integers(-x.ndim - 1, x.ndim))
    ordered = native(x)
    assert_same(r.stack([r.lazy(x)] * count, axis=axis), np.stack([ordered] * count, axis=axis))
