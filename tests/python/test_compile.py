"""Compiled functions: what calls give, and what is another structure."""

from __future__ import annotations

import array
import asyncio
import collections
import functools
import math
from typing import Any

import numpy as np
import pytest
import raptors as r
from compare import DTYPES, FLOATS, assert_bits, counts
from strategies import LAYOUTS, mixed

# What a call gives.


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_and_layout(dtype: str, layout: str, rng: np.random.Generator) -> None:
    runs = 0

    @r.compile
    def f(x: Any, y: Any) -> Any:
        nonlocal runs
        runs += 1
        return r.maximum(x, y), (x == y).any(axis=0)

    for shape in [(3, 4), (0, 5), (1,)]:
        for _ in range(2):
            x, y = (LAYOUTS[layout](mixed(dtype, math.prod(shape), rng).reshape(shape)) for _ in range(2))
            got = f(x, y)
            lazy = r.maximum(r.lazy(x), r.lazy(y)), (r.lazy(x) == r.lazy(y)).any(axis=0)
            for value, want in zip(got, r.eval(*lazy), strict=True):
                assert_bits(value, want)
    assert runs == f.cache_info().misses <= 3
    assert f.cache_info().hits == 6 - runs


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_chain_is_what_eval_gives(dtype: str, rng: np.random.Generator) -> None:
    def softmax(x: Any, axis: int = -1) -> Any:
        e = r.exp(x - r.max(x, axis=axis, keepdims=True))
        return e / r.sum(e, axis=axis, keepdims=True)

    f = r.compile(softmax)
    for shape in [(5, 7), (5, 7), (64, 33), (1, 1)]:
        x = rng.normal(size=shape).astype(dtype)
        assert_bits(f(x), softmax(r.lazy(x)).eval())
        assert_bits(f(x, axis=0), softmax(r.lazy(x), axis=0).eval())


def test_new_values_are_read_at_each_call() -> None:
    f = r.compile(lambda x: x * 2.0)
    x = np.arange(4.0)
    assert f(x).tolist() == [0.0, 2.0, 4.0, 6.0]
    x[:] = 1.0
    assert f(x).tolist() == [2.0] * 4
    assert counts(f) == (1, 1)


def test_results_are_their_own_memory() -> None:
    f = r.compile(lambda x: (x, x + 1.0, x))
    x = np.arange(3.0)
    results = f(x)
    for n, result in enumerate(results):
        assert not np.shares_memory(result, x)
        assert all(not np.shares_memory(result, other) for other in results[n + 1 :])
    results[0][:] = 7.0
    assert x.tolist() == [0.0, 1.0, 2.0]


def test_inputs_are_not_written_and_may_be_read_only() -> None:
    f = r.compile(lambda x: r.sqrt(x) * 2.0 - x)
    x = np.arange(5.0)
    x.flags.writeable = False
    assert_bits(f(x), np.sqrt(x) * 2.0 - x)
    assert x.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_containers_keep_their_shape() -> None:
    Pair = collections.namedtuple("Pair", ["left", "right"])

    @r.compile
    def f(tree: dict[str, Any], pair: Any) -> Any:
        assert type(pair) is Pair
        a, (b, c) = tree["a"], tree["rest"]
        return {"sum": a + b, "list": [c * 2.0, None], "pair": Pair(pair.right, (pair.left,)), "text": "x"}

    a, b, c = np.arange(3.0), np.ones(3), np.arange(2.0)
    for _ in range(2):
        got = f({"a": a, "rest": [b, c]}, Pair(a, b))
        assert list(got) == ["sum", "list", "pair", "text"]
        assert_bits(got["sum"], a + b)
        assert type(got["list"]) is list
        assert got["list"][1] is None
        assert_bits(got["list"][0], c * 2.0)
        assert type(got["pair"]) is Pair
        assert_bits(got["pair"].left, b)
        assert_bits(got["pair"].right[0], a)
        assert got["text"] == "x"
    assert counts(f) == (1, 1)
    with pytest.raises(KeyError):
        f({"b": a, "rest": [b, c]}, Pair(a, b))
    f({"a": a, "rest": (b, c)}, Pair(a, b))
    assert counts(f) == (1, 2)


def test_a_result_without_arrays() -> None:
    f = r.compile(lambda x: (x.shape, None, "text"))
    assert f(np.ones((2, 3))) == ((2, 3), None, "text")
    assert f(np.ones((4, 3))) == ((4, 3), None, "text")
    assert r.compile(lambda: None)() is None


def test_an_ndarray_returned_is_copied() -> None:
    table = np.arange(3.0)
    f = r.compile(lambda x: (table, x + table))
    first, _ = f(np.ones(3))
    assert first is not table
    table[0] = 5.0
    second, total = f(np.ones(3))
    assert (first[0], second[0], total[0]) == (0.0, 5.0, 6.0)
    assert counts(f) == (1, 1)


def test_other_arrays() -> None:
    f = r.compile(lambda x: x * 2)
    want = [2, 4, 6]
    for given_array in (
        np.array([1, 2, 3]),
        r.lazy(np.array([1, 2, 3])),
        array.array("q", [1, 2, 3]),
        memoryview(array.array("q", [1, 2, 3])),
    ):
        got = f(given_array)
        assert type(got) is np.ndarray
        assert got.tolist() == want
    assert counts(f) == (3, 1)


def test_numpy_scalars_are_strong() -> None:
    f = r.compile(lambda x, a: x * a)
    x = np.ones(3, np.float32)
    for value in (1.5, 2.0, 0.0, 3.25):
        assert_bits(f(x, np.float64(value)), x * np.float64(value))
        assert_bits(f(x, np.float32(value)), x * np.float32(value))
        assert_bits(f(x, value), x * value)
    assert_bits(f(x, np.int8(3)), x * np.int8(3))
    assert_bits(f(np.ones(3, np.int8), np.int64(3)), np.ones(3, np.int8) * np.int64(3))


def test_zero_dimensions() -> None:
    f = r.compile(lambda x: x + 1)
    got = f(np.array(2.5))
    assert type(got) is np.ndarray
    assert got.shape == ()
    assert got == 3.5


def test_keywords_and_defaults() -> None:
    @r.compile
    def f(x: Any, /, scale: float = 3.0, *, shift: Any = None, mode: str = "add") -> Any:
        y = x * scale
        return y if shift is None else (y + shift if mode == "add" else y - shift)

    x, s = np.arange(3.0), np.ones(3)
    assert_bits(f(x), x * 3.0)
    assert_bits(f(x, 5.0), x * 5.0)
    assert_bits(f(x, scale=7.0), x * 7.0)
    assert_bits(f(x, shift=s), x * 3.0 + s)
    assert_bits(f(x, shift=s, mode="sub"), x * 3.0 - s)
    with pytest.raises(TypeError, match="unexpected keyword"):
        f(x, other=1)
    with pytest.raises(TypeError, match="missing"):
        f()


# Structures.


def test_what_is_another_structure() -> None:
    f = r.compile(lambda x, *rest: x + 1)
    x = np.zeros((4, 6), np.float32)
    different = [
        x,
        x.astype(np.float64),
        x[:2],
        np.zeros((6, 4), np.float32),
        x.T,
        x[:, ::2],
        x[:, :3],
        x.astype(">f4"),
        np.zeros(97, np.uint8)[1:].view(np.float32).reshape(4, 6),
        x[::-1],
        x[None],
        x[0, 0:1],
        np.array(0, np.float32),
    ]
    for expected, a in enumerate(different, start=1):
        assert_bits(f(a), a.astype(a.dtype.newbyteorder("=")) + 1)
        assert f.cache_info().misses == expected
    for a in different:
        f(a)
    assert counts(f) == (len(different), len(different))
    # Strides of a single element say nothing, and equal structures are one.
    f(np.zeros((4, 6), np.float32))
    assert f.cache_info().misses == len(different)


def test_static_arguments_are_compared() -> None:
    runs = []

    @r.compile
    def f(x: Any, mode: Any) -> Any:
        runs.append(mode)
        return x * (2.5 if mode == "double" else 3.5)

    x = np.ones(2)
    for mode in ("double", "triple", "double", ("a", "b"), ("a", "b"), None, int, r.float32, r.float32):
        f(x, mode)
    assert runs == ["double", "triple", ("a", "b"), None, int, r.float32]

    class Same:
        def __init__(self, name: str) -> None:
            self.name = name

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Same) and self.name == other.name

        def __hash__(self) -> int:
            return 1

    del runs[:]
    for mode in (Same("a"), Same("a"), Same("b"), Same("a")):
        f(x, mode)
    assert [mode.name for mode in runs] == ["a", "b"]


def test_complex_numbers_are_compared_by_bits() -> None:
    f = r.compile(lambda z: math.copysign(1.0, z.real))
    assert [f(complex(0.0, 1.0)), f(complex(-0.0, 1.0)), f(complex(0.0, 1.0))] == [1.0, -1.0, 1.0]


def test_what_cannot_be_an_argument() -> None:
    f = r.compile(lambda x, s: x)
    with pytest.raises(TypeError, match="compile: an argument is set, which is not hashable"):
        f(np.ones(2), {1, 2})
    with pytest.raises(TypeError, match="arrays of object are not supported"):
        f(np.array([None]), 1)
    with pytest.raises(TypeError, match="masked"):
        f(np.ma.masked_array([1.0], [True]), 1)
    nested: list[Any] = []
    nested.append(nested)
    with pytest.raises(RecursionError, match="compile"):
        f(np.ones(2), nested)

    class Bad:
        def __hash__(self) -> int:
            raise ArithmeticError("no hash today")

    with pytest.raises(ArithmeticError, match="today"):
        f(np.ones(2), Bad())


def test_options_are_part_of_the_structure() -> None:
    f = r.compile(lambda x: x + 0.0)
    x = np.array([-0.0])
    assert math.copysign(1.0, f(x)[0]) == 1.0
    with r.options(fp="fast"):
        f(x)
    f(x)
    assert counts(f) == (1, 2)
    assert "add" in f.plan(x).text()
    assert "add" not in r.compile(lambda x: x + 0.0, fp="fast").plan(x).text()
    with pytest.raises(MemoryError, match="max_memory"):
        r.compile(lambda x: x * 2.0, max_memory=8)(np.ones(100))
    with pytest.raises(MemoryError, match="max_memory"), r.options(max_memory=8):
        r.compile(lambda x: x * 2.0)(np.ones(100))
    one = r.compile(lambda x: r.sin(x).sum(axis=0), threads=1)
    big = np.ones((300, 1000))
    assert_bits(one(big), r.sin(r.lazy(big)).sum(axis=0).eval())


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"fp": "loose"}, ValueError, "compile: fp"),
        ({"speed": 3}, TypeError, 'compile: there is no option "speed"'),
        ({"threads": 0}, ValueError, "compile: threads is 0"),
        ({"threads": "two"}, TypeError, "compile: threads"),
        ({"max_memory": -1}, ValueError, "compile: max_memory"),
        ({"donate": 1.5}, TypeError, "compile: donate"),
        ({"maxsize": -1}, OverflowError, "negative"),
    ],
)
def test_mistaken_options(arguments: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        r.compile(lambda x: x, **arguments)


def test_what_cannot_be_compiled() -> None:
    with pytest.raises(TypeError, match="needs a function"):
        r.compile(3)  # type: ignore[call-overload]

    async def coroutine(x: Any) -> Any:
        await asyncio.sleep(0)
        return x

    def generator(x: Any) -> Any:
        yield x

    for function in (coroutine, generator):
        with pytest.raises(TypeError, match="is a generator or a coroutine"):
            r.compile(function)
    with pytest.raises(TypeError, match="a call cannot repeat"):
        r.compile(lambda x: (y for y in (x,)))(np.ones(2))


# The cache.


def test_the_cache_is_bounded_and_forgets_the_oldest() -> None:
    f = r.compile(lambda x: x + 1, maxsize=3)
    arrays = [np.zeros(n) for n in range(1, 5)]
    for a in arrays[:3]:
        f(a)
    f(arrays[0])
    f(arrays[3])
    assert f.cache_info() == (1, 4, 3, 3)
    f(arrays[0])
    f(arrays[2])
    assert f.cache_info() == (3, 4, 3, 3)
    f(arrays[1])
    assert f.cache_info() == (3, 5, 3, 3)
    f.cache_clear()
    assert f.cache_info() == (0, 0, 3, 0)
    assert_bits(f(arrays[0]), np.ones(1))
    assert f.cache_info()._fields == functools.lru_cache(len).cache_info()._fields


def test_no_cache_and_an_unbounded_one() -> None:
    f = r.compile(lambda x: x + 1, maxsize=0)
    assert [f(np.zeros(2)).tolist() for _ in range(2)] == [[1.0, 1.0]] * 2
    assert f.cache_info() == (0, 2, 0, 0)
    g = r.compile(lambda x: x + 1, maxsize=None)
    for n in range(300):
        g(np.zeros(n))
    assert g.cache_info() == (0, 300, None, 300)


def test_other_kinds_of_numbers_do_not_grow_it_without_bound() -> None:
    f = r.compile(lambda x, n: x * int(n), maxsize=4)
    for n in range(20):
        assert_bits(f(np.ones(2), n), np.ones(2) * n)
    assert f.cache_info().currsize == 4
