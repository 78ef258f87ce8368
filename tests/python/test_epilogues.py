"""Elementwise work on matrix products: the bits it has when the product is an array of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import raptors as r
from compare import assert_same

SHAPES = [
    ((3,), (3,)),
    ((4, 3), (3,)),
    ((3,), (3, 4)),
    ((1, 1), (1, 1)),
    ((2, 3), (3, 4)),
    ((17, 33), (33, 9)),
    ((64, 64), (64, 64)),
    ((300, 70), (70, 129)),
    ((90, 40), (40, 700)),
    ((530, 20), (20, 515)),
    ((5000, 30), (30, 3)),
    ((2, 9), (9, 6000)),
    ((0, 3), (3, 2)),
    ((2, 0), (0, 3)),
    ((2, 3), (3, 0)),
    ((5, 2, 3), (5, 3, 4)),
    ((3, 130, 20), (20, 140)),
    ((2, 1, 3, 4), (5, 4, 2)),
    ((5, 2, 3), (3,)),
    ((3,), (5, 3, 2)),
    ((0, 2, 3), (3, 4)),
]


def layer(product: Any, row: Any, residual: Any) -> Any:
    return r.tanh(product + row) * 0.7 + residual


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_a_layer_is_one_kernel_with_the_same_bits(
    left: tuple[int, ...], right: tuple[int, ...], dtype: str, rng: np.random.Generator
) -> None:
    x, y = (rng.normal(size=shape).astype(dtype) for shape in (left, right))
    shape = np.matmul(x, y).shape
    row = rng.normal(size=shape[-1:]).astype(dtype)
    residual = rng.normal(size=shape).astype(dtype)
    product = r.matmul(r.lazy(x), r.lazy(y))
    fused = layer(product, r.lazy(row), r.lazy(residual))
    assert fused.plan().kernels == 1
    if fused.size > 0:
        assert fused.plan().peak_bytes == fused.nbytes
    apart = layer(r.lazy(product.eval()), r.lazy(row), r.lazy(residual))
    assert_same(fused, np.asarray(apart))


@pytest.mark.parametrize("dtype", ["bool", "int8", "int32", "uint64"])
@pytest.mark.parametrize(("left", "right"), [((30, 20), (20, 40)), ((3, 7), (7, 2)), ((4, 9, 8), (8, 5))])
def test_integers_and_casts_equal_numpy(
    left: tuple[int, ...], right: tuple[int, ...], dtype: str, rng: np.random.Generator
) -> None:
    x, y = (rng.integers(0, 2, size=shape).astype(dtype) for shape in (left, right))
    product, expected = r.matmul(r.lazy(x), r.lazy(y)), np.matmul(x, y)
    both = r.where(product > 0, product.astype("float64") * 0.5, -1.0)
    assert both.plan().kernels == 1
    assert_same(both, np.where(expected > 0, expected.astype("float64") * 0.5, -1.0))


def test_the_product_may_be_a_result_and_have_several_uses(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(300, 64)), rng.normal(size=(64, 270))
    product = r.lazy(x) @ r.lazy(y)
    first, second = product * 2.0, r.sqrt(r.abs(product))
    assert r.plan(product, first, second).kernels == 1
    whole, doubled, root = r.eval(product, first, second)
    assert_same(product, whole)
    np.testing.assert_array_equal(doubled, whole * 2.0)
    np.testing.assert_array_equal(root, np.sqrt(np.abs(whole)))


def test_strided_operands(rng: np.random.Generator) -> None:
    """A reversed inner dimension is copied; a transposed residual is read along its columns."""
    x, y = rng.normal(size=(130, 200)).T[:, ::-1], rng.normal(size=(150, 260))[:, ::-2].T
    residual = rng.normal(size=(150, 200))
    product = r.lazy(x) @ r.lazy(y)
    fused = product + r.lazy(residual).T
    assert fused.plan().kernels == 1
    assert_same(fused, np.asarray(product.eval()) + residual.T)


def test_a_donated_operand_of_the_product_is_read_before_it_is_written(rng: np.random.Generator) -> None:
    for size in (3, 300):
        x, y = rng.normal(size=(size, size)), rng.normal(size=(size, size))
        expected = np.asarray((r.lazy(x) @ r.lazy(y)).eval()) + x
        donated = r.lazy(x.copy(), donate=True)
        assert_same(donated @ r.lazy(y) + donated, expected)


def test_a_donated_residual_is_written_over(rng: np.random.Generator) -> None:
    x, residual = rng.normal(size=(200, 200)), rng.normal(size=(200, 200))
    expected = np.asarray((r.lazy(x) @ r.lazy(x)).eval()) + residual
    donated = r.lazy(residual, donate=True)
    y = r.lazy(x) @ r.lazy(x) + donated
    assert y.plan().buffers == 0
    assert_same(y, expected)


def test_two_products(rng: np.random.Generator) -> None:
    x, v, w = (rng.normal(size=(140, 140)) for _ in range(3))
    first, second = r.lazy(x) @ r.lazy(v), r.lazy(x) @ r.lazy(w)
    y = r.tanh(first) + second * 2.0
    assert y.plan().kernels == 2
    apart = r.tanh(r.lazy(first.eval())) + r.lazy(second.eval()) * 2.0
    assert_same(y, np.asarray(apart))
    layers = r.tanh(first) @ r.lazy(w) + 1.0
    assert layers.plan().kernels == 2
    hidden = r.lazy(r.tanh(r.lazy(first.eval())).eval())
    assert_same(layers, np.asarray((hidden @ r.lazy(w)).eval()) + 1.0)


def test_any_number_of_threads_gives_the_same_bits(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(600, 300)).astype("f4"), rng.normal(size=(300, 520)).astype("f4")
    results = []
    try:
        for threads in (1, 2, 3):
            r.set_num_threads(threads)
            results.append(np.asarray(r.tanh(r.lazy(x) @ r.lazy(y)).eval()))
    finally:
        r.set_num_threads(0)
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)
