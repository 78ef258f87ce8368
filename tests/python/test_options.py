"""Options: of one call, and of a `with` block in its thread or task."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest
import raptors as r
from raptors import _core

FUNCTIONS: dict[str, dict[str, Any]] = {op["name"]: op for op in _core.op_table() if op["ulp"] > 0}


@pytest.fixture
def y() -> Any:
    return r.lazy(np.linspace(0.0, 1.0, 8)) * 3.0


def known(y: Any, **options: Any) -> bool:
    """Whether the plan for these options exists; it does afterwards."""
    return "(known before)" in y.plan(**options).text()


def test_a_plan_serves_the_options_it_was_made_for(y: Any) -> None:
    for fp in ("strict", "contract", "fast"):
        r.clear_plan_cache()
        y.eval(fp=fp)
        assert [known(y, fp=mode) for mode in ("strict", "contract", "fast")] == [
            mode == fp for mode in ("strict", "contract", "fast")
        ]


def test_everything_that_evaluates_takes_options(y: Any) -> None:
    out = np.empty(8)
    assert y.eval(out, fp="fast") is out
    assert np.array_equal(r.eval(y, y, fp="fast")[0], out)
    assert r.plan(y, fp="fast").kernels == y.plan(fp="fast").kernels == 1
    assert y.explain(fp="fast").startswith("plan")


@pytest.mark.parametrize(
    "evaluate",
    [
        lambda y: y.eval(),
        r.eval,
        lambda y: y.cache(),
        np.asarray,
        lambda y: y.tolist(),
        str,
        lambda y: r.lazy(y, copy=True),
        np.from_dlpack,
        memoryview,
    ],
)
def test_a_block_holds_for_whatever_evaluates_in_it(y: Any, evaluate: Any) -> None:
    r.clear_plan_cache()
    with r.options(fp="fast"):
        evaluate(y)
    z = r.lazy(np.linspace(0.0, 1.0, 8)) * 3.0
    assert (known(z), known(z, fp="fast")) == (False, True)


def test_blocks_nest_and_end_with_exceptions(y: Any) -> None:
    r.clear_plan_cache()
    fast = r.options(fp="fast")
    with fast, pytest.raises(ZeroDivisionError), r.options(fp="contract"), fast:
        raise ZeroDivisionError
    with fast:
        with r.options(fp="contract"), r.options():
            y.plan()
        assert not known(y)
        assert known(y, fp="contract")
    assert not known(y)


def test_threads_have_blocks_of_their_own(y: Any) -> None:
    r.clear_plan_cache()
    with r.options(fp="fast"):
        thread = threading.Thread(target=y.eval)
        thread.start()
        thread.join()
        assert not known(y)
    assert known(y, fp="strict")


def test_tasks_have_blocks_of_their_own() -> None:
    x = r.lazy(np.ones(4))
    seen: dict[str, list[bool]] = {}

    async def task(fp: Any, y: Any) -> None:
        with r.options(fp=fp):
            for _ in range(3):
                await asyncio.sleep(0)
                y.plan()
        seen[fp] = [known(y, fp=mode) for mode in ("strict", "contract", "fast")]

    async def main() -> None:
        await asyncio.gather(task("fast", x * 3.0), task("contract", x + 3.0), task("strict", x - 3.0))

    r.clear_plan_cache()
    asyncio.run(main())
    assert seen == {
        "strict": [True, False, False],
        "contract": [False, True, False],
        "fast": [False, False, True],
    }


def test_mistakes_say_what_is_allowed(y: Any) -> None:
    for call, name in ((y.eval, "eval"), (y.plan, "plan"), (y.explain, "explain"), (r.options, "options")):
        with pytest.raises(
            ValueError, match=f'^{name}: fp is "quick", needs one of "strict", "contract", "fast"$'
        ):
            call(fp="quick")
        with pytest.raises(TypeError, match=f"^{name}: fp is int, needs one of "):
            call(fp=1)
        with pytest.raises(
            TypeError, match=f'^{name}: there is no option "ffp", the options are: fp, max_memory, threads$'
        ):
            call(ffp="fast")


def test_contract_rounds_a_product_and_a_sum_once() -> None:
    x = np.array([1.0 + 2.0**-30])
    y = r.lazy(x) * r.lazy(x) - r.lazy(np.array([1.0 + 2.0**-29]))
    assert y.eval(fp="strict") == x * x - (1.0 + 2.0**-29) == 0.0
    assert y.eval(fp="contract") == 2.0**-60
    assert "fused-multiply-add subtract: x * y + z = fma(x, y, z) (contracts)" in y.explain(fp="contract")


def test_wider_modes_stay_close(rng: np.random.Generator) -> None:
    a, b, c = (rng.uniform(1.0, 2.0, (50, 40)) for _ in range(3))
    x, y, z = r.lazy(a), r.lazy(b), r.lazy(c)
    for lazy, want in [
        (x * y + z, a * b + c),
        (z - x * y, c - a * b),
        (x / 3.0 / 7.0, a / 3.0 / 7.0),
        (x * 3.0 * 7.0 + 1.5 + 2.5, a * 3.0 * 7.0 + 1.5 + 2.5),
        (x * z + y * z, a * c + b * c),
        (x / y / z, a / b / c),
        ((x + 0.0) ** 2.0 + x**0.5, a**2 + a**0.5),
        (x * 0.0 + (x - x), np.zeros_like(a)),
        (r.sum(r.sum(x, axis=0)), a.sum()),
        (r.sum(r.broadcast_to(x, (3, 50, 40)), axis=0), a * 3.0),
    ]:
        for fp in ("strict", "contract", "fast"):
            np.testing.assert_allclose(lazy.eval(fp=fp), want, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_within_4_ulp_in_fast_mode(name: str, dtype: str, rng: np.random.Generator) -> None:
    low, high = FUNCTIONS[name]["domain"]
    operands = [rng.uniform(low, high, 5000).astype(dtype) for _ in range(FUNCTIONS[name]["arity"])]
    y = getattr(r, name)(*map(r.lazy, operands))
    strict, fast = y.eval(), y.eval(fp="fast")
    # For float64 it may itself be a unit from the exact result.
    want = getattr(r, name)(*(r.lazy(operand.astype(np.float64)) for operand in operands)).eval()
    unit = np.spacing(np.abs(want.astype(dtype))).astype(np.float64)
    assert np.max(np.abs(fast - want) / unit) <= (4 if dtype == "float32" else 5)
    assert np.array_equal(y.eval(), strict)


def test_relaxed_functions_are_there_in_fast_mode_alone() -> None:
    y = r.sin(r.lazy(np.linspace(0.0, 1.0, 100)))
    assert "relaxed_sin" in y.plan(fp="fast").text()
    for fp in ("strict", "contract"):
        assert "relaxed" not in y.plan(fp=fp).text()
    assert not hasattr(r, "relaxed_sin")
    assert not any(op["name"].startswith("relaxed") for op in _core.op_table())


def test_integers_are_divided_by_powers_of_two_without_dividing() -> None:
    n = np.arange(-40, 40, dtype=np.int32)
    for power in (2, 16, 1 << 30):
        quotient, rest = r.lazy(n) // power, r.lazy(n) % power
        assert np.array_equal(quotient.eval(), n // power)
        assert np.array_equal(rest.eval(), n % power)
        assert "integer-power-of-two" in quotient.explain()
        assert "integer-power-of-two" in rest.explain()


def test_threads() -> None:
    x = r.lazy(np.ones((1000, 1000)))
    y = r.sin(x) * 2.0 + x
    assert [kernel["threads"] for kernel in y.plan(analyze=True, threads=1).measured["kernels"]] == [1]
    with r.options(threads=1):
        one = y.eval()
    assert np.array_equal(one, y.eval(threads=None))
    for wrong, error in [(0, ValueError), (-1, ValueError), ("1", TypeError), (1.5, TypeError)]:
        with pytest.raises(error, match=r"eval: threads is .* needs a number of threads from 1 on"):
            y.eval(threads=wrong)
