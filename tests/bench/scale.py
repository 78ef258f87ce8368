"""`a * 2.0` against NumPy in one process: times, page faults and their ratio, for sizes in and out of cache.

    python tests/bench/scale.py            # the table, and out/bench_scale.json
    python tests/bench/scale.py --check    # also exit 1 where raptors is slower than it promises

A row is one size, dtype and mode. Both sides run in turns, in batches of a few milliseconds, until the row's
share of the time budget is spent; the figures are medians over the batches. Times whose quartiles lie more
than 20 % apart are marked with ~. Faults are minor page faults per call. Modes:

    dropped    the result is dropped at once
    alive      the previous result lives until the next one exists
    out        into a given array
    in place   a donated input against `a *= 2`
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import raptors as r

OUT = Path(__file__).resolve().parents[2] / "out" / "bench_scale.json"
DTYPES = ("float32", "float64")
SIDES = (512, 1024, 2048, 4096)
LENGTHS = (1, 10, 100, 1000)
# Short, so that a median is of calls and not of batches with a stall in each: one call from 30 us on.
BATCH_SECONDS = 0.00003
FEWEST_BATCHES = 7
MOST_BATCHES = 4000

Call = Callable[[], object]
Pair = tuple[Call, Call]


@dataclass
class Side:
    """One library's figures for a row: seconds per call and faults per call."""

    low: float
    median: float
    high: float
    faults: float

    @property
    def noisy(self) -> bool:
        return self.high > 1.2 * self.low


@dataclass
class Row:
    """One size, dtype and mode."""

    shape: tuple[int, ...]
    dtype: str
    mode: str
    numpy: Side
    raptors: Side
    batches: int

    @property
    def ratio(self) -> float:
        return self.numpy.median / self.raptors.median

    @property
    def least(self) -> float:
        """The ratio that is promised."""
        return 1.5 if self.mode == "alive" and self.shape[0] >= 2048 and len(self.shape) == 2 else 1.0


def dropped(a: np.ndarray) -> Pair:
    """Each result is collected before the next call."""

    def numpy() -> None:
        a * 2.0

    def raptors() -> None:
        (r.lazy(a) * 2.0).eval()

    return numpy, raptors


def alive(a: np.ndarray) -> Pair:
    """Each result lives until the next one exists, as in `y = f(y)` or a queue of frames."""
    held: list[np.ndarray | None] = [None, None]

    def numpy() -> None:
        held[0] = a * 2.0

    def raptors() -> None:
        held[1] = (r.lazy(a) * 2.0).eval()

    return numpy, raptors


def into(a: np.ndarray) -> Pair:
    """Into memory that is there already."""
    first, second = np.empty_like(a), np.empty_like(a)

    def numpy() -> None:
        np.multiply(a, 2.0, out=first)

    def raptors() -> None:
        (r.lazy(a) * 2.0).eval(out=second)

    return numpy, raptors


def in_place(a: np.ndarray) -> Pair:
    """The input's own memory. Values would double with every call, so they are zeros, which take as long."""
    first, second = np.zeros_like(a), np.zeros_like(a)

    def numpy() -> None:
        nonlocal first
        first *= 2.0

    def raptors() -> None:
        (r.lazy(second, donate=True) * 2.0).eval()

    return numpy, raptors


MODES: dict[str, Callable[[np.ndarray], Pair]] = {
    "dropped": dropped,
    "alive": alive,
    "out": into,
    "in place": in_place,
}


def faults() -> int:
    """Minor page faults of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def batch(call: Call, count: int) -> tuple[float, float]:
    """Seconds and faults per call over `count` calls."""
    faults_before, start = faults(), time.perf_counter()
    for _ in range(count):
        call()
    seconds = time.perf_counter() - start
    return seconds / count, (faults() - faults_before) / count


def calls_per_batch(call: Call) -> int:
    """How many calls fill a batch, after warming up."""
    count = 1
    while True:
        seconds = batch(call, count)[0] * count
        if seconds >= BATCH_SECONDS / 4 or count >= 1 << 20:
            return max(1, round(count * BATCH_SECONDS / seconds))
        count *= 4


def side(batches: list[tuple[float, float]]) -> Side:
    """Quartiles of the times, median of the faults."""
    seconds = sorted(seconds for seconds, _ in batches)
    low, median, high = statistics.quantiles(seconds, n=4)
    return Side(low, median, high, statistics.median(faults for _, faults in batches))


def measure(pair: Pair, seconds: float) -> tuple[Side, Side, int]:
    """Both calls of `pair` in turns for `seconds`; which goes first alternates."""
    counts = [calls_per_batch(call) for call in pair]
    for call, count in zip(pair, counts, strict=True):
        batch(call, count)
    results: tuple[list[tuple[float, float]], ...] = ([], [])
    end = time.perf_counter() + seconds
    while (done := len(results[0])) < FEWEST_BATCHES or (time.perf_counter() < end and done < MOST_BATCHES):
        for k in (0, 1) if done % 2 == 0 else (1, 0):
            results[k].append(batch(pair[k], counts[k]))
    return side(results[0]), side(results[1]), len(results[0])


def wrong_results(a: np.ndarray) -> list[str]:
    """The modes whose result is not NumPy's."""
    want, out = a * 2.0, np.empty_like(a)
    donated = a.copy()
    results = {
        "dropped": (r.lazy(a) * 2.0).eval(),
        "out": (r.lazy(a) * 2.0).eval(out=out),
        "in place": (r.lazy(donated, donate=True) * 2.0).eval(),
    }
    wrong = [
        mode for mode, got in results.items() if got.dtype != want.dtype or not np.array_equal(got, want)
    ]
    if results["out"] is not out or not np.shares_memory(results["in place"], donated):
        wrong.append("memory")
    return wrong


def duration(seconds: float) -> str:
    """Three digits with a unit."""
    for unit, scale in (("s ", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def show(row: Row) -> None:
    """One line of the table."""
    cells = [
        f"{' x '.join(map(str, row.shape)):>11}",
        f"{row.dtype:<8}",
        f"{row.mode:<9}",
        f"{duration(row.numpy.median):>8}{'~' if row.numpy.noisy else ' '}",
        f"{row.numpy.faults:>7.0f}",
        f"{duration(row.raptors.median):>8}{'~' if row.raptors.noisy else ' '}",
        f"{row.raptors.faults:>7.0f}",
        f"{row.ratio:6.2f}x",
        "" if row.ratio >= row.least else f"< {row.least}",
    ]
    print("  ".join(cells).rstrip(), flush=True)


def header() -> None:
    """What the columns are, and under which conditions."""
    load = ", ".join(f"{x:.2f}" for x in os.getloadavg())
    threads = f"NumPy {np.__version__}: 1 thread; raptors: {r.num_threads()} threads"
    print(f"{threads}; {os.cpu_count()} CPUs; load {load}")
    names = f"{'shape':>11}  {'dtype':<8}  {'mode':<9}"
    print(f"{names}  {'NumPy':>9}  {'faults':>7}  {'raptors':>9}  {'faults':>7}   ratio")


def main() -> int:
    parser = argparse.ArgumentParser(description="Time a * 2.0 with raptors and with NumPy.")
    parser.add_argument(
        "--check", action="store_true", help="exit 1 where raptors is slower than it promises"
    )
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="time budget of the whole table (default 60)"
    )
    arguments = parser.parse_args()

    cases = [((n,), dtype, mode) for n in LENGTHS for dtype in DTYPES for mode in ("dropped", "out")]
    cases += [((n, n), dtype, mode) for n in SIDES for dtype in DTYPES for mode in MODES]
    rng = np.random.default_rng(0)
    header()
    rows: list[Row] = []
    for shape, dtype, mode in cases:
        a = rng.random(shape).astype(dtype)
        if wrong := wrong_results(a):
            print(f"wrong results for {shape} {dtype}: {', '.join(wrong)}", file=sys.stderr)
            return 1
        rows.append(Row(shape, dtype, mode, *measure(MODES[mode](a), arguments.seconds / len(cases))))
        show(rows[-1])

    print("ratio: NumPy's time / raptors' time; ~: quartiles more than 20 % apart")
    print("load " + ", ".join(f"{x:.2f}" for x in os.getloadavg()) + " at the end")
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps([{**asdict(row), "ratio": row.ratio} for row in rows], indent=1) + "\n")
    print(f"wrote {os.path.relpath(OUT)}")
    slow = [row for row in rows if row.ratio < row.least]
    print(f"{len(rows) - len(slow)} of {len(rows)} rows reach their ratio")
    return 1 if arguments.check and slow else 0


if __name__ == "__main__":
    sys.exit(main())
