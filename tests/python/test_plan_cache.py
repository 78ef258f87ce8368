"""The plan cache: what has a plan of its own, and how many are kept."""

from __future__ import annotations

import numpy as np
import raptors as r


def test_other_data_and_scalars_need_no_other_plan(rng: np.random.Generator) -> None:
    r.clear_plan_cache()
    for n in range(50):
        x = r.lazy(rng.uniform(1.0, 2.0, 100))
        np.testing.assert_array_equal((x * (n + 3.25) + 0.125).eval(), x.eval() * (n + 3.25) + 0.125)
    info = r.cache_info()
    assert (info["entries"], info["misses"]) == (2, 2)
    assert info["hits"] == 98
    assert 0 < info["bytes"] < 100_000


def test_other_shapes_need_another_plan(rng: np.random.Generator) -> None:
    r.clear_plan_cache()
    for n in range(1, 30):
        a = rng.uniform(1.0, 2.0, (n, 7))
        np.testing.assert_array_equal((r.lazy(a) * 3.0 + a).eval(), a * 3.0 + a)
    assert r.cache_info()["misses"] == 29


def test_the_plan_cache_is_bounded_and_keeps_what_is_used(rng: np.random.Generator) -> None:
    r.clear_plan_cache()
    assert r.cache_info()["entries"] == 0
    limit = r.cache_info()["limit"]
    used = r.lazy(np.ones(3)) + 1.5
    used.eval()
    for n in range(4, limit + 200):
        (r.lazy(np.ones(n)) + 1.5).eval()
        used.eval()
    info = r.cache_info()
    assert info["entries"] == limit
    assert info["misses"] == limit + 197, "the plan that was used all the time has not left"
    assert info["bytes"] <= info["limit_bytes"]
    r.clear_plan_cache()
    assert (r.cache_info()["entries"], r.cache_info()["bytes"], r.cache_info()["hits"]) == (0, 0, 0)
