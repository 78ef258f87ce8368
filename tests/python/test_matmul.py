"""Matrix products of every shape and layout against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import raptors as r
from compare import DTYPES, FLOATS, INTEGERS, assert_same, evaluate
from strategies import LAYOUTS

SHAPES = [
    ((3,), (3,)),
    ((0,), (0,)),
    ((4, 3), (3,)),
    ((3,), (3, 4)),
    ((1, 1), (1, 1)),
    ((2, 3), (3, 4)),
    ((17, 33), (33, 9)),
    ((64, 64), (64, 64)),
    ((130, 70), (70, 129)),
    ((1, 200), (200, 1)),
    ((200, 1), (1, 200)),
    ((0, 3), (3, 2)),
    ((2, 0), (0, 3)),
    ((2, 3), (3, 0)),
    ((5, 2, 3), (5, 3, 4)),
    ((5, 2, 3), (3, 4)),
    ((2, 3), (5, 3, 4)),
    ((2, 1, 3, 4), (5, 4, 2)),
    ((5, 2, 3), (3,)),
    ((3,), (5, 3, 2)),
    ((0, 2, 3), (3, 4)),
]


def assert_close_product(got: Any, x: np.ndarray, y: np.ndarray) -> None:
    """Each element within the error of summing its k products in any order."""
    result = evaluate(got)
    exact = np.matmul(x.astype(np.longdouble), y.astype(np.longdouble))
    scale = np.matmul(np.abs(x).astype(np.longdouble), np.abs(y).astype(np.longdouble))
    assert result.shape == np.shape(exact)
    assert result.dtype == np.result_type(x, y)
    bound = (x.shape[-1] + 2) * np.finfo(result.dtype).eps * scale
    assert np.all(np.abs(result - exact) <= bound)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_floats(left: tuple[int, ...], right: tuple[int, ...], dtype: str, rng: np.random.Generator) -> None:
    x, y = rng.normal(size=left).astype(dtype), rng.normal(size=right).astype(dtype)
    assert_close_product(r.matmul(r.lazy(x), r.lazy(y)), x, y)
    assert_close_product(r.lazy(x) @ r.lazy(y), x, y)


@pytest.mark.parametrize("dtype", [*INTEGERS, "bool"])
@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_integers(
    left: tuple[int, ...], right: tuple[int, ...], dtype: str, rng: np.random.Generator
) -> None:
    x, y = (rng.integers(0, 100, shape).astype(dtype) for shape in (left, right))
    if dtype == "bool":
        x, y = (rng.random(shape) < 0.3 for shape in (left, right))
    assert_same(r.matmul(r.lazy(x), r.lazy(y)), np.matmul(x, y))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(name: str, dtype: str, rng: np.random.Generator) -> None:
    x = LAYOUTS[name](rng.normal(size=(20, 30)).astype(dtype))
    y = LAYOUTS[name](rng.normal(size=(30, 25)).astype(dtype))
    assert_close_product(r.lazy(x) @ r.lazy(y), x, y)
    assert_close_product(r.lazy(y).T @ r.lazy(x).T, y.T, x.T)
    assert_close_product(r.lazy(x)[:, 5:15] @ r.lazy(y)[::-3], x[:, 5:15], y[::-3])


def test_promotion() -> None:
    for left in DTYPES:
        for right in DTYPES:
            x, y = np.ones((2, 3), dtype=left), np.ones((3, 2), dtype=right)
            assert_same(r.lazy(x) @ r.lazy(y), x @ y)


def test_of_computed_operands(rng: np.random.Generator) -> None:
    x, y = rng.integers(-9, 9, (12, 7)), rng.integers(-9, 9, (7, 11))
    lazy = ((r.lazy(x) * 2 + 1) @ r.lazy(y)[:, ::-1] - 3)[1:].T
    assert_same(lazy, ((x * 2 + 1) @ y[:, ::-1] - 3)[1:].T)


def test_row_does_not_depend_on_the_others(rng: np.random.Generator) -> None:
    """The same product of a row and a matrix, whatever number of threads and rows are beside it."""
    x, y = rng.normal(size=(300, 300)), rng.normal(size=(300, 300))
    whole = evaluate(r.lazy(x) @ r.lazy(y))
    again = evaluate(r.lazy(x) @ r.lazy(y))
    assert_same(again, whole)


def test_nan_and_infinity_are_kept() -> None:
    x = np.array([[np.nan, 1.0], [np.inf, 1.0], [0.0, 1.0]])
    y = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert_same(r.lazy(x) @ r.lazy(y), x @ y)
