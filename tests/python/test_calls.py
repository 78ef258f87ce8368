"""`lazy`, `eval` and `Array.eval` in every form of a call: the commonest take a way of their own."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import raptors as r

Array = type(r.lazy(1.0))


def test_signatures_and_documentation() -> None:
    assert str(inspect.signature(Array.eval)) == "(self, /, out=None, **options)"
    assert str(inspect.signature(r.lazy)) == "(obj, /, *, copy=False, donate=False, dtype=None)"
    assert str(inspect.signature(r.eval)) == "(*arrays, out=None, **options)"
    for function, word in ((Array.eval, "ndarray"), (r.lazy, "borrowed"), (r.eval, "together")):
        assert word in function.__doc__
    assert (Array.eval.__qualname__, r.lazy.__name__, r.eval.__name__) == ("Array.eval", "lazy", "eval")
    assert r.lazy.__module__ == "raptors._core"


def test_forms_of_eval(rng: np.random.Generator) -> None:
    a = rng.uniform(1.0, 2.0, 30)
    for _ in range(3):
        out = np.empty(30)
        y = r.lazy(a) * 3.5
        results = [y.eval(), y.eval(None), y.eval(out=None), y.eval(threads=1), Array.eval(y)]
        results += [y.eval(out), y.eval(out=out), y.eval(out, fp="fast"), *r.eval(y), *r.eval(y, out=out)]
        results += [*r.eval(y, threads=1), *r.eval(*[y])]
        assert [result is out for result in results].count(True) == 4
        for result in results:
            np.testing.assert_array_equal(result, a * 3.5)
    assert r.eval() == ()


def test_forms_of_lazy(rng: np.random.Generator) -> None:
    a = rng.uniform(1.0, 2.0, 5)
    x = r.lazy(a)
    assert r.lazy(x) is not None
    assert r.lazy(a, dtype="float32").dtype == r.float32
    assert r.lazy([1, 2]).shape == (2,)
    copied = r.lazy(a, copy=True)
    expected = a.copy()
    a[:] = 0.0
    np.testing.assert_array_equal(copied.eval(), expected)
    np.testing.assert_array_equal(x.eval(), a)


def test_mistakes_in_calls() -> None:
    y = r.lazy(np.ones(3)) + 1.5
    for _ in range(2):
        y.eval()
        with pytest.raises(TypeError, match="nope"):
            y.eval(nope=1)
        with pytest.raises(TypeError, match=r"Array\.eval\(\)"):
            y.eval(None, None)
        with pytest.raises(TypeError, match="out"):
            y.eval(None, out=None)
        with pytest.raises(TypeError, match=r"lazy\(\)"):
            r.lazy()
        with pytest.raises(TypeError, match=r"lazy\(\)"):
            r.lazy(1.0, 2.0)
        with pytest.raises(TypeError, match="obj"):
            r.lazy(obj=1.0)
        with pytest.raises(TypeError, match="wrap it with lazy"):
            r.eval(y, np.ones(3))
        with pytest.raises(TypeError, match="masked"):
            r.lazy(np.ma.masked_array([1.0]))
        with pytest.raises(TypeError, match="Array"):
            Array.eval(3)


FORMS = {
    "sum": lambda x, y: [x.sum()],
    "sums": lambda x, y: [(x * y).sum(), (x - y).sum()],
    "rows": lambda x, y: [x.reshape(1, -1).sum(0), r.stack([x, y]).sum(1)],
    "products and sum": lambda x, y: [x * y, (x * y).sum()],
    "integers": lambda x, y: [(x * 100.0).astype("int32").sum()],
    "two": lambda x, y: [x * 2.0, x + y],
    "one twice": lambda x, y: (lambda z: [z, z])(x * 3.25),
    "long": lambda x, y: [((((x + 1.25) * y - 3.5) * x + y) * 0.75 - y) / 7.5],
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("n", [0, 1, 10, 1000, 2048, 2049, 5000])
def test_what_is_at_hand_gives_the_bits_of_a_new_plan(name: str, n: int, rng: np.random.Generator) -> None:
    form, a, b = FORMS[name], rng.uniform(1.0, 2.0, n), rng.uniform(1.0, 2.0, n)
    r.clear_plan_cache()
    first = [result.tobytes() for result in r.eval(*form(r.lazy(a), r.lazy(b)))]
    for _ in range(3):
        again = r.eval(*form(r.lazy(a), r.lazy(b)))
        assert [result.tobytes() for result in again] == first
        assert len({result.ctypes.data for result in again if result.size}) == sum(x.size > 0 for x in again)
    info = r.cache_info()
    assert (info["hits"], info["misses"]) == (3, 1)
    alone = [array.eval().tobytes() for array in form(r.lazy(a), r.lazy(b))]
    again = [array.eval().tobytes() for array in form(r.lazy(a), r.lazy(b))]
    assert alone == again
