"""Concats and stacks of fused work: one kernel that writes each part where the result has it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import raptors as r
from compare import assert_same

SHAPES = [(3, 4, 5), (1, 1, 1), (0, 4, 5), (70, 3, 33), (2, 600, 1)]


def assert_one_kernel(lazy: Any) -> None:
    plan = lazy.plan()
    assert plan.kernels == 1
    assert plan.copies == []
    assert plan.peak_bytes == lazy.nbytes


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_fused_parts(shape: tuple[int, ...], axis: int, rng: np.random.Generator) -> None:
    a, b = rng.normal(size=shape), rng.normal(size=shape)
    c = rng.normal(size=(*shape[:axis], 2, *shape[axis + 1 :]))
    x, y, z = r.lazy(a), r.lazy(b), r.lazy(c)
    joined = r.concat([x * 2.0, y + 1.0, z, r.sqrt(r.abs(z)), x - y], axis=axis)
    assert_one_kernel(joined)
    assert_same(joined, np.concatenate([a * 2.0, b + 1.0, c, np.sqrt(np.abs(c)), a - b], axis=axis))
    stacked = r.stack([x * 2.0, y, x * y], axis=axis)
    assert_one_kernel(stacked)
    assert_same(stacked, np.stack([a * 2.0, b, a * b], axis=axis))


def test_parts_with_common_work_do_it_once(rng: np.random.Generator) -> None:
    a = rng.normal(size=(40, 50))
    x = r.lazy(a)
    common = x * x + 1.0
    joined = r.concat([common * 2.0, common, common, x, common - 3.0])
    assert_one_kernel(joined)
    want = a * a + 1.0
    assert_same(joined, np.concatenate([want * 2.0, want, want, a, want - 3.0]))


def test_concats_of_concats(rng: np.random.Generator) -> None:
    a, b = rng.normal(size=(6, 5)), rng.normal(size=(5, 6))
    x, y = r.lazy(a), r.lazy(b)
    upper = r.concat([x * 2.0, y.T + 1.0], axis=1)
    framed = r.concat([r.zeros((1, 10)), upper, r.ones((2, 10))])
    assert_one_kernel(framed)
    want = np.concatenate([a * 2.0, b.T + 1.0], axis=1)
    assert_same(framed, np.concatenate([np.zeros((1, 10)), want, np.ones((2, 10))]))


def test_what_is_used_elsewhere_is_stored(rng: np.random.Generator) -> None:
    a = rng.normal(size=(30, 20))
    x = r.lazy(a.copy(), donate=True)
    y = x * 2.0
    joined, total = r.concat([y, y[:1], y[::-1]]), r.sum(y, axis=0)
    first, second = r.eval(joined, total)
    want = a * 2.0
    assert_same(first, np.concatenate([want, want[:1], want[::-1]]))
    assert_same(second, np.asarray(r.sum(r.lazy(want), axis=0).eval()))


def test_a_donated_operand_keeps_what_is_read_later() -> None:
    a = np.arange(12.0).reshape(3, 4)
    x = r.lazy(a.copy(), donate=True)
    joined = r.concat([x + 1.0, x[::-1] * 2.0, x])
    assert_same(joined, np.concatenate([a + 1.0, a[::-1] * 2.0, a]))
