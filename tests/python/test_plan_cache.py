"""The plan cache: what has a plan of its own, how many are kept, and which are at hand."""

from __future__ import annotations

import numpy as np
import pytest
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


def test_plans_at_hand_serve_only_what_they_are_for(rng: np.random.Generator) -> None:
    a, b, c = (rng.uniform(1.0, 2.0, 60) for _ in range(3))
    small, grid, every_other = a.astype(np.float32), a.reshape(6, 10), rng.uniform(1.0, 2.0, 120)[::2]
    cached = (r.lazy(a) - 4.5).cache()
    cases = [
        (lambda n: r.lazy(a) + b, lambda n: a + b),
        # One node twice is another structure than two.
        (lambda n: (x := r.lazy(a)) + x, lambda n: a + a),
        (lambda n: r.lazy(a) * (n + 3.25), lambda n: a * (n + 3.25)),
        # Rules look for 2.
        (lambda n: r.lazy(a) * 2.0, lambda n: a * 2.0),
        (lambda n: r.lazy(small) * np.float32(n + 3.25), lambda n: small * np.float32(n + 3.25)),
        (lambda n: r.lazy(grid) * (n + 3.25), lambda n: grid * (n + 3.25)),
        (lambda n: r.lazy(every_other) * (n + 3.25), lambda n: every_other * (n + 3.25)),
        (lambda n: r.lazy(a) - (n + 3.25), lambda n: a - (n + 3.25)),
        (lambda n: r.sqrt(r.lazy(c) + b), lambda n: np.sqrt(c + b)),
        (lambda n: r.lazy(a).reshape(10, 6) * 1.5, lambda n: a.reshape(10, 6) * 1.5),
        (lambda n: r.lazy(a).reshape(12, 5) * 1.5, lambda n: a.reshape(12, 5) * 1.5),
        # What is cached is read, not computed.
        (lambda n: cached * (n + 3.25), lambda n: (a - 4.5) * (n + 3.25)),
        (lambda n: r.lazy(a[:0]) * (n + 3.25), lambda n: a[:0] * (n + 3.25)),
    ]
    r.clear_plan_cache()
    order = np.concatenate([np.repeat(np.arange(len(cases)), 3), rng.integers(0, len(cases), 500)])
    for n, case in enumerate(order):
        ours, numpys = cases[case]
        np.testing.assert_array_equal(ours(n).eval(), numpys(n), strict=True)
    info = r.cache_info()
    # What is cached is a leaf as `a` is.
    assert info["misses"] == info["entries"] == len(cases) - 1
    assert info["hits"] == len(order) - info["misses"]


def test_what_is_at_hand_overwrites_nothing_and_is_forgotten(rng: np.random.Generator) -> None:
    a = rng.uniform(1.0, 2.0, 60)
    for _ in range(4):
        (r.lazy(a) * 3.5).eval()
    donated, expected = a.copy(), a * 3.5
    y = (r.lazy(donated, donate=True) * 3.5).eval()
    assert np.shares_memory(y, donated)
    np.testing.assert_array_equal(y, expected)
    out = np.empty(60)
    assert (r.lazy(a) * 3.5).eval(out=out) is out
    np.testing.assert_array_equal(out, expected)
    both = r.eval(r.lazy(a) * 3.5, r.lazy(a) + 1.0)
    np.testing.assert_array_equal(both[0], expected)
    np.testing.assert_array_equal(both[1], a + 1.0)
    r.clear_plan_cache()
    (r.lazy(a) * 3.5).eval()
    assert (r.cache_info()["hits"], r.cache_info()["misses"]) == (0, 1)


def test_layouts_that_look_alike_have_plans_of_their_own(rng: np.random.Generator) -> None:
    grid = rng.uniform(1.0, 2.0, (6, 6))
    memory = np.zeros(36 * 8 + 1, np.uint8)
    misaligned = memory[1:].view(np.float64).reshape(6, 6)
    misaligned[:] = grid
    wide = rng.uniform(1.0, 2.0, (12, 12))
    arrays = [
        grid,
        grid.T,
        grid[::-1],
        wide[::2, ::2],
        wide[:6, :6],
        np.broadcast_to(grid[0], (6, 6)),
        grid.astype(">f8"),
        grid.astype(">f8").T,
        misaligned,
        misaligned.T,
        grid.astype(np.float32).T,
    ]
    forms = [
        (lambda x: x * 3.5, lambda a: a * a.dtype.type(3.5)),
        (lambda x: x.max(0), lambda a: a.max(0)),
        (lambda x: x.argmax(1), lambda a: a.argmax(1)),
        (lambda x: x.cumsum(1), lambda a: a.cumsum(1)),
        (r.sort, np.sort),
    ]
    expected = [[numpys(a).astype(numpys(a).dtype.newbyteorder("=")) for a in arrays] for _, numpys in forms]
    r.clear_plan_cache()
    cases = [(form, n) for form in range(len(forms)) for n in range(len(arrays))]
    order = [*np.repeat(np.arange(len(cases)), 2), *rng.integers(0, len(cases), 500)]
    for case in order:
        form, n = cases[case]
        result = forms[form][0](r.lazy(arrays[n])).eval()
        np.testing.assert_array_equal(result, expected[form][n], strict=True)
    assert r.cache_info()["misses"] == len(cases)


def test_plans_of_several_steps_and_results_are_at_hand(rng: np.random.Generator) -> None:
    a, b, m = rng.uniform(1.0, 2.0, 60), rng.uniform(1.0, 2.0, 60), rng.uniform(1.0, 2.0, (6, 10))
    large = rng.uniform(1.0, 2.0, 3000)
    for _ in range(5):
        x, y = r.lazy(a), r.lazy(large)
        sums, ordered, joined, product = r.eval(
            x.cumsum(), r.sort(x * 2.5), r.concat([x, r.lazy(b)]), r.lazy(m) @ x[:10]
        )
        np.testing.assert_array_equal(sums, a.cumsum())
        np.testing.assert_array_equal(ordered, np.sort(a * 2.5))
        np.testing.assert_array_equal(joined, np.concatenate([a, b]))
        np.testing.assert_allclose(product, m @ a[:10], rtol=1e-14)
        # One is small, one has memory of the pool; both may be written.
        small, other = r.eval(y[:10] + 0.5, y * 3.5)
        np.testing.assert_array_equal(small, large[:10] + 0.5)
        np.testing.assert_array_equal(other, large * 3.5)
        small[:], other[:] = 0.0, 0.0
    assert r.cache_info()["hits"] >= 8


def test_an_error_of_a_plan_at_hand_is_raised(rng: np.random.Generator) -> None:
    a, at = rng.uniform(1.0, 2.0, 60), np.arange(60)
    for _ in range(3):
        np.testing.assert_array_equal(r.lazy(a)[at].eval(), a[at])
    for wrong in (60, -61):
        at[7] = wrong
        for _ in range(2):
            with pytest.raises(IndexError, match=str(wrong)):
                r.lazy(a)[at].eval()
    at[7] = -60
    np.testing.assert_array_equal(r.lazy(a)[at].eval(), a[at])


def test_what_is_evaluated_by_a_plan_at_hand_is_counted(rng: np.random.Generator) -> None:
    a = rng.uniform(1.0, 2.0, 60)
    for _ in range(3):
        r.sort(r.lazy(a)).eval()
        r.lazy(a).eval()
    r.reset_evaluations()
    for _ in range(4):
        r.sort(r.lazy(a)).eval()
        r.lazy(a).eval()
    assert sum(row["count"] for row in r.evaluations().forced) == 4, "what is in memory is not counted"


@pytest.mark.parametrize("dims", [(1, 1), (2, 5), (5, 2), (25, 40), (33, 31), (0, 4), (4, 0)])
def test_what_is_made_ready_with_a_plan_gives_numpys_values(
    rng: np.random.Generator, dims: tuple[int, int]
) -> None:
    a, b = rng.uniform(-8.0, 8.0, dims), rng.uniform(-8.0, 8.0, dims)
    t, v = np.ascontiguousarray(b.T).T, rng.uniform(-8.0, 8.0, dims[1])
    at = np.where(np.arange(a.size) % 3 == 0, -1 - np.arange(a.size), np.arange(a.size))
    x, y, u = r.lazy(a), r.lazy(t), r.lazy(a).reshape(-1)
    cases = [
        # Moves.
        (lambda: x, a),
        (lambda: x.T, a.T),
        (lambda: y[::2, ::-1], t[::2, ::-1]),
        (lambda: r.lazy(v) + r.zeros(dims), v + np.zeros(dims)),
        (lambda: r.concat([x, y]), np.concatenate([a, t])),
        (lambda: r.concat([x.T, y.T], axis=1), np.concatenate([a.T, t.T], axis=1)),
        # One tile: what is packed, repeated, and unpacked.
        (lambda: x + y, a + t),
        (lambda: x[::2] * 2.5, a[::2] * 2.5),
        (lambda: (x * v)[::-1, ::2], (a * v)[::-1, ::2]),
        (lambda: x.astype(np.complex128)[::-1] * 3.5, a.astype(np.complex128)[::-1] * 3.5),
        (lambda: r.where(y > 0.0, x, 1.5), np.where(t > 0.0, a, 1.5)),
        (lambda: x[:, ::2].astype(np.float32), a[:, ::2].astype(np.float32)),
        # Rows, gathers, and several steps.
        (lambda: x * 2.5 + b, a * 2.5 + b),
        (lambda: (x.cumsum(1) + y).cumsum(0), (a.cumsum(1) + t).cumsum(0)),
        (lambda: u[at], a.reshape(-1)[at]),
        (lambda: u[at] * 2.0 + u[at[::-1]], a.reshape(-1)[at] * 2.0 + a.reshape(-1)[at[::-1]]),
        (lambda: r.sort(y, axis=0), np.sort(t, axis=0)),
    ]
    if a.size:
        cases += [
            (x.argmax, a.argmax()),
            (lambda: x.argmin(1), a.argmin(1)),
            (lambda: y.argmax(0), t.argmax(0)),
            (lambda: (x - y).argmin(1), (a - t).argmin(1)),
            (lambda: u.argmax(keepdims=True), a.reshape(-1).argmax(keepdims=True)),
            (lambda: x.max(0) * 2.0, a.max(0) * 2.0),
        ]
    for _ in range(3):
        for ours, numpys in cases:
            result = ours().eval()
            np.testing.assert_array_equal(result, numpys)
            assert result.dtype == numpys.dtype
            result.fill(0)
        for (_, numpys), result in zip(cases, r.eval(*(ours() for ours, _ in cases)), strict=True):
            np.testing.assert_array_equal(result, numpys)
    compiled = [r.compile(lambda x, y, ours=ours: ours()) for ours, _ in cases]
    for _ in range(2):
        for function, (_, numpys) in zip(compiled, cases, strict=True):
            np.testing.assert_array_equal(function(a, t), numpys)
