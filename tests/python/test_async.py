"""Evaluations that an event loop awaits."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest
import raptors as r


def long(seconds: float) -> r.Array:
    """About so many seconds of work, that takes little memory."""
    return r.sum(r.tanh(r.arange(0.0, seconds * 4e8)))


def run(main: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(main)


def test_await_gives_what_eval_gives(rng: np.random.Generator) -> None:
    async def main() -> None:
        for size in (0, 3, 1_000, 3_000_000):
            a = rng.uniform(-1.0, 1.0, size)
            x = r.lazy(a)
            for _ in range(2):
                np.testing.assert_array_equal(await (x * 2.0 + 1.0), a * 2.0 + 1.0)
            y, z = await r.eval_async(x + 1.0, r.sum(x * 0.0))
            np.testing.assert_array_equal(y, a + 1.0)
            assert z == 0.0
            assert await r.eval_async() == ()

    run(main())


def test_out_is_written_and_returned() -> None:
    async def main() -> None:
        a = np.arange(500_000.0)
        out = np.empty_like(a)
        (result,) = await r.eval_async(r.lazy(a) * 2.0, out=out)
        assert result is out
        np.testing.assert_array_equal(out, a * 2.0)
        with pytest.raises(ValueError, match="eval_async: 2 out arrays for 1 results"):
            r.eval_async(r.lazy(a), out=[out, out])

    run(main())


def test_mistakes_arrive() -> None:
    async def main() -> None:
        x = r.lazy(np.ones(1_000_000))
        with pytest.raises(MemoryError, match="max_memory"):
            await r.eval_async(x + 1.0, max_memory=10)
        with pytest.raises(TypeError, match="there is no option"):
            await r.eval_async(x, fpp="fast")
        with pytest.raises(TypeError, match="eval_async: an argument is"):
            await r.eval_async(3)  # type: ignore[arg-type]

    run(main())


def test_options_are_those_of_who_asks() -> None:
    async def with_little(x: r.Array) -> None:
        with r.options(max_memory=10):
            await asyncio.sleep(0)
            with pytest.raises(MemoryError):
                await x

    async def with_all(x: r.Array) -> None:
        await asyncio.sleep(0)
        assert (await x)[0] == 2.0

    async def main() -> None:
        x = r.lazy(np.ones(1_000_000)) + 1.0
        await asyncio.gather(*(task(x) for task in (with_little, with_all) * 4))
        with r.options(max_memory=10):
            asked = r.eval_async(x)
        with pytest.raises(MemoryError):
            await asked

    run(main())


def test_the_loop_goes_on_meanwhile() -> None:
    async def main() -> int:
        beats = 0
        task = asyncio.ensure_future(r.eval_async(long(1.0)))
        while not task.done():
            await asyncio.sleep(0.01)
            beats += 1
        await task
        return beats

    assert run(main()) > 10


def test_many_requests_at_once(rng: np.random.Generator) -> None:
    arrays = [rng.uniform(-1.0, 1.0, (300, 300)) for _ in range(20)]

    async def request(a: np.ndarray) -> None:
        for n in range(5):
            x = r.lazy(a) * float(n)
            np.testing.assert_array_equal(
                await r.sum(x * x + 1.0, axis=1), (r.lazy(a) * float(n) * x + 1.0).sum(1).eval()
            )

    async def main() -> None:
        await asyncio.gather(*map(request, arrays))

    run(main())


def test_cancelling_the_task_stops_the_evaluation() -> None:
    async def main() -> list[float]:
        times = []
        for _ in range(3):
            task = asyncio.ensure_future(r.eval_async(long(60.0)))
            await asyncio.sleep(0.2)
            begun = time.perf_counter()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            times.append(time.perf_counter() - begun)
        assert (await (r.lazy(np.ones(200_000)) + 1.0))[-1] == 2.0
        return times

    assert min(run(main())) < 0.1


def test_a_timeout_stops_it() -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(r.eval_async(long(60.0)), 0.2)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await long(60.0)

    begun = time.perf_counter()
    run(main())
    assert time.perf_counter() - begun < 20.0


def test_what_waits_for_its_turn_can_be_cancelled() -> None:
    async def main() -> None:
        running = [asyncio.ensure_future(r.eval_async(long(60.0))) for _ in range(r.num_threads() + 3)]
        await asyncio.sleep(0.1)
        for task in running:
            task.cancel()
        results = await asyncio.gather(*running, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)

    run(main())


def test_the_end_of_the_loop_stops_what_runs() -> None:
    async def main() -> None:
        asyncio.ensure_future(r.eval_async(long(60.0)))  # noqa: RUF006
        await asyncio.sleep(0.2)

    begun = time.perf_counter()
    run(main())
    assert time.perf_counter() - begun < 20.0


def test_a_donated_input_is_lost_when_its_overwriting_is_cancelled() -> None:
    async def main() -> None:
        a = np.ones(4_000_000)
        x = r.lazy(a, donate=True)
        y = x
        for _ in range(300):
            y = r.tanh(y)
        task = asyncio.ensure_future(r.eval_async(y))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(ValueError, match="overwritten"):
            await y
        assert (await (r.lazy(a) * 0.0 + 1.0))[0] == 1.0

    run(main())


def test_awaits_are_listed_by_their_lines() -> None:
    async def main() -> None:
        r.reset_evaluations()
        await (r.lazy(np.ones(3)) + 1.0)
        await r.eval_async(r.lazy(np.ones(3)) + 1.0)

    run(main())
    listed = [row for row in r.evaluations().forced if row["by"] == "await"]
    assert [row["count"] for row in listed] == [1, 1]
    assert all("test_async.py" in row["line"] for row in listed)
    assert not any(row["implicit"] for row in listed)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_awaits() -> None:
    async def main() -> float:
        return float((await (r.lazy(np.ones(2_000_000)) + 1.0))[-1])

    assert run(main()) == 2.0
    child = os.fork()
    if child == 0:
        os._exit(0 if run(main()) == 2.0 else 1)
    assert os.waitpid(child, 0)[1] == 0
