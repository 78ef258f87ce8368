"""Graphs of a hundred thousand nodes: captured, planned, run and dropped, in a thread with a small stack."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable

import numpy as np
import raptors as r

# What a thread of a server may have; a stack frame per node would need more than ten times as much.
STACK_BYTES = 512 * 1024
CHAIN = 100_000
FIBONACCI = 50_000


def on_a_small_stack(work: Callable[[], object]) -> object:
    results: list[object] = []
    before = threading.stack_size(STACK_BYTES)
    try:
        thread = threading.Thread(target=lambda: results.append(work()))
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
    assert results, "the thread raised"
    return results[0]


def test_a_chain() -> None:
    def work() -> np.ndarray:
        x = r.lazy(np.array([1.0, 2.0]))
        for n in range(CHAIN):
            x = x + 1.5 if n % 2 == 0 else x - 1.5
        assert f"{CHAIN} ops" in repr(x)
        return np.asarray(x)

    np.testing.assert_array_equal(on_a_small_stack(work), [1.0, 2.0])


def test_a_graph_that_shares_like_fibonacci() -> None:
    def work() -> np.ndarray:
        previous = r.lazy(np.array([1.0, 0.0]))
        x = r.lazy(np.array([1.0, 0.0]))
        for _ in range(FIBONACCI // 2):
            previous, x = x, r.minimum(x + previous, 1.0)
        plan = x.plan()
        assert plan.kernels > 1
        assert "more node" in x.explain()
        return np.asarray(x)

    np.testing.assert_array_equal(on_a_small_stack(work), [1.0, 0.0])


def test_what_is_never_computed_is_dropped() -> None:
    def work() -> str:
        x = r.lazy(np.array([1.0]))
        for _ in range(3 * CHAIN):
            x = -x
        del x
        gc.collect()
        return "dropped"

    assert on_a_small_stack(work) == "dropped"
