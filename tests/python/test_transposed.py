"""Work on operands that run along another dimension than the result: in boxes, and copies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import raptors as r
from compare import assert_same

# Squares, powers of two, and parts of blocks at both ends.
SHAPES = ((16, 16), (64, 128), (65, 190), (300, 70))

EXPRESSIONS: dict[str, Callable] = {
    "sum": lambda a, b: a.T + b,
    "row": lambda a, b: a.T * b[0],
    "column": lambda a, b: a.T * b[:, :1],
    "both ways": lambda a, b: a.T - b * a.T[::-1],
    "every other": lambda a, b: a.T[:, ::2] + b[:, ::2],
    "reversed": lambda a, b: a.T[:, ::-1] + b,
    "offset": lambda a, b: a.T[1:, 2:] + b[:-1, 1:-1],
    "copy": lambda a, b: a.T + 0 * b[0, 0],
}


@pytest.mark.parametrize("name", EXPRESSIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "uint8"])
def test_transposed_with_others(name: str, dtype: str, rng: np.random.Generator) -> None:
    for rows, columns in SHAPES:
        a, b = (rng.integers(0, 50, shape).astype(dtype) for shape in ((columns, rows), (rows, columns)))
        expression = EXPRESSIONS[name]
        assert_same(expression(r.lazy(a), r.lazy(b)).eval(), np.ascontiguousarray(expression(a, b)))


def test_of_several_dimensions_and_dtypes(rng: np.random.Generator) -> None:
    a = rng.integers(0, 255, (70, 40, 3)).astype(np.uint8)
    b = rng.normal(size=(3, 40, 70)).astype(np.float32)
    got = (r.permute_dims(r.lazy(a), (2, 1, 0)).astype("float32") * r.lazy(b)).eval()
    assert_same(got, np.ascontiguousarray(a.transpose(2, 1, 0).astype(np.float32) * b))


def test_of_several_results(rng: np.random.Generator) -> None:
    a, b = rng.normal(size=(2, 130, 130))
    x, y = r.lazy(a), r.lazy(b)
    turned = x.T * 3.0
    for got, want in zip(r.eval(turned, turned + y, x.T), (a.T * 3, a.T * 3 + b, a.T), strict=True):
        assert_same(got, np.ascontiguousarray(want))


def test_over_a_donated_operand_of_the_results_layout(rng: np.random.Generator) -> None:
    a, b = rng.normal(size=(2, 200, 200))
    want = a.T + b
    assert_same((r.lazy(a).T + r.lazy(b, donate=True)).eval(), want)


def test_into_memory_of_another_layout(rng: np.random.Generator) -> None:
    a, b = rng.normal(size=(2, 150, 150))
    for out in (np.empty((150, 150)).T, np.empty((150, 300))[:, ::2], np.empty((300, 150))[::-2]):
        (r.lazy(a).T + r.lazy(b)).eval(out=out)
        assert_same(np.ascontiguousarray(out), a.T + b)
        r.lazy(a).T.eval(out=out)
        assert_same(np.ascontiguousarray(out), np.ascontiguousarray(a.T))


@pytest.mark.parametrize("item", ["uint8", "int16", "float32", "float64", "complex128"])
def test_copies(item: str, rng: np.random.Generator) -> None:
    for rows, columns in (*SHAPES, (1024, 1024)):
        a = rng.integers(0, 100, (columns, rows)).astype(item)
        got = r.reshape(r.lazy(a).T, (rows * columns,)).eval()
        assert_same(got, a.T.reshape(-1))
