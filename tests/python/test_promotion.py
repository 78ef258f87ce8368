"""Result dtypes are NumPy's (NEP 50): arrays and NumPy scalars are strong, Python scalars are weak."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import raptors as r
from compare import DTYPES, FLOATS, INTEGERS, assert_same, evaluate

PYTHON_SCALARS = [
    True,
    False,
    0,
    1,
    3,
    -1,
    127,
    128,
    255,
    256,
    40_000,
    2**31,
    2**40,
    2**63,
    2**64,
    -(2**63),
    -(2**70),
]
FLOAT_SCALARS = [0.0, -0.0, 1.5, 0.1, 1e300, float("inf"), float("nan")]
OPERATORS: list[Callable[[Any, Any], Any]] = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.floordiv,
    operator.mod,
    operator.lt,
    operator.le,
    operator.eq,
    operator.ne,
    operator.gt,
    operator.ge,
    operator.and_,
    operator.or_,
    operator.xor,
    operator.lshift,
    operator.rshift,
]


def outcome(function: Callable[[], Any]) -> Any:
    """What `function` does: the array it returns, or the type of the error it raises."""
    try:
        result = function()
    except (TypeError, ValueError, OverflowError) as error:
        return next(kind for kind in (OverflowError, TypeError, ValueError) if isinstance(error, kind))
    return np.asarray(result) if isinstance(result, (np.ndarray, np.generic)) else evaluate(result)


def assert_same_outcome(got: Callable[[], Any], want: Callable[[], Any]) -> None:
    """Both raise the same error or return the same array."""
    wanted, given = outcome(want), outcome(got)
    if isinstance(wanted, type) or isinstance(given, type):
        assert given is wanted
    else:
        assert_same(given, wanted)


@pytest.mark.parametrize("left", DTYPES)
@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.__name__)
def test_two_arrays(op: Callable[[Any, Any], Any], left: str) -> None:
    x = np.array([1, 0, 5, 100]).astype(left)
    for right in DTYPES:
        y = np.array([1, 2, 3, 7]).astype(right)
        assert_same_outcome(lambda y=y: op(r.lazy(x), r.lazy(y)), lambda y=y: op(x, y))
        assert_same_outcome(lambda y=y: op(r.lazy(x), y), lambda y=y: op(x, y))
        assert_same_outcome(lambda y=y: op(x, r.lazy(y)), lambda y=y: op(x, y))


@pytest.mark.parametrize("left", DTYPES)
def test_result_dtype_is_known_before_evaluation(left: str) -> None:
    for right in DTYPES:
        for shape in ((3,), (), (0,)):
            x, y = np.zeros(shape, left), np.zeros((3,) if shape else (), right)
            if shape == (0,):
                y = np.zeros((0,), right)
            want = np.result_type(x, y)
            if left == right == "bool":
                continue
            assert (r.lazy(x) * r.lazy(y)).dtype.name == want.name
            assert r.concat([r.lazy(np.zeros(2, left)), r.lazy(np.zeros(1, right))]).dtype.name == want.name
            assert r.where(r.lazy(True), r.lazy(x), r.lazy(y)).dtype.name == want.name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.__name__)
def test_python_scalars(op: Callable[[Any, Any], Any], dtype: str) -> None:
    """Integers that do not fit raise OverflowError, except in comparisons, which know the answer."""
    x = np.array([0, 1, 2, 100]).astype(dtype)
    shift = op in (operator.lshift, operator.rshift)
    for value in (0, 1, 3) if shift else [*PYTHON_SCALARS, *FLOAT_SCALARS]:
        assert_same_outcome(lambda value=value: op(r.lazy(x), value), lambda value=value: op(x, value))
        assert_same_outcome(lambda value=value: op(value, r.lazy(x)), lambda value=value: op(value, x))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scalar", DTYPES)
def test_numpy_scalars_are_strong(dtype: str, scalar: str) -> None:
    x, value = np.array([0, 1, 2], dtype=dtype), np.dtype(scalar).type(1)
    for op in (operator.add, operator.mul, operator.truediv, operator.eq):
        assert_same_outcome(lambda op=op: op(r.lazy(x), value), lambda op=op: op(x, value))
        assert_same_outcome(lambda op=op: op(value, r.lazy(x)), lambda op=op: op(value, x))


def test_float64_scalar_is_not_a_weak_float() -> None:
    x = r.lazy(np.ones(3, np.float32))
    assert (x * 2.0).dtype.name == "float32"
    assert (x * np.float64(2.0)).dtype.name == "float64"
    assert (np.float64(2.0) * x).dtype.name == "float64"


def test_zero_dimensional_arrays_are_strong() -> None:
    x, y = np.ones(3, np.float32), np.array(2.0)
    assert_same(r.lazy(x) * r.lazy(y), x * y)


@pytest.mark.parametrize("dtype", DTYPES[1:])
@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 7, 0.5, -1.0, 2.0, True])
def test_python_exponents(dtype: str, exponent: float) -> None:
    x = np.array([0, 1, 2, 5]).astype(dtype)
    want = outcome(lambda: x**exponent)
    got = outcome(lambda: r.lazy(x) ** exponent)
    if isinstance(want, type):
        assert got is want
        return
    assert got.dtype == want.dtype
    eps = np.finfo(np.float16 if got.dtype == np.float16 else np.float32).eps
    np.testing.assert_allclose(got, want, rtol=2 * float(eps))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_negative_python_exponent_of_integers_raises(dtype: str) -> None:
    with pytest.raises((ValueError, OverflowError)) as raised:
        r.lazy(np.array([1, 2], dtype)) ** -2
    want = outcome(lambda: np.array([1, 2], dtype) ** -2)
    assert isinstance(raised.value, want)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_python_integers_out_of_range(dtype: str) -> None:
    bounds = np.iinfo(dtype)
    x = r.lazy(np.ones(2, dtype))
    for value in (int(bounds.max) + 1, int(bounds.min) - 1):
        with pytest.raises(OverflowError, match=rf"{value}[\s\S]*{dtype}|{dtype}[\s\S]*{value}"):
            x + value
    assert_same(x + int(bounds.max), np.ones(2, dtype) + int(bounds.max))


@pytest.mark.parametrize("dtype", DTYPES)
def test_in_place_operators_keep_numpys_rule(dtype: str) -> None:
    """`x += y` keeps the dtype of x; what NumPy refuses to cast back is refused."""
    for right in DTYPES:
        x, y = np.array([1, 2], dtype=dtype), np.array([1, 3], dtype=right)

        def numpy_add(x: np.ndarray = x, y: np.ndarray = y) -> np.ndarray:
            result = x.copy()
            result += y
            return result

        def raptors_add(x: np.ndarray = x, y: np.ndarray = y) -> Any:
            result = r.lazy(x)
            result += r.lazy(y)
            return result

        assert_same_outcome(raptors_add, numpy_add)
        assert_same(x, np.array([1, 2], dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "name", ["sum", "prod", "min", "max", "mean", "var", "std", "any", "all", "argmin", "argmax"]
)
def test_reductions(name: str, dtype: str) -> None:
    x = np.ones((2, 3), dtype=dtype)
    got, want = getattr(r, name)(r.lazy(x), axis=0), getattr(np, name)(x, axis=0)
    assert got.dtype.name == want.dtype.name
    assert evaluate(got).dtype == want.dtype


@pytest.mark.parametrize("dtype", DTYPES)
def test_float_functions_of_integers(dtype: str) -> None:
    want = np.sqrt(np.ones(2, dtype)).dtype
    assert r.sqrt(r.lazy(np.ones(2, dtype))).dtype.name == want.name
    assert (r.lazy(np.ones(2, dtype)) / r.lazy(np.ones(2, dtype))).dtype.name in FLOATS


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtype_objects(dtype: str) -> None:
    """raptors' dtypes compare with NumPy's and with names, and are accepted wherever a dtype is."""
    ours = getattr(r, dtype)
    assert ours.name == dtype
    assert r.lazy(np.ones(1, dtype)).dtype == ours
    assert ours == np.dtype(dtype)
    assert np.dtype(dtype) == ours
    assert ours == dtype
    assert ours != ("float32" if dtype != "float32" else "int8")
    assert hash(ours) == hash(getattr(r, dtype))
    assert np.dtype(ours) == np.dtype(dtype)
    for spelling in (ours, dtype, np.dtype(dtype), np.dtype(dtype).type):
        assert_same(r.zeros((2,), dtype=spelling), np.zeros(2, dtype))


@pytest.mark.parametrize("name", ["nextafter", "copysign", "hypot", "arctan2", "logaddexp"])
@pytest.mark.parametrize("x", INTEGERS)
@pytest.mark.parametrize("y", INTEGERS)
def test_functions_compute_in_the_narrowest_float_that_holds_each_operand(name: str, x: Any, y: Any) -> None:
    """`int8` and `uint16` promote to `int32`, but both fit in `float32`."""
    operands = [np.array([3], x), np.array([5], y)]
    want = getattr(np, name)(*operands).dtype
    got = getattr(np, name)(*map(r.lazy, operands)).dtype
    assert got == want
