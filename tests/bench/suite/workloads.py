"""The rows of the table: an expression, its inputs at each size, and the arithmetic it cannot do without."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

FLOATS = ("float32", "float64")
K, M = 1_000, 1_000_000
# Elements, from a handful to more than a cache holds.
ELEMENTS = (10, K, 100 * K, M, 10 * M)

Inputs = Callable[[np.random.Generator, str, tuple[int, ...]], list[np.ndarray]]


@dataclass(frozen=True)
class Workload:
    """`expression` is a function of `expressions`; `operations` are multiplications and additions per
    element of the first input, as many as any way to compute it needs (0: not counted)."""

    expression: str
    inputs: Inputs
    sizes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...] = FLOATS
    operations: float = 0.0


@dataclass(frozen=True)
class Row:
    """A workload at one size and dtype."""

    workload: Workload
    size: tuple[int, ...]
    dtype: str

    @property
    def name(self) -> str:
        return f"{self.workload.expression} {'x'.join(map(shortened, self.size))} {self.dtype}"

    def inputs(self) -> list[np.ndarray]:
        return self.workload.inputs(np.random.default_rng(0), self.dtype, self.size)


def shortened(n: int) -> str:
    """1M for 1,000,000."""
    for unit, letter in ((M, "M"), (K, "k")):
        if n >= unit and n % unit == 0:
            return f"{n // unit}{letter}"
    return str(n)


def uniform(count: int = 1, low: float = -1.0, high: float = 1.0) -> Inputs:
    """`count` arrays of the size."""
    return lambda rng, dtype, size: [rng.uniform(low, high, size).astype(dtype) for _ in range(count)]


def integers(low: int, high: int) -> Inputs:
    """An array of integers of the dtype."""
    return lambda rng, dtype, size: [rng.integers(low, high, size).astype(dtype)]


def options(rng: np.random.Generator, dtype: str, size: tuple[int, ...]) -> list[np.ndarray]:
    """Prices, strikes and times."""
    return [rng.uniform(low, high, size).astype(dtype) for low, high in ((5, 30), (1, 100), (0.25, 10))]


def vectors(rng: np.random.Generator, dtype: str, size: tuple[int, ...]) -> list[np.ndarray]:
    """A vector per dimension."""
    return [rng.uniform(-1, 1, n).astype(dtype) for n in size]


def points(rng: np.random.Generator, dtype: str, size: tuple[int, ...]) -> list[np.ndarray]:
    """Two sets of points."""
    first, second, dims = size
    return [rng.uniform(-1, 1, (n, dims)).astype(dtype) for n in (first, second)]


def layer(rng: np.random.Generator, dtype: str, size: tuple[int, ...]) -> list[np.ndarray]:
    """Inputs, weights and a bias."""
    n = size[0]
    return [rng.uniform(-1, 1, shape).astype(dtype) for shape in ((n, n), (n, n), (n,))]


def product(rng: np.random.Generator, dtype: str, size: tuple[int, ...]) -> list[np.ndarray]:
    """A matrix, or several, and a vector."""
    return [rng.uniform(-1, 1, size).astype(dtype), rng.uniform(-1, 1, size[-1]).astype(dtype)]


def mixed(rng: np.random.Generator, dtype: str, size: tuple[int, ...]) -> list[np.ndarray]:
    """Bytes, integers and floats."""
    small, large = (
        rng.integers(0, 256, size).astype(np.uint8),
        rng.integers(-1000, 1000, size).astype(np.int32),
    )
    return [small, large, rng.uniform(-1, 1, size).astype(dtype)]


def lengths(*sizes: int) -> tuple[tuple[int, ...], ...]:
    return tuple((n,) for n in sizes)


PLANE = ((1000, 1000), (8192, 2048))
ROWS = ((4096, 1024), (32768, 128), (64, 16384))

WORKLOADS = (
    Workload("scale", uniform(), lengths(*ELEMENTS, 64 * M), operations=1),
    Workload("saxpy", uniform(2), lengths(*ELEMENTS), operations=2),
    Workload("chain", uniform(5), lengths(*ELEMENTS), operations=8),
    Workload("horner", uniform(), lengths(*ELEMENTS), operations=16),
    Workload("logistic", uniform(1, 0.1, 0.9), lengths(K, 100 * K, M), operations=150),
    Workload("black_scholes", options, lengths(K, 100 * K, M)),
    Workload("exp", uniform(1, -10, 10), lengths(*ELEMENTS)),
    Workload("log", uniform(1, 0.01, 10), lengths(*ELEMENTS)),
    Workload("sin_cos", uniform(1, -10, 10), lengths(K, 100 * K, M)),
    Workload("tanh", uniform(1, -3, 3), lengths(K, 100 * K, M)),
    Workload("softmax", uniform(1, -5, 5), ROWS),
    Workload("layernorm", uniform(1, -5, 5), ROWS),
    *(
        Workload(f"{reduction}_{axis}", uniform(), (((100, 100), *PLANE) if axis == "all" else PLANE), dtypes)
        for reduction in ("sum", "mean", "var", "max", "argmax")
        for axis in ("all", "axis0", "axis1")
        for dtypes in [FLOATS if reduction in ("sum", "argmax") else ("float32",)]
    ),
    Workload("rmse", uniform(2), lengths(K, M, 10 * M)),
    Workload("outer_difference", vectors, ((1000, 1000), (4000, 4000)), ("float32",)),
    Workload("pairwise_distances", points, ((1000, 1000, 3),), ("float32",)),
    Workload("dense_gelu", layer, ((1024,),), operations=2 * 1024),
    Workload("matmul", uniform(2), ((64, 128, 128),), operations=2 * 128),
    Workload("gemv", product, ((2000, 2000),)),
    Workload("transposed_add", uniform(2), ((1000, 1000), (4096, 4096)), ("float32",)),
    Workload("transposed_copy", uniform(), ((1000, 1000), (4096, 4096)), ("float32",)),
    Workload("relu", uniform(), lengths(K, M, 10 * M), ("float32",)),
    Workload("clip", uniform(), lengths(K, M, 10 * M), ("float32",)),
    Workload("where", uniform(2), lengths(K, M, 10 * M), ("float32",)),
    Workload("normalise_image", integers(0, 256), ((224, 224, 3), (2160, 3840, 3)), ("uint8",)),
    Workload("bins", integers(0, 256), lengths(K, M, 10 * M), ("int32",)),
    Workload("heat", uniform(), ((512, 512), (4096, 4096)), ("float32",)),
    Workload("blur", uniform(), ((512, 512), (2048, 4096)), ("float32",)),
    Workload("mixed", mixed, lengths(K, M, 10 * M), ("float32",)),
    Workload("any_above", uniform(), lengths(K, M, 10 * M), ("float32",)),
    Workload("mask", uniform(1, 0, 1), lengths(K, M, 10 * M), ("float32",)),
    Workload("masked_sum", uniform(1, 0, 1), lengths(K, M, 10 * M), ("float32",)),
    Workload("cumsum", uniform(), lengths(K, M, 10 * M)),
    Workload("sort", uniform(), lengths(K, M), ("float32", "float64")),
    Workload("argsort", uniform(), lengths(K, M), ("float32",)),
    Workload("concat", uniform(2), lengths(K, M, 10 * M), ("float32",)),
)


def rows() -> Iterator[Row]:
    """Every row, in the order of the table."""
    for workload in WORKLOADS:
        for dtype in workload.dtypes:
            for size in workload.sizes:
                yield Row(workload, size, dtype)
