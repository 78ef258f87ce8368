"""Hypothesis strategies: arrays of every dtype, awkward shapes and values, every memory layout of NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from compare import COMPLEX, DTYPES, FLOATS
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.lib.stride_tricks import as_strided, sliding_window_view

PARTS = {"complex64": "float32", "complex128": "float64"}


def pairs(real: np.ndarray, imag: np.ndarray) -> np.ndarray:
    """Complex numbers of these parts, bit for bit."""
    return np.stack([real, imag], axis=-1).view(f"c{2 * real.dtype.itemsize}")[..., 0]


def specials(dtype: str) -> np.ndarray:
    """The values where kernels go wrong: signed zeros, infinities, NaN, subnormals, the extremes."""
    if dtype == "bool":
        return np.array([False, True])
    if dtype in COMPLEX:
        parts = specials(PARTS[dtype])
        return pairs(*np.meshgrid(parts, parts, indexing="ij")).reshape(-1)
    if dtype not in FLOATS:
        bounds = np.iinfo(dtype)
        small = [0, 1, 2, 3, 7] if bounds.min == 0 else [0, 1, 2, 3, 7, -1, -2, -7]
        return np.array([*small, bounds.min, bounds.min + 1, bounds.max - 1, bounds.max], dtype=dtype)
    limits = np.finfo(dtype)
    positive = [0.0, 1.0, 0.5, 1.5, 2.0, 3.0, math.inf, limits.max, limits.tiny, limits.smallest_subnormal]
    positive += [limits.tiny / 3, limits.eps, 1 + limits.eps, 2.0**limits.nmant, math.pi]
    return np.array([sign * value for value in positive for sign in (1, -1)] + [math.nan], dtype=dtype)


def ordinary(dtype: str, count: int, rng: np.random.Generator, domain: tuple[float, float]) -> np.ndarray:
    """`count` values of `dtype` in `domain`, as far as the dtype holds them."""
    low, high = domain
    if dtype == "bool":
        return rng.integers(0, 2, count).astype(bool)
    if dtype in COMPLEX:
        return pairs(*(ordinary(PARTS[dtype], count, rng, domain) for _ in range(2)))
    if dtype in FLOATS:
        return rng.uniform(low, high, count).astype(dtype)
    bounds = np.iinfo(dtype)
    low_int, high_int = max(math.ceil(low), bounds.min), min(math.floor(high), bounds.max)
    return rng.integers(low_int, high_int, count, dtype=dtype, endpoint=True)


def any_bits(dtype: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` values of `dtype` with random bits."""
    if dtype == "bool":
        return rng.integers(0, 2, count).astype(bool)
    return rng.integers(0, 256, count * np.dtype(dtype).itemsize, dtype=np.uint8).view(dtype)


def mixed(dtype: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """Ordinary values with special ones strewn in."""
    values = ordinary(dtype, count, rng, (-100.0, 100.0))
    awkward = rng.random(count) < 0.2
    values[awkward] = rng.choice(specials(dtype), int(awkward.sum()))
    return values


# Each layout is a function from values to an array of the same shape whose memory is arranged that way. The
# last two repeat elements, so their values are not all of those given.


def contiguous(values: np.ndarray) -> np.ndarray:
    """C order, in memory of its own."""
    return np.array(values, order="C")


def fortran(values: np.ndarray) -> np.ndarray:
    """Column-major: the transpose of a C-contiguous array."""
    return np.array(values, order="F")


def reversed_axes(values: np.ndarray) -> np.ndarray:
    """Every stride negative."""
    flip = (slice(None, None, -1),) * values.ndim
    return np.array(values[flip], order="C")[flip]


def stepped(values: np.ndarray) -> np.ndarray:
    """Every third element of something larger, along each axis."""
    larger = np.zeros([3 * n + 1 for n in values.shape], dtype=values.dtype)
    view = larger[*(slice(1, 1 + 3 * n, 3) for n in values.shape), ...]
    view[...] = values
    return view


def inner_block(values: np.ndarray) -> np.ndarray:
    """A block inside larger rows: inner stride 1, rows apart."""
    larger = np.zeros([n + 3 for n in values.shape], dtype=values.dtype)
    view = larger[*(slice(1, 1 + n) for n in values.shape), ...]
    view[...] = values
    return view


def read_only(values: np.ndarray) -> np.ndarray:
    """Memory that must not be written."""
    array = contiguous(values)
    array.flags.writeable = False
    return array


def byte_swapped(values: np.ndarray) -> np.ndarray:
    """The other byte order."""
    return values.astype(values.dtype.newbyteorder())


def misaligned(values: np.ndarray) -> np.ndarray:
    """Elements at odd addresses."""
    raw = np.zeros(values.nbytes + 1, dtype=np.uint8)
    array = raw[1:].view(values.dtype).reshape(values.shape)
    array[...] = values
    return array


def stride_zero(values: np.ndarray) -> np.ndarray:
    """One row (or element) repeated with stride 0."""
    return np.broadcast_to(values[:1], values.shape)


def overlapping(values: np.ndarray) -> np.ndarray:
    """Rows that share elements: every stride is one element."""
    if values.ndim == 0 or values.size == 0:
        return contiguous(values)
    line = contiguous(values).reshape(-1)
    return as_strided(line, values.shape, (values.itemsize,) * values.ndim, writeable=False)


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    layout.__name__: layout
    for layout in (
        contiguous,
        fortran,
        reversed_axes,
        stepped,
        inner_block,
        read_only,
        byte_swapped,
        misaligned,
        stride_zero,
        overlapping,
    )
}


def windows(values: np.ndarray, width: int) -> np.ndarray:
    """All windows of `width` elements of a 1-D array, overlapping in memory."""
    return sliding_window_view(values, width)


def shapes(max_dims: int = 4, max_side: int = 7) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes with 0 to `max_dims` dimensions and lengths from 0."""
    return hnp.array_shapes(min_dims=0, max_dims=max_dims, min_side=0, max_side=max_side)


@st.composite
def arrays(
    draw: st.DrawFn,
    dtype: str | st.SearchStrategy[str] = st.sampled_from(DTYPES),
    shape: tuple[int, ...] | st.SearchStrategy[tuple[int, ...]] = shapes(),
    layout: str | st.SearchStrategy[str] = st.sampled_from(tuple(LAYOUTS)),
) -> np.ndarray:
    """An array; its values follow from a drawn seed, so that shrinking works on dtype, shape and layout."""
    dtype = draw(dtype) if isinstance(dtype, st.SearchStrategy) else dtype
    shape = draw(shape) if isinstance(shape, st.SearchStrategy) else shape
    layout = draw(layout) if isinstance(layout, st.SearchStrategy) else layout
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    values = mixed(dtype, math.prod(shape), rng).reshape(shape)
    if values.ndim == 0 and layout == "stride_zero":
        return values
    return LAYOUTS[layout](values)


@st.composite
def reshapes(draw: st.DrawFn, size: int) -> tuple[int, ...]:
    """A shape with `size` elements, perhaps with one length given as -1."""
    shape: list[int] = []
    rest = size
    for _ in range(draw(st.integers(0, 3))):
        side = draw(st.sampled_from([n for n in range(1, max(rest, 1) + 1) if rest == 0 or rest % n == 0]))
        shape.append(side)
        rest //= side
    shape.append(rest)
    shape = draw(st.permutations(shape))
    if size > 0 and draw(st.booleans()):
        shape[draw(st.integers(0, len(shape) - 1))] = -1
    return tuple(shape)


@st.composite
def axes(draw: st.DrawFn, ndim: int) -> int | tuple[int, ...] | None:
    """An `axis=` argument for `ndim` dimensions: None, one axis or several, from either end."""
    if ndim == 0 or draw(st.booleans()):
        return None
    chosen = draw(st.lists(st.integers(0, ndim - 1), unique=True, max_size=ndim))
    signed = tuple(draw(st.sampled_from((axis, axis - ndim))) for axis in chosen)
    return signed[0] if len(signed) == 1 and draw(st.booleans()) else signed
