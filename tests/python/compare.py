"""Comparison of raptors' results with NumPy's, to the last bit or within units in the last place."""

from __future__ import annotations

from typing import Any

import numpy as np

DTYPES = (
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
)
BOOL = ("bool",)
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTEGERS = SIGNED + UNSIGNED
FLOATS = ("float16", "float32", "float64")
COMPLEX = ("complex64", "complex128")

# Where long double is no wider than double, the reference has an error of its own.
REFERENCE_ULP = 0 if np.finfo(np.longdouble).nmant > 52 else 1


def evaluate(lazy: Any) -> np.ndarray:
    """`lazy.eval()`, checked to be what every result must be: a C-contiguous, writable, native ndarray."""
    result = lazy.eval()
    assert type(result) is np.ndarray
    assert result.flags.c_contiguous
    assert result.flags.writeable
    assert result.dtype.isnative
    assert result.shape == tuple(lazy.shape)
    assert result.dtype.name == lazy.dtype.name
    return result


def native(array: np.ndarray) -> np.ndarray:
    """The array in this machine's byte order."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def same_bits(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """Where the elements are equal, complex ones in both parts; a NaN equals any NaN, and 0.0 is not -0.0."""
    if got.dtype.kind == "c":
        return same_bits(got.real, want.real) & same_bits(got.imag, want.imag)
    if got.dtype.kind != "f":
        return got == want
    return ((got == want) & (np.signbit(got) == np.signbit(want))) | (np.isnan(got) & np.isnan(want))


def describe(got: np.ndarray, want: np.ndarray, equal: np.ndarray, operands: tuple[np.ndarray, ...]) -> str:
    """The first few differing elements with their operands."""
    lines = [f"{np.count_nonzero(~equal)} of {equal.size} elements differ, {got.dtype} {got.shape}"]
    for index in list(zip(*np.nonzero(~equal), strict=True))[:5] if equal.ndim else [()]:
        given = ""
        if operands and all(operand.shape == got.shape for operand in operands):
            given = " for " + ", ".join(repr(operand[index]) for operand in operands)
        lines.append(f"  at {tuple(map(int, index))}: {got[index]!r}, not {want[index]!r}{given}")
    return "\n".join(lines)


def assert_same(got: Any, want: Any, *operands: np.ndarray) -> None:
    """`got`, a lazy array or ndarray, has the dtype, the shape and the bits of `want`."""
    got = got if isinstance(got, np.ndarray) else evaluate(got)
    want = np.asarray(want)
    assert got.dtype == want.dtype, f"dtype {got.dtype}, not {want.dtype}"
    assert got.shape == want.shape, f"shape {got.shape}, not {want.shape}"
    equal = np.asarray(same_bits(got, want))
    assert equal.all(), describe(got, want, equal, operands)


def assert_within_ulp(
    got: Any,
    exact: np.ndarray,
    dtype: np.dtype,
    ulp: float,
    *operands: np.ndarray,
    scale: np.ndarray | None = None,
) -> None:
    """`got` has `dtype` and is at most `ulp` units in the last place from `exact`, given in long double.

    The unit is that of the exact value, or of `scale` where that is larger.
    """
    got = got if isinstance(got, np.ndarray) else evaluate(got)
    assert got.dtype == dtype, f"dtype {got.dtype}, not {dtype}"
    assert got.shape == exact.shape, f"shape {got.shape}, not {exact.shape}"
    with np.errstate(all="ignore"):
        rounded = exact.astype(dtype)
        largest = np.finfo(dtype).max
        # One unit at the exact value; past the largest finite value, the unit of that.
        size = np.abs(rounded) if scale is None else np.fmax(np.abs(rounded), scale)
        unit = np.spacing(np.minimum(size, largest)).astype(np.longdouble)
        got_wide = np.where(np.isinf(got), np.copysign(np.longdouble(largest) + unit, got), got)
        want_wide = np.where(np.isinf(rounded), np.copysign(np.longdouble(largest) + unit, exact), exact)
        close = np.abs(got_wide - want_wide) <= (ulp + REFERENCE_ULP) * unit
        equal = np.asarray(close | (np.isnan(got) & np.isnan(exact)) | same_bits(got, rounded))
    assert equal.all(), describe(got, rounded, equal, operands)


def assert_close_sum(got: Any, terms: np.ndarray, axis: Any, keepdims: bool = False) -> None:
    """`got` is the sum of `terms` over `axis`, with no more error than summing them pairwise."""
    got = got if isinstance(got, np.ndarray) else evaluate(got)
    exact = np.asarray(np.sum(terms, axis=axis, keepdims=keepdims, dtype=np.longdouble))
    assert got.shape == exact.shape, f"shape {got.shape}, not {exact.shape}"
    scale = np.sum(np.abs(terms), axis=axis, keepdims=keepdims, dtype=np.longdouble)
    count = max(terms.size // max(exact.size, 1), 1)
    limits = np.finfo(got.dtype)
    bound = (np.log2(count) + 8) * limits.eps * scale + limits.smallest_subnormal
    with np.errstate(over="ignore"):
        rounded = exact.astype(got.dtype)
    # Infinity stands for any number beyond the largest.
    beyond = np.copysign(np.maximum(np.abs(exact), np.longdouble(limits.max)), got)
    equal = np.asarray(np.abs(np.where(np.isinf(got), beyond, got) - exact) <= bound)
    assert equal.all(), describe(got, rounded, equal, ())


def assert_close(got: Any, want: np.ndarray, units: float) -> None:
    """`got` has the dtype and shape of `want`; errors are at most `units` epsilons of the largest element."""
    got = got if isinstance(got, np.ndarray) else evaluate(got)
    want = np.asarray(want)
    assert got.dtype == want.dtype, f"dtype {got.dtype}, not {want.dtype}"
    assert got.shape == want.shape, f"shape {got.shape}, not {want.shape}"
    scale = np.max(np.abs(want), initial=0.0)
    np.testing.assert_allclose(got, want, rtol=0, atol=float(units * np.finfo(want.dtype).eps * scale))


def assert_bits(got: Any, want: np.ndarray) -> None:
    """`got` is an ndarray of its own, with the dtype, the shape and the bits of `want`."""
    assert type(got) is np.ndarray
    assert got.dtype == want.dtype
    assert got.shape == want.shape
    assert got.flags.c_contiguous
    assert got.flags.writeable
    assert np.all(same_bits(got, want))


def counts(function: Any) -> tuple[int, int]:
    """Calls of a compiled function that found a trace, and that made one."""
    info = function.cache_info()
    return info.hits, info.misses
