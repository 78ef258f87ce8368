"""Compiled functions: what tracing refuses and does once, memory, nesting, and what they are as objects."""

from __future__ import annotations

import copy
import functools
import gc
import inspect
import operator
import pickle
import threading
import weakref
from typing import Any

import numpy as np
import pytest
import raptors as r
from compare import assert_bits, counts

# What a function may not do, and what it does once.


def mistakes() -> list[tuple[Any, str]]:
    return [
        (lambda x: x if x.sum() > 0 else -x, "bool"),
        (lambda x: x * float(x[0]), "float"),
        (lambda x: x * int(x[0]), "int"),
        (lambda x: x[: x[0].astype(r.int64)], "index"),
        (lambda x: x * x.eval(), "eval"),
        (lambda x: x.cache(), "eval"),
        (lambda x: x + np.asarray(x), "eval"),
        (lambda x: x.tolist(), "eval"),
        (lambda x: f"{x}", "eval"),
        (lambda x: 3.0 in x, "in"),
        (lambda x: x[0].item(), "item"),
        (lambda x: r.eval(x, x + 1), "eval"),
        (lambda x: np.linalg.norm(x) + x, "eval"),
        (lambda x: [y for y in x if y], "bool"),
    ]


@pytest.mark.parametrize("number", range(len(mistakes())))
def test_values_that_are_not_there(number: int) -> None:
    function, op = mistakes()[number]
    with pytest.raises(TypeError, match=f"{op}: there is no value here: it depends on an argument") as raised:
        r.compile(function)(np.ones(3))
    frames = {(entry.path.name, entry.frame.code.name) for entry in raised.traceback}
    assert ("test_compile_tracing.py", "<lambda>") in frames
    assert "where" in str(raised.value)


def test_a_mistake_is_made_again_and_leaves_nothing() -> None:
    f = r.compile(lambda x, y: x + y)
    for _ in range(2):
        with pytest.raises(ValueError, match="do not broadcast"):
            f(np.ones(3), np.ones(4))
    assert f.cache_info().currsize == 0
    assert f(np.ones(3), np.ones(3)).tolist() == [2.0] * 3


def test_placeholders_that_escape_have_no_value() -> None:
    kept: list[Any] = []

    @r.compile
    def f(x: Any, a: float) -> Any:
        kept.extend([x + 1, a])
        return x

    f(np.ones(3), 2.5)
    array_like, number = kept
    with pytest.raises(TypeError, match="depends on an argument"):
        array_like.eval()
    assert "argument" in repr(array_like) or "add" in repr(array_like)
    # A number is the value it had.
    assert number + 1 == 3.5
    assert (number * r.lazy(np.ones(2))).eval().tolist() == [2.5, 2.5]
    assert not number < 2
    assert r.compile(lambda x, a: x * a)(np.ones(2), number).tolist() == [2.5, 2.5]


def test_side_effects_happen_once() -> None:
    seen: list[Any] = []
    f = r.compile(lambda x: (seen.append(x.shape), x)[1])
    for _ in range(3):
        f(np.ones(2))
    assert seen == [(2,)]


def test_arrays_beside_the_arguments_are_held_and_read_again() -> None:
    weights = np.ones(3)
    reference = weakref.ref(weights)
    doubled = [r.lazy(weights) * 2.0]
    f = r.compile(lambda x: x * weights + doubled[0])
    assert f(np.ones(3)).tolist() == [3.0] * 3
    weights[:] = 2.0
    assert f(np.ones(3)).tolist() == [6.0] * 3
    assert counts(f) == (1, 1)
    other, weights = weights, np.zeros(3)
    doubled.clear()
    del other
    assert reference() is not None
    assert f(np.ones(3)).tolist() == [6.0] * 3
    f.cache_clear()
    gc.collect()
    assert f.cache_info().currsize == 0


def test_donated_memory_beside_the_arguments_is_never_overwritten() -> None:
    a = np.ones(4)
    held = r.lazy(a, donate=True)
    f = r.compile(lambda x: x + held)
    for _ in range(3):
        assert f(np.ones(4)).tolist() == [2.0] * 4
    assert a.tolist() == [1.0] * 4


# Donation, aliasing, out.


def test_donated_arguments_are_overwritten() -> None:
    f = r.compile(lambda x: r.sqrt(x) * 2.5, donate=True)
    for _ in range(3):
        x = np.full(1000, 4.0)
        pointer = x.ctypes.data
        got = f(x)
        assert got.ctypes.data == pointer
        assert_bits(got, np.full(1000, 5.0))
        del x
        assert got[0] == 5.0
    assert counts(f) == (2, 1)


@pytest.mark.parametrize("donate", [1, "y", (1,), ["y"], (1, "y")])
def test_which_arguments_are_donated(donate: Any) -> None:
    @r.compile(donate=donate)
    def f(x: Any, y: Any) -> Any:
        return x * 2.0 + y

    for call in (f, lambda x, y: f(x, y=y), lambda x, y: f(y=y, x=x)):
        x, y = np.ones(100), np.full(100, 3.0)
        got = call(x, y)
        assert np.shares_memory(got, y)
        assert not np.shares_memory(got, x)
        assert x.tolist() == [1.0] * 100
        assert got.tolist() == [5.0] * 100


def test_donated_memory_that_is_shared_is_kept() -> None:
    f = r.compile(lambda x, y: x + y, donate=True)
    x = np.arange(10.0)
    got = f(x, x)
    assert not np.shares_memory(got, x)
    assert x.tolist() == list(range(10))
    got = f(x[:8], x[2:])
    assert x.tolist() == list(range(10))
    assert_bits(got, np.arange(8.0) + np.arange(2.0, 10.0))
    # Elements that interleave share nothing.
    even, odd = x[::2], x[1::2]
    assert_bits(f(even, odd), np.arange(0.0, 10.0, 2) + np.arange(1.0, 11.0, 2))


def test_donated_memory_that_the_function_reads_beside_is_kept() -> None:
    table = np.arange(6.0)
    f = r.compile(lambda x: x * 2.5 + table[::-1], donate=True)
    want = np.arange(6.0) * 2.5 + table[::-1]
    for _ in range(2):
        assert_bits(f(table), want)
        assert table.tolist() == list(range(6))
    other = np.arange(6.0)
    got = f(other)
    assert np.shares_memory(got, other)
    assert_bits(got, want)


def test_read_only_memory_is_not_overwritten() -> None:
    f = r.compile(lambda x: x + 1.0, donate=True)
    x = np.zeros(5)
    x.flags.writeable = False
    assert f(x).tolist() == [1.0] * 5
    assert x.tolist() == [0.0] * 5


def test_lazy_arrays_that_are_donated() -> None:
    f = r.compile(lambda x: x * 2.5)
    a = np.ones(50)
    x = r.lazy(a, donate=True)
    got = f(x)
    assert np.shares_memory(got, a)
    assert got.tolist() == [2.5] * 50
    with pytest.raises(ValueError, match="overwritten by an earlier eval"):
        f(x)


def test_out() -> None:
    f = r.compile(lambda x, y: (x + y, [x * y]))
    x, y = np.arange(4.0), np.full(4, 2.0)
    total, product = np.empty(4), np.empty(8)[::2]
    for _ in range(2):
        got = f(x, y, out=(total, product))
        assert got[0] is total
        assert got[1][0] is product
        assert_bits(total, x + y)
        assert product.tolist() == (x * y).tolist()
    got = f(x, y, out=(None, x))
    assert got[1][0] is x
    assert x.tolist() == [0.0, 2.0, 4.0, 6.0]
    g = r.compile(lambda x: x * 3.0)
    assert g(x, out=x) is x
    assert x.tolist() == [0.0, 6.0, 12.0, 18.0]
    assert g(x, out=None).tolist() == [0.0, 18.0, 36.0, 54.0]
    with pytest.raises(ValueError, match="out has shape"):
        g(x, out=np.empty(5))
    with pytest.raises(TypeError, match="out has dtype"):
        g(x, out=np.empty(4, np.float32))
    with pytest.raises(ValueError, match="partially overlaps"):
        g(x[:3], out=x[1:])
    with pytest.raises(ValueError, match="1 out arrays for 2 results"):
        f(x, y, out=x)


def test_out_that_is_an_argument_of_the_function() -> None:
    @r.compile
    def f(x: Any, out: Any = None) -> Any:
        return x if out is None else x + out

    x = np.ones(3)
    assert f(x).tolist() == [1.0] * 3
    assert f(x, out=x).tolist() == [2.0] * 3
    assert x.tolist() == [1.0] * 3


# Lazy arguments, nesting, methods.


def test_lazy_arguments_are_fused() -> None:
    runs = 0

    @r.compile
    def f(x: Any, a: float) -> Any:
        nonlocal runs
        runs += 1
        return x * a

    x = np.arange(3.0)
    lazy = r.sqrt(r.lazy(x)) + 1.0
    for _ in range(2):
        got = f(lazy, 3.5)
        assert_bits(got, (np.sqrt(x) + 1.0) * 3.5)
    assert runs == 2
    assert not lazy.__repr__().endswith("evaluated)")
    assert f.plan(lazy, 3.5).kernels == 1
    # In memory it is an array as any other.
    lazy.cache()
    assert_bits(f(lazy, 3.5), (np.sqrt(x) + 1.0) * 3.5)
    assert_bits(f(x, 3.5), x * 3.5)
    assert runs == 4


def test_compiled_functions_in_compiled_functions() -> None:
    @r.compile
    def inner(x: Any, a: float) -> Any:
        return x * a + 1.0 if a > 2 else x

    table = np.ones(4)

    @r.compile
    def outer(x: Any, a: float) -> Any:
        y = inner(x, a) + inner(x=x, a=a * 0.5)
        return y + inner(table, 3.0)

    x = np.arange(4.0)

    def plain(a: float) -> Any:
        first = x * a + 1.0 if a > 2 else x
        second = x * (a * 0.5) + 1.0 if a * 0.5 > 2 else x
        return first + second + (np.ones(4) * 3.0 + 1.0)

    for a in (1.5, 3.0, 5.0, 7.0, 3.5):
        assert_bits(outer(x, a), plain(a))
    assert outer.cache_info().misses == 3
    assert inner.cache_info() == (0, 0, 256, 0)
    assert outer.plan(x, 3.0).kernels == 1


def test_recursion() -> None:
    @r.compile
    def power(x: Any, n: int) -> Any:
        return x if n == 1 else x * power(x, n - 1)

    x = np.array([2.0, 3.0])
    assert_bits(power(x, 5), x * (x * (x * (x * x))))
    assert power.plan(x, 5).kernels == 1


class Model:
    """A method, compiled."""

    def __init__(self, scale: float) -> None:
        self.scale = scale

    @r.compile
    def predict(self, x: Any, *, shift: float = 0.25) -> Any:
        """Scaled and shifted."""
        return x * self.scale + shift

    @classmethod
    @r.compile
    def made(cls, x: Any) -> Any:
        return x + (1.5 if cls is Model else 2.5)

    @staticmethod
    @r.compile
    def plain(x: Any) -> Any:
        return -x


def test_methods() -> None:
    x = np.arange(3.0)
    first, second = Model(3.0), Model(5.0)
    assert_bits(first.predict(x), x * 3.0 + 0.25)
    assert_bits(second.predict(x, shift=1.5), x * 5.0 + 1.5)
    assert_bits(Model.predict(first, x), x * 3.0 + 0.25)
    assert_bits(Model.made(x), x + 1.5)
    assert_bits(Model.plain(x), -x)
    assert first.predict.__doc__ == "Scaled and shifted."
    assert first.predict.cache_info().currsize == 2
    assert Model.predict.plan(first, x).kernels == 1
    bound = r.compile(first.predict, donate="x")
    y = np.ones(10)
    assert np.shares_memory(bound(y), y)


# What it is as an object.


def documented(x: Any, scale: float = 2.0) -> Any:
    """Doubles."""
    return x * scale


compiled_documented = r.compile(documented)


@r.compile
def importable(x: Any) -> Any:
    return x


def test_metadata() -> None:
    f = compiled_documented
    assert f.__name__ == "documented"
    assert f.__qualname__ == "documented"
    assert f.__module__ == documented.__module__
    assert f.__doc__ == "Doubles."
    assert f.__wrapped__ is documented
    assert str(inspect.signature(f)) == str(inspect.signature(documented))
    assert "documented" in repr(f)
    assert callable(f)
    f.note = "attributes can be added"  # type: ignore[attr-defined]
    assert f.note == "attributes can be added"  # type: ignore[attr-defined]
    assert copy.copy(f) is f
    assert copy.deepcopy(f) is f
    assert pickle.loads(pickle.dumps(importable)) is importable
    lazy = f.__wrapped__(r.lazy(np.ones(2)))
    assert isinstance(lazy, r.Array)
    partial = r.compile(functools.partial(documented, scale=4.5))
    assert partial(np.ones(2)).tolist() == [4.5, 4.5]
    assert r.compile(operator.add)(np.ones(2), np.ones(2)).tolist() == [2.0, 2.0]


def test_plan_and_explain() -> None:
    f = r.compile(lambda x, a: r.exp(x * a).sum(axis=1), fp="contract")
    x = np.ones((20, 30))
    plan = f.plan(x, 3.5)
    assert plan.kernels == 1
    f(x, 3.5)
    assert f.plan(x, 7.5).is_known
    text = f.explain(x, a=3.5)
    assert "exp" in text
    assert f.explain(x, 3.5, level="lane") != text
    assert f.plan(x, 3.5, analyze=True).measured is not None
    with pytest.raises(ValueError, match="explain: level"):
        f.explain(x, 3.5, level="deep")
    with pytest.raises(TypeError, match="returned no array"):
        r.compile(lambda x: 3).plan(x)


def test_cycles_are_collected() -> None:
    class Box:
        function: Any

    def make() -> weakref.ref[Any]:
        box = Box()

        @r.compile
        def f(x: Any, other: Any) -> Any:
            return (x * 2.0, box if other is None else other)

        box.function = f
        f(np.ones(3), None)
        f(np.ones(3), box)
        return weakref.ref(box)

    reference = make()
    gc.collect()
    assert reference() is None


def test_results_do_not_leak() -> None:
    f = r.compile(lambda x: x * 2.0)
    x = np.ones(1000)
    f(x)
    gc.collect()
    before = r.memory.stats()["in_use_bytes"]
    for _ in range(100):
        f(x)
    assert r.memory.stats()["in_use_bytes"] == before


def test_many_threads() -> None:
    runs = []

    @r.compile
    def f(x: Any, a: float) -> Any:
        runs.append(x.shape)
        return r.sqrt(x) * a + x

    barrier = threading.Barrier(8)
    failures: list[Any] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        barrier.wait()
        for turn in range(200):
            n = int(rng.integers(1, 6))
            x, a = rng.random(n * 1000 if turn % 50 == 0 else n), float(rng.random()) + 3.0
            got = f(x, a)
            if not np.array_equal(got, np.sqrt(x) * a + x):
                failures.append((seed, turn))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    hits, misses = counts(f)
    assert hits + misses >= 8 * 200
    assert misses == len(runs)


def test_a_number_used_by_another_thread_while_tracing() -> None:
    def f(x: Any, a: float) -> Any:
        result: list[Any] = []
        thread = threading.Thread(target=lambda: result.append(x * 2.5 if a > 3 else x * a))
        thread.start()
        thread.join()
        return result[0]

    compiled = r.compile(f)
    x = np.ones(3)
    for a in (1.5, 2.5, 7.0, 1.75):
        assert compiled(x, a)[0] == (2.5 if a > 3 else a)
    assert compiled.cache_info().misses == 2
