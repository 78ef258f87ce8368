"""Indexing and other views against NumPy, with random keys on arrays of every layout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import raptors as r
from compare import DTYPES, assert_same, native
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import arrays, axes, reshapes


@settings(max_examples=400)
@given(x=arrays(), data=st.data())
def test_basic_index(x: np.ndarray, data: st.DataObject) -> None:
    key = data.draw(hnp.basic_indices(x.shape, allow_newaxis=True))
    ordered = native(x)
    assert_same(r.lazy(x)[key], ordered[key])
    second = data.draw(hnp.basic_indices(ordered[key].shape, allow_newaxis=True, max_dims=6))
    assert_same(r.lazy(x)[key][second], ordered[key][second])


@given(x=arrays(), data=st.data())
def test_slices_of_any_step(x: np.ndarray, data: st.DataObject) -> None:
    """Starts and stops beyond the ends, steps larger than the array, both signs."""
    bound = st.one_of(st.none(), st.integers(-12, 12))
    step = st.one_of(st.none(), st.integers(-9, 9).filter(bool))
    key = tuple(slice(data.draw(bound), data.draw(bound), data.draw(step)) for _ in x.shape)
    ordered = native(x)
    assert_same(r.lazy(x)[key], ordered[key])


@settings(max_examples=300)
@given(x=arrays(), data=st.data())
def test_chain_of_views(x: np.ndarray, data: st.DataObject) -> None:
    """Several views on one another, then one op, so that the composed view is an operand."""
    want, got = native(x), r.lazy(x)
    for _ in range(data.draw(st.integers(1, 4))):
        match data.draw(
            st.sampled_from(("index", "reshape", "permute", "flip", "T", "mT", "expand", "squeeze"))
        ):
            case "index":
                key = data.draw(hnp.basic_indices(want.shape, allow_newaxis=True, max_dims=6))
                want, got = np.asarray(want[key]), got[key]
            case "reshape":
                shape = data.draw(reshapes(want.size))
                want, got = np.reshape(want, shape), r.reshape(got, shape)
            case "permute":
                order = tuple(data.draw(st.permutations(range(want.ndim))))
                want, got = np.permute_dims(want, order), r.permute_dims(got, order)
            case "flip":
                axis = data.draw(axes(want.ndim))
                want, got = np.flip(want, axis=axis), r.flip(got, axis=axis)
            case "T" if want.ndim == 2:
                want, got = want.T, got.T
            case "mT" if want.ndim >= 2:
                want, got = want.mT, got.mT
            case "expand":
                axis = data.draw(st.integers(-want.ndim - 1, want.ndim))
                want, got = np.expand_dims(want, axis), r.expand_dims(got, axis=axis)
            case "squeeze" if 1 in want.shape:
                axis = want.shape.index(1)
                want, got = np.squeeze(want, axis), r.squeeze(got, axis=axis)
        assert tuple(got.shape) == want.shape
    assert_same(got, want)
    assert_same(got == got, want == want)


@given(x=arrays(), data=st.data())
def test_broadcast_to(x: np.ndarray, data: st.DataObject) -> None:
    target = tuple(data.draw(st.integers(0, 4)) if n == 1 else n for n in x.shape)
    target = tuple(data.draw(st.lists(st.integers(0, 3), max_size=2))) + target
    ordered = native(x)
    assert_same(r.broadcast_to(r.lazy(x), target), np.broadcast_to(ordered, target))


@given(x=arrays(dtype=st.sampled_from(("float32", "int64", "bool"))), data=st.data())
def test_concat_and_stack_of_views(x: np.ndarray, data: st.DataObject) -> None:
    axis = data.draw(st.integers(-x.ndim - 1, x.ndim))
    ordered = native(x)
    assert_same(r.stack([r.lazy(x), r.lazy(x)], axis=axis), np.stack([ordered, ordered], axis=axis))
    if x.ndim:
        axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
        parts = [ordered, np.flip(ordered), ordered[:0] if axis % x.ndim == 0 else ordered]
        assert_same(r.concat([r.lazy(part) for part in parts], axis=axis), np.concat(parts, axis=axis))


def test_integer_index_gives_an_array(rng: np.random.Generator) -> None:
    x = rng.normal(size=(3, 4))
    element = r.lazy(x)[1, -2]
    assert tuple(element.shape) == ()
    assert_same(element, x[1, -2])
    assert_same(r.lazy(x)[np.int64(2)], x[2])


@pytest.mark.parametrize("dtype", DTYPES)
def test_overlapping_windows(dtype: str) -> None:
    """A moving sum over a view whose rows share memory."""
    x = np.arange(40).astype(dtype)
    windows = np.lib.stride_tricks.sliding_window_view(x, 5)
    assert_same(r.sum(r.lazy(windows), axis=1), np.sum(windows, axis=1), windows)
    assert_same(r.lazy(windows)[::-1, ::2], windows[::-1, ::2])


def test_shifted_slices_of_one_array(rng: np.random.Generator) -> None:
    """A stencil: the operands are views of the same memory at different offsets."""
    x = rng.normal(size=(65, 130)).astype(np.float32)

    def laplacian(a: Any) -> Any:
        return a[:-2, 1:-1] + a[2:, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:] - 4.0 * a[1:-1, 1:-1]

    assert_same(laplacian(r.lazy(x)), laplacian(x))
    assert_same(laplacian(r.lazy(x) * 0.5), laplacian(x * np.float32(0.5)))


def test_index_of_a_computed_array(rng: np.random.Generator) -> None:
    x = rng.normal(size=(20, 30))
    y, lazy = x * 2.0 + 1.0, r.lazy(x) * 2.0 + 1.0
    for key in ((3,), (slice(None), 4), (slice(5, 2, -1),), (..., None), (None, slice(None, None, 3), -1)):
        assert_same(lazy[key], y[key])


def test_iteration_and_unpacking() -> None:
    first, second = r.lazy([[1, 2], [3, 4]])
    assert_same(first, np.array([1, 2]))
    assert_same(second, np.array([3, 4]))
