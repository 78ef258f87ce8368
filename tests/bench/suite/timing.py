"""Times of several calls, taken in turns, with what disturbs them: page faults, load and spread."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Call = Callable[[], Any]

# Short, so that a median is of calls and not of batches with a stall in each; long enough that what other
# libraries left in the caches counts for little.
BATCH_SECONDS = 0.0005
FEWEST_BATCHES = 5
FEWEST_CALLS = 3
# Threads of Numba (GNU OpenMP) spin for 6 ms when their work is done, OpenBLAS's for 100 ms, on the CPU that
# the next library would use. So a batch begins when the others have had a CPU for less than a part of a
# moment, or after this long. Linux counts in ticks of 4 ms.
MOMENT_SECONDS, MOST_MOMENTS = 0.005, 40
IDLE = 0.1
# Quartiles further apart than this are marked.
STEADY = 0.02


@dataclass(frozen=True)
class Times:
    """Quartiles of the seconds a call takes, and its page faults."""

    low: float
    median: float
    high: float
    faults: float

    @property
    def is_steady(self) -> bool:
        return self.high - self.low <= STEADY * self.median


def _faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def _others_seconds() -> float:
    """CPU time of all threads of this process but this one."""
    return time.process_time() - time.thread_time()


def _wait_for_others() -> None:
    """Waits until no other thread of this process runs; busily, since an idle CPU is slow for a while."""
    for _ in range(MOST_MOMENTS):
        before, end = _others_seconds(), time.perf_counter() + MOMENT_SECONDS
        while time.perf_counter() < end:
            pass
        if _others_seconds() - before < IDLE * MOMENT_SECONDS:
            return


def _alone(call: Call, count: int) -> tuple[float, float]:
    """A batch after another one, which wakes threads and finds the caches as others left them."""
    _wait_for_others()
    _batch(call, count)
    return _batch(call, count)


def _batch(call: Call, count: int) -> tuple[float, float]:
    """Seconds and page faults per call."""
    before, start = _faults(), time.perf_counter()
    for _ in range(count):
        call()
    seconds = time.perf_counter() - start
    return seconds / count, (_faults() - before) / count


def _calls_per_batch(call: Call) -> int:
    """Calls of a batch, by the fastest of a few: the first one meets cold caches."""
    if _batch(call, 1)[0] >= 20 * BATCH_SECONDS:
        return 1
    count = 1
    while True:
        seconds = min(_batch(call, count)[0] for _ in range(5)) * count
        if seconds >= BATCH_SECONDS / 4 or count >= 1 << 20:
            return max(FEWEST_CALLS, round(count * BATCH_SECONDS / seconds))
        count *= 4


def in_turns(calls: dict[str, Call], seconds: float) -> dict[str, Times]:
    """Every call warmed, then all in turns, in another order each time, for `seconds` at least."""
    counts = {name: _calls_per_batch(call) for name, call in calls.items()}
    batches: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    order = list(calls)
    end = time.perf_counter() + seconds
    done = 0
    while done < FEWEST_BATCHES or time.perf_counter() < end:
        for name in order:
            batches[name].append(_alone(calls[name], counts[name]))
        order = order[1:] + order[:1]
        done += 1
    return {name: _times(taken) for name, taken in batches.items()}


def _times(batches: list[tuple[float, float]]) -> Times:
    low, median, high = statistics.quantiles((seconds for seconds, _ in batches), n=4)
    return Times(low, median, high, statistics.median(faults for _, faults in batches))
