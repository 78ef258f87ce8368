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
# Of calls that take less than some milliseconds: the first of a batch finds the caches as others left them.
FEWEST_CALLS = 3
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
            batches[name].append(_batch(calls[name], counts[name]))
        order = order[1:] + order[:1]
        done += 1
    return {name: _times(taken) for name, taken in batches.items()}


def _times(batches: list[tuple[float, float]]) -> Times:
    low, median, high = statistics.quantiles((seconds for seconds, _ in batches), n=4)
    return Times(low, median, high, statistics.median(faults for _, faults in batches))
