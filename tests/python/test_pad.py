"""`pad` against NumPy's, and as one kernel with the work that it pads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import raptors as r
from compare import DTYPES, FLOATS, assert_same, evaluate
from hypothesis import given
from hypothesis import strategies as st
from strategies import mixed

MOVING: list[tuple[str, dict[str, Any]]] = [
    ("edge", {}),
    ("reflect", {}),
    ("reflect", {"reflect_type": "odd"}),
    ("symmetric", {}),
    ("symmetric", {"reflect_type": "odd"}),
    ("wrap", {}),
    ("maximum", {}),
    ("maximum", {"stat_length": 2}),
    ("minimum", {"stat_length": ((1, 2), (3, 4))}),
]
MODES = [("constant", {}), ("constant", {"constant_values": 3}), *MOVING]


def assert_one_kernel(lazy: Any) -> None:
    plan = lazy.plan()
    assert plan.kernels == 1
    assert plan.copies == []
    assert plan.peak_bytes == lazy.nbytes


@pytest.mark.parametrize(("mode", "arguments"), MODES)
@pytest.mark.parametrize("dtype", [*DTYPES, "complex64"])
def test_every_dtype(dtype: str, mode: str, arguments: dict[str, Any], rng: np.random.Generator) -> None:
    if dtype == "complex64":
        a = (rng.normal(size=(3, 4)) + 1j * rng.normal(size=(3, 4))).astype(dtype)
        if mode in {"maximum", "minimum"} or arguments.get("reflect_type") == "odd":
            return  # There is no complex arithmetic.
    else:
        a = mixed(dtype, 12, rng).reshape(3, 4)
    for widths in [(1, 2), ((0, 3), (2, 0)), ((4, 1), (9, 8))]:
        want = np.pad(a, widths, mode, **arguments)  # type: ignore[call-overload]
        assert_same(r.pad(r.lazy(a), widths, mode, **arguments), want)


@pytest.mark.parametrize(("mode", "arguments"), MODES)
@pytest.mark.parametrize("shape", [(), (1,), (2,), (5,), (1, 3), (4, 1, 2)])
def test_every_shape(shape: tuple[int, ...], mode: str, arguments: dict[str, Any]) -> None:
    if arguments.get("stat_length") == ((1, 2), (3, 4)) and len(shape) != 2:
        arguments = {"stat_length": 1}
    a = np.arange(1.0, 1.0 + np.prod(shape, dtype=int)).reshape(shape)
    for widths in (0, 1, 3, 11, 40):
        want = np.pad(a, widths, mode, **arguments)  # type: ignore[call-overload]
        assert_same(r.pad(a, widths, mode, **arguments), want)


@given(st.data())
def test_any_widths(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    widths = tuple(data.draw(st.tuples(st.integers(0, 13), st.integers(0, 13))) for _ in shape)
    mode, arguments = data.draw(st.sampled_from([m for m in MODES if "stat_length" not in m[1]]))
    a = np.random.default_rng(1).integers(-100, 100, shape)
    want = np.pad(a, widths, mode, **arguments)
    assert_same(r.pad(a, widths, mode, **arguments), want)


@pytest.mark.parametrize("dtype", [*FLOATS, "int16", "uint8"])
def test_mean(dtype: str) -> None:
    # Whole numbers, whose sums are exact in any order.
    a = np.array([[1, 4, 6, 9], [2, 2, 5, 5], [7, 0, 3, 1]], dtype)
    for arguments in ({}, {"stat_length": 2}, {"stat_length": ((1, 2), (4, 9))}):
        want = np.pad(a, ((2, 1), (1, 3)), "mean", **arguments)  # type: ignore[call-overload]
        got = evaluate(r.pad(a, ((2, 1), (1, 3)), "mean", **arguments))
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=3e-7 if dtype in FLOATS else 0)


@pytest.mark.parametrize(
    "widths",
    [
        2,
        (1, 2),
        [1, 2],
        ((1, 2),),
        ((1, 2), (3, 4)),
        [[1], [2]],
        (3,),
        ((3,),),
        np.int16(2),
        np.array([1, 2]),
        np.array([[1, 2], [3, 4]]),
        {0: 1},
        {-1: (2, 3)},
        {0: (1, 0), 1: 4},
    ],
    ids=repr,
)
def test_forms_of_widths(widths: Any) -> None:
    a = np.arange(6.0).reshape(2, 3)
    for mode in ("constant", "edge"):
        assert_same(r.pad(a, widths, mode), np.pad(a, widths, mode))


@pytest.mark.parametrize(
    "values",
    [
        7,
        2.75,
        -1,
        (1, 2),
        ((1, 2),),
        ((1, 2), (3, 4)),
        [[5], [6]],
        np.float32(3.5),
        np.array([1.5, 2.5]),
        300,
        True,
    ],
    ids=repr,
)
@pytest.mark.parametrize("dtype", ["float32", "int32", "uint8", "bool"])
def test_forms_of_constants(dtype: str, values: Any) -> None:
    a = np.ones((2, 3), dtype)
    want = np.pad(a, ((1, 2), (0, 3)), constant_values=values)
    assert_same(r.pad(a, ((1, 2), (0, 3)), constant_values=values), want)


def test_constants_that_are_arrays() -> None:
    a, c = np.arange(4.0), np.array(2.5)
    got = r.pad(r.lazy(a) * 2.0, 1, constant_values=(r.lazy(c) + 1.0, 9.0))
    assert_same(got, np.array([3.5, 0.0, 2.0, 4.0, 6.0, 9.0]))
    f = r.compile(lambda x, a: r.pad(x * a, (2, 0), constant_values=a))
    for value in (3.5, 7.25):
        assert f(a, value).tolist() == np.pad(a * value, (2, 0), constant_values=value).tolist()
    assert f.cache_info().misses == 1


def test_empty_arrays() -> None:
    a = np.ones((0, 3))
    assert_same(r.pad(a, ((2, 1), (0, 1))), np.pad(a, ((2, 1), (0, 1))))
    assert r.pad(a, ((2, 1), (0, 0)), "empty").eval().shape == (3, 3)
    for mode in ("edge", "wrap", "reflect", "symmetric", "maximum", "mean"):
        assert_same(r.pad(a, ((0, 0), (2, 1)), mode), np.pad(a, ((0, 0), (2, 1)), mode))  # type: ignore[call-overload]
        with pytest.raises(ValueError, match="axis 0 is empty"):
            r.pad(a, 1, mode)


def test_nothing_to_pad_is_the_array() -> None:
    x = r.lazy(np.arange(3.0)) * 2.0
    assert r.pad(x, 0).plan().kernels == 1
    assert_same(r.pad(x, 0, "reflect"), np.arange(3.0) * 2.0)


def test_the_result_of_empty_has_the_array_inside() -> None:
    a = np.arange(6.0).reshape(2, 3)
    got = r.pad(a, ((1, 2), (3, 0)), "empty").eval()
    assert got.shape == (5, 6)
    assert np.array_equal(got[1:3, 3:], a)


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric", "wrap"])
@pytest.mark.parametrize("shape", [(40, 50), (3, 4, 5), (6,)])
def test_padded_work_is_one_kernel(shape: tuple[int, ...], mode: Any, rng: np.random.Generator) -> None:
    a, b = rng.normal(size=shape), rng.normal(size=shape)
    padded = r.pad(r.sqrt(r.abs(r.lazy(a) * 2.0 + b)), ((1, 2),) * len(shape), mode)
    assert_one_kernel(padded)
    assert_same(padded, np.pad(np.sqrt(np.abs(a * 2.0 + b)), ((1, 2),) * len(shape), mode))


def test_work_on_padded_arrays_is_fused_with_it(rng: np.random.Generator) -> None:
    a = rng.normal(size=(30, 40))
    x = r.pad(r.lazy(a), 1, "edge")
    blurred = (x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:]) * 0.25
    p = np.pad(a, 1, "edge")
    assert_same(blurred, (p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:]) * 0.25)
    assert blurred.plan().copies == []
    # What is cut off again is not computed.
    assert_one_kernel(r.pad(r.lazy(a) * 2.0, 3)[3:-3, 3:-3])


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda a: r.pad(a, -1), ValueError, "pad_width is -1, must not be negative"),
        (lambda a: r.pad(a, 1.5), TypeError, "pad_width is float, needs an integer"),
        (lambda a: r.pad(a, True), TypeError, "pad_width is bool"),
        (lambda a: r.pad(a, "1"), TypeError, "pad_width is str"),
        (lambda a: r.pad(a, (1, 2, 3)), ValueError, "pad_width has 3 numbers"),
        (lambda a: r.pad(a, ((1, 2), (1, 2), (1, 2))), ValueError, "pad_width has 3 rows"),
        (lambda a: r.pad(a, ((1, 2, 3), (1, 2, 3))), ValueError, "a row of 3"),
        (lambda a: r.pad(a, ((1, 2), 3)), ValueError, "numbers beside rows"),
        (lambda a: r.pad(a, {2: 1}), ValueError, "axis 2"),
        (lambda a: r.pad(a, {0: (1, 2, 3)}), ValueError, "3 widths of axis 0"),
        (lambda a: r.pad(a, 1, "linear_ramp"), ValueError, 'mode "linear_ramp" is not supported'),
        (lambda a: r.pad(a, 1, lambda *_: None), TypeError, "mode is function"),
        (lambda a: r.pad(a, 1, "edge", constant_values=1), ValueError, 'mode "edge" has no argument'),
        (lambda a: r.pad(a, 1, "wrap", 3), TypeError, "positional"),
        (lambda a: r.pad(a, 1, constant_values=(1, 2, 3)), ValueError, "constant_values has 3 numbers"),
        (lambda a: r.pad(a, 1, constant_values="x"), TypeError, "pad"),
        (lambda a: r.pad(a, 1, "reflect", reflect_type="sideways"), ValueError, "reflect_type"),
        (lambda a: r.pad(a, 1, "maximum", stat_length=0), ValueError, "stat_length of 0"),
        (lambda a: r.pad(a, 1, "minimum", stat_length=-2), ValueError, "stat_length is -2"),
        (lambda a: r.pad(a, 2**62), ValueError, "more bytes than can be addressed"),
        (lambda a: r.pad(a, (2**63 - 1, 2**63 - 1), "wrap"), ValueError, "more bytes than can be addressed"),
        (lambda a: r.pad(np.ones(3, np.uint8), 1, constant_values=(1, 300)), OverflowError, "uint8"),
    ],
)
def test_mistakes(call: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        call(np.ones((2, 3)))
