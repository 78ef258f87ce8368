"""Selection by positions and conditions, and writing to a selection, against NumPy's indexing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import raptors as r
from compare import DTYPES, assert_same, native
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from strategies import LAYOUTS, arrays, mixed, shapes

PLACES = np.int64


@st.composite
def positions(draw: st.DrawFn, length: int, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Positions within a length, negative ones among them, as an integer array of some layout."""
    shape = draw(shapes(max_dims=3, max_side=4)) if shape is None else shape
    if length == 0:
        shape = (0, *shape)
    dtype = draw(st.sampled_from(("int64", "int32", "uint8")))
    low = 0 if dtype == "uint8" else -length
    high = min(max(length - 1, low), np.iinfo(dtype).max)
    values = draw(hnp.arrays(dtype, shape, elements=st.integers(low, high)))
    layout = draw(st.sampled_from(("contiguous", "reversed_axes", "stepped", "byte_swapped")))
    return LAYOUTS[layout](values)


@given(x=arrays(), data=st.data())
def test_take(x: np.ndarray, data: st.DataObject) -> None:
    axis = data.draw(st.none() if x.ndim == 0 else st.none() | st.integers(-x.ndim, x.ndim - 1))
    length = x.size if axis is None else x.shape[axis]
    index = data.draw(positions(length))
    want = np.take(native(x), native(index), axis=axis)
    assert_same(r.take(r.lazy(x), r.lazy(index), axis=axis), want)
    assert_same(r.lazy(x).take(index, axis), want)
    assert_same(np.take(r.lazy(x), index, axis=axis), want)
    if length:
        for mode in ("wrap", "clip"):
            any_index = np.array([-9, 3, 9, 0, 100, -100])
            want = np.take(native(x), any_index, axis=axis, mode=mode)
            assert_same(r.take(r.lazy(x), any_index, axis=axis, mode=mode), want)


@given(x=arrays(shape=shapes().filter(len)), data=st.data())
def test_along_axis(x: np.ndarray, data: st.DataObject) -> None:
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    shape = list(x.shape)
    shape[axis] = data.draw(st.integers(0, 5)) if x.shape[axis] else 0
    index = (
        data.draw(positions(x.shape[axis], tuple(shape)).filter(lambda index: index.shape == tuple(shape)))
        if x.shape[axis]
        else np.zeros(shape, int)
    )
    assert_same(
        r.take_along_axis(r.lazy(x), r.lazy(index), axis),
        np.take_along_axis(native(x), native(index).astype(int), axis),
    )
    values = mixed(x.dtype.name, index.size, np.random.default_rng(1)).reshape(shape)
    want = native(x).copy()
    np.put_along_axis(want, native(index).astype(int), values, axis)
    assert_same(r.put_along_axis(r.lazy(x), r.lazy(index), values, axis), want)


@st.composite
def keys(draw: st.DrawFn, shape: tuple[int, ...]) -> Any:
    """A key with arrays of positions, masks, slices, integers, new axes and an ellipsis, in any order."""
    common = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=1, max_side=3))
    parts: list[Any] = []
    axis = 0
    while axis < len(shape):
        length = shape[axis]
        kind = draw(st.sampled_from(("array", "array", "slice", "integer", "mask", "new", "skip")))
        if kind == "array" and length:
            sides = [side if draw(st.booleans()) else 1 for side in common]
            parts.append(draw(hnp.arrays("int64", sides, elements=st.integers(-length, length - 1))))
        elif kind == "mask":
            parts.append(draw(hnp.arrays("bool", length)))
            if parts[-1].sum() != 1:
                parts[-1][:] = False
                parts[-1][: 1 if length else 0] = True
        elif kind == "integer" and length:
            parts.append(draw(st.integers(-length, length - 1)))
        elif kind == "new":
            parts.append(None)
            continue
        elif kind == "skip" and Ellipsis not in [part for part in parts if part is Ellipsis]:
            parts.append(Ellipsis)
            axis += draw(st.integers(0, len(shape) - axis))
            remaining = len(shape) - axis
            for length in shape[len(shape) - remaining :]:
                parts.append(draw(st.slices(length)))
            break
        else:
            parts.append(draw(st.slices(length)))
        axis += 1
    return tuple(parts)


def shown(key: Any) -> Any:
    return tuple(r.lazy(part) if isinstance(part, np.ndarray) else part for part in key)


@given(x=arrays(), data=st.data())
def test_keys(x: np.ndarray, data: st.DataObject) -> None:
    key = data.draw(keys(x.shape))
    try:
        want = native(x)[key]
    except IndexError:
        with pytest.raises(IndexError):
            r.lazy(x)[key].eval()
        return
    assert_same(r.lazy(x)[key], want)
    assert_same(r.lazy(x)[shown(key)], want)
    written = np.array(native(x))
    values = mixed(x.dtype.name, want.size, np.random.default_rng(1)).reshape(want.shape)
    written[key] = values
    assert_same(r.lazy(x).at[key].set(values), written)
    if x.dtype != bool:
        written = np.array(native(x))
        with np.errstate(all="ignore"):
            np.add.at(written, key, values)
        assert_same(r.lazy(x).at[shown(key)].add(r.lazy(values)), written)


@given(x=arrays(), data=st.data())
def test_masks(x: np.ndarray, data: st.DataObject) -> None:
    dims = data.draw(st.integers(0, x.ndim))
    mask = data.draw(hnp.arrays("bool", x.shape[:dims]))
    if dims:
        layout = data.draw(st.sampled_from(("contiguous", "reversed_axes", "stepped")))
        assert_same(r.lazy(x)[LAYOUTS[layout](mask)], native(x)[mask])
        assert_same(r.lazy(x)[r.lazy(mask)], native(x)[mask])
        for got, want in zip(r.nonzero(r.lazy(mask)), np.nonzero(mask), strict=True):
            assert_same(got, want)
        for got, want in zip(np.nonzero(r.lazy(x)), np.nonzero(native(x)), strict=True):
            assert_same(got, want)
    if dims == 1:
        assert_same(r.compress(mask, r.lazy(x), axis=0), np.compress(mask, native(x), axis=0))
        assert_same(np.compress(mask, r.lazy(x), axis=0), np.compress(mask, native(x), axis=0))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("dtype", DTYPES)
def test_long_masks(dtype: str, share: float) -> None:
    rng = np.random.default_rng(5)
    for n in (1, 63, 64, 65, 1000, 32_768, 32_769, 400_000):
        x, mask = mixed(dtype, n, rng), rng.random(n) < share
        mask_bytes = np.where(mask, rng.integers(1, 255, n), 0).astype(np.uint8).view(bool)
        assert_same(r.lazy(x)[mask], x[mask])
        assert_same(r.lazy(x)[mask_bytes], x[mask])
        assert_same(r.nonzero(r.lazy(mask))[0], np.nonzero(mask)[0])


@pytest.mark.parametrize("dtype", ["bool", "int16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(200_000,), (40_000, 5), (5, 40_000), (300, 200, 4)])
def test_large(shape: tuple[int, ...], dtype: str) -> None:
    rng = np.random.default_rng(6)
    x = mixed(dtype, int(np.prod(shape)), rng).reshape(shape)
    for axis in range(len(shape)):
        index = rng.integers(-shape[axis], shape[axis], 50_000 // (x.size // shape[axis]) + 3)
        assert_same(r.take(r.lazy(x), index, axis=axis), np.take(x, index, axis=axis))
        order = np.argsort(x, axis=axis, kind="stable")
        assert_same(r.take_along_axis(r.lazy(x), order, axis), np.take_along_axis(x, order, axis))
        want = x.copy()
        np.put_along_axis(want, order, np.flip(x), axis)
        assert_same(r.put_along_axis(r.lazy(x), order, np.flip(x), axis), want)
    rows, columns = rng.integers(0, shape[0], 1000), rng.integers(0, shape[-1], 1000)
    assert_same(
        r.lazy(x)[rows, ..., columns] if len(shape) > 1 else r.lazy(x)[rows],
        x[rows, ..., columns] if len(shape) > 1 else x[rows],
    )


def test_a_condition_is_evaluated_at_once_and_the_rest_is_not() -> None:
    x = np.array([3.0, -1.0, 2.0, -4.0])
    lazy = r.lazy(x) * 2.0
    positive = lazy > 0.0
    selected = lazy[positive]
    assert selected.shape == (2,)
    assert positive.is_evaluated if hasattr(positive, "is_evaluated") else "evaluated" in repr(positive)
    assert "lazy: compress" in repr(selected)
    x[0] = 10.0  # read when it is evaluated; what was selected stays selected
    assert_same(selected, np.array([20.0, 4.0]))
    mask = np.array([True, False, True, False])
    selected = r.lazy(x)[mask]
    mask[:] = True
    assert_same(selected, np.array([10.0, 2.0]))
    r.reset_evaluations()
    r.nonzero(r.lazy(x) > 0.0)
    assert "shape" in str(r.evaluations())


def test_positions_out_of_bounds() -> None:
    x = r.lazy(np.arange(6.0).reshape(2, 3), donate=True)
    wrong = r.take(x, [0, 3], axis=1)
    with pytest.raises(IndexError, match="gather: index 3 is out of bounds for axis 1 with length 3"):
        wrong.eval()
    with pytest.raises(IndexError, match="gather: index -3 is out of bounds for axis 0 with length 2"):
        x[np.array([[0], [-3]]), np.array([0, 1])].eval()
    with pytest.raises(IndexError, match="scatter: index 7 is out of bounds for axis 0 with length 2"):
        r.put_along_axis(x * 1.0, np.array([[7]]), 0.0, 0).eval()
    # The donated input is still there.
    assert_same(x * 2.0, np.arange(6.0).reshape(2, 3) * 2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: x[[0.5]], IndexError, "index: a key of type list is not supported"),
        (lambda x: x[np.array([1.0])], IndexError, "index: a key of type ndarray is not supported"),
        (lambda x: x[np.array([True])], IndexError, r"index: a mask of shape \(1,\) does not fit axis 0"),
        (lambda x: x[[0], [1], [2]], IndexError, "index: 3 indices for an array with 2 dimensions"),
        (lambda x: x[[0, 1], [0, 1, 2]], IndexError, r"positions of shapes \(2,\) and \(3,\) do not"),
        (lambda x: x[[0], 5], IndexError, "index: index 5 is out of bounds for axis 1 with length 3"),
        (lambda x: x[[0], ..., ...], IndexError, "index: more than one ellipsis"),
        (lambda x: r.take(x, [0.0]), IndexError, "take: positions of float64 are not integers"),
        (lambda x: r.take(x, [0], axis=2), r.AxisError, "take: axis 2 is out of bounds"),
        (lambda x: r.take(x, [0], mode="up"), ValueError, 'take: mode is "up"'),
        (lambda x: r.take_along_axis(x, [0]), ValueError, "take_along_axis: positions of shape"),
        (lambda x: r.put_along_axis(x, [[0]], np.ones((3, 3)), 0), ValueError, "does not broadcast to"),
        (lambda x: x.at[0].set(np.ones(4)), ValueError, "does not broadcast to"),
        (lambda x: r.nonzero(r.lazy(1.0)), ValueError, "nonzero: needs at least 1 dimensions"),
        (lambda x: r.compress([[True]], x), ValueError, "compress: the condition has shape"),
    ],
)
def test_mistakes(call: Any, error: type[Exception], message: str) -> None:
    x = r.lazy(np.arange(6.0).reshape(2, 3))
    with pytest.raises(error, match=message):
        call(x)


def test_nothing_is_written_through_an_array() -> None:
    x = r.lazy(np.arange(3.0))
    with pytest.raises(TypeError, match=r"x = x.at\[key\].set\(value\)"):
        x[0] = 1.0
    assert_same(x.at[0].set(5), np.array([5.0, 1.0, 2.0]))
    assert_same(x.at[[0, 0, 2]].add(1), np.array([2.0, 1.0, 3.0]))
    assert_same(x.at[x > 0.5].set([7.0, 8.0]), np.array([0.0, 7.0, 8.0]))
    assert_same(x.at[::2].set(-1), np.array([-1.0, 1.0, -1.0]))
    assert_same(r.put_along_axis(x, [2, 0], 5, 0), np.array([5.0, 1.0, 5.0]))
    assert_same(
        r.put_along_axis(r.lazy(np.ones((2, 2))), [[0], [1]], [7.0], 1), np.array([[7.0, 1.0], [1.0, 7.0]])
    )
