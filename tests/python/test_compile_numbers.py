"""Python numbers as arguments of compiled functions: which values share a trace, and what calls give."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import raptors as r
from compare import assert_bits, counts
from hypothesis import given
from hypothesis import strategies as st


def test_values_of_numbers_need_no_new_trace() -> None:
    f = r.compile(lambda x, a, n: x * a + n)
    x = np.arange(5, dtype=np.float32)
    for a in (1.5, -3.25, 1e30, 1e300, math.inf, math.nan, 3e-39):
        for n in (3, 7, -12345):
            assert_bits(f(x, a, n), x * a + n)
    assert f.cache_info().misses == 1


def test_values_that_rules_look_for_have_traces_of_their_own() -> None:
    f = r.compile(lambda x, a: x * a)
    x = np.array([1.5, -0.0, math.inf])
    values = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5)
    for value in values * 2:
        assert_bits(f(x, value), x * value)
    assert counts(f) == (6, 6)
    assert_bits(f(x, 3.0), x * 3.0)
    assert_bits(f(x, 4.0), x * 4.0)
    assert counts(f) == (7, 7)
    # A product with 1 is no work.
    assert "multiply" in f.plan(x, 3.0).text()
    assert "multiply" not in f.plan(x, 1.0).text()


def test_a_division_by_a_power_of_two() -> None:
    f = r.compile(lambda x, a: x / a)
    x = np.arange(7, dtype=np.float32)
    for a in (3.0, 8.0, 5.0, 8.0, 0.125, 7.0):
        assert_bits(f(x, a), x / np.float32(a))


def test_ints_and_floats_and_bools_differ() -> None:
    f = r.compile(lambda x, a: x + a)
    x = np.array([1, 2, 3], np.int32)
    for a in (5, 5.0, True, 5, 5.0, True, 1, 1.0):
        assert_bits(f(x, a), x + a)


def test_arithmetic_of_numbers_is_pythons() -> None:
    @r.compile
    def f(x: Any, a: float, n: int) -> Any:
        b = (2 * a - 1) / (n + 0.25) ** 2
        c = -abs(b) % 7 + n // 3 + round(a, 1) + math.floor(a) + math.ceil(a) + math.trunc(a)
        big = n**40 // 10**20 * 3 - (n << 2 | 1 ^ n & 6)
        return x * b + c, x + float.__rsub__(2.5, 1.0) * big, b, (c, n + 1)

    x = np.linspace(0.0, 1.0, 7)
    for a, n in [(1.7, 5), (-2.3, 11), (1e10, 1000), (0.3, -4)]:
        b = (2 * a - 1) / (n + 0.25) ** 2
        c = -abs(b) % 7 + n // 3 + round(a, 1) + math.floor(a) + math.ceil(a) + math.trunc(a)
        big = n**40 // 10**20 * 3 - (n << 2 | 1 ^ n & 6)
        first, second, got_b, (got_c, after) = f(x, a, n)
        assert_bits(first, x * b + c)
        assert_bits(second, x + float.__rsub__(2.5, 1.0) * big)
        assert (got_b, got_c, after) == (b, c, n + 1)
        assert type(after) is int
    assert f.cache_info().misses == 1


def test_a_number_that_python_cannot_compute_raises_where_it_is_written() -> None:
    def f(x: Any, a: float) -> Any:
        return x * (1.0 / a)  # here

    compiled = r.compile(f)
    x = np.ones(3)
    assert compiled(x, 3.0)[0] == 1.0 / 3.0
    with pytest.raises(ZeroDivisionError) as raised:
        compiled(x, 0.0)
    assert raised.traceback[-1].frame.code.name == "f"
    assert compiled(x, 4.0)[0] == 0.25


def test_branches_on_numbers() -> None:
    @r.compile
    def f(x: Any, n: int, flag: bool) -> Any:
        if n > 3:
            x = x * 2.0
        if n:
            x = x + 1.0
        if isinstance(n, int) and not isinstance(n, float):
            x = x + 4.0
        return -x if flag else x

    def plain(x: Any, n: int, flag: bool) -> Any:
        x = x * 2.0 if n > 3 else x
        x = (x + 1.0 if n else x) + 4.0
        return -x if flag else x

    x = np.arange(4.0)
    for n in (0, 1, 2, 3, 4, 5, 100, -5):
        for flag in (True, False):
            assert_bits(f(x, n, flag), plain(x, n, flag))
    # n is 0; another number up to 3; greater: for both flags.
    assert f.cache_info().misses == 6


def test_numbers_where_only_their_value_will_do() -> None:
    @r.compile
    def f(x: Any, n: int, a: float) -> Any:
        y = x[:n].sum(axis=n - 3) * math.sqrt(a) + float(a)
        for _ in range(n):
            y = y + 1.0
        return r.reshape(x, (n, -1)) * int(a), y, f"{n} {a!r}", {n: a}[n]

    x = np.arange(12.0)
    for n, a in [(3, 2.5), (3, 2.5), (3, 9.0)]:
        first, second, text, value = f(x, n, a)
        assert_bits(first, x.reshape(n, -1) * int(a))
        assert second == x[:n].sum() * math.sqrt(a) + a + n
        assert text == f"{n} {a!r}"
        assert value == a
    assert counts(f) == (1, 2)
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        r.compile(lambda x, a: x[a:])(x, 1.5)


def test_powers_are_those_of_eval() -> None:
    f = r.compile(lambda x, p: x**p)
    for dtype in ("float32", "float64", "int32"):
        x = np.arange(1, 9).astype(dtype)
        for p in (2, 3, 2.0, 0.5, -1.0, 1.0, 2.5, 3.5, -2.5, 7, 0):
            assert_bits(f(x, p), (r.lazy(x) ** p).eval())
    floats = r.compile(lambda x, p: x**p)
    for p in (2.25, 3.5, -7.25, 1e3):
        assert_bits(floats(np.arange(4.0), p), (r.lazy(np.arange(4.0)) ** p).eval())
    assert floats.cache_info().misses == 1
    with pytest.raises(ValueError, match="negative integer powers"):
        f(np.arange(3), -1)
    with pytest.raises(ValueError, match="negative integer powers"):
        r.compile(r.pow)(np.arange(3), -1)


def test_integers_out_of_bounds_are_those_of_eval() -> None:
    add = r.compile(lambda x, n: x + n)
    less = r.compile(lambda x, n: x < n)
    quotient = r.compile(lambda x, n: x / n)
    x = np.array([1, 100, -128], np.int8)
    assert_bits(add(x, 3), x + 3)
    with pytest.raises(OverflowError, match="out of bounds for int8"):
        add(x, 1000)
    assert_bits(add(x, 5), x + 5)
    for n in (3, 1000, -1000, 7, 2**70, -(2**70)):
        assert_bits(less(x, n), (r.lazy(x) < n).eval())
        if abs(n) < 2**63:
            assert_bits(quotient(x, n), (r.lazy(x) / n).eval())


def test_numbers_in_functions_of_arrays() -> None:
    @r.compile
    def f(x: Any, low: float, high: float, a: float) -> Any:
        clipped = r.clip(x, low, high)
        chosen = r.where(x > a, x, a)
        y = r.hypot(x, a) + np.maximum(x, a) + r.maximum(a, x)
        y += a
        return clipped, chosen, y, r.full((2,), a), x.clip(low), r.lazy(a) + x, np.sqrt(abs(a))

    x = np.linspace(-3.0, 3.0, 9).astype(np.float32)
    for low, high, a in [(-1.5, 1.25, 0.75), (-0.25, 0.25, 2.25), (0.3, 0.7, -5.0)]:
        z = r.lazy(x)
        y = r.hypot(z, a) + r.maximum(z, a) + r.maximum(a, z)
        want = r.eval(
            r.clip(z, low, high),
            r.where(z > a, z, a),
            y + a,
            r.full((2,), a),
            r.clip(z, low),
            r.lazy(a) + z,
        )
        *got, root = f(x, low, high, a)
        for value, expected in zip(got, want, strict=True):
            assert_bits(value, expected)
        assert root == np.sqrt(abs(a))
    assert f.cache_info().misses == 1


def test_numbers_with_arrays_of_numpy() -> None:
    table = np.arange(3.0)
    f = r.compile(lambda x, a: (a * table + x, table - a, x + table / a))
    x = np.ones(3)
    for a in (3.0, 5.0, 7.5):
        for got, want in zip(f(x, a), (a * table + x, table - a, x + table / a), strict=True):
            assert_bits(got, want)
    assert counts(f) == (2, 1)


@given(st.floats(width=32), st.integers(-(2**15), 2**15 - 1), st.floats())
def test_any_number(a: float, n: int, b: float) -> None:
    with np.errstate(all="ignore"):
        x, k = np.float32([1.5, -2.25, 0.0]), np.int16([1, -7, 300])
        got = ANY(x, k, a, n, b)
        z, m = r.lazy(x), r.lazy(k)
        want = r.eval(z * a, m + n, m * b, z - n, m == n, r.where(m > 0, z, b), z % a)
    for value, expected in zip(got, want, strict=True):
        assert_bits(value, expected)


ANY = r.compile(
    lambda x, k, a, n, b: (x * a, k + n, k * b, x - n, k == n, r.where(k > 0, x, b), x % a), maxsize=8
)
