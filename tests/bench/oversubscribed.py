"""Evaluations on a machine that is busy: a spinning process for each core.

    python tests/bench/oversubscribed.py [seconds per cell]

Prints, for kernels of about 30 us to 3 ms, the times of `out=` evaluations with 1, 2, 4 and 8 threads on
the machine as it is and beside a spinning process per core, as ratios to one thread on the machine as it
is: median, 99th percentile and most. What is looked for: a median within 10 % of what one thread gets there
(beside equally many spinners a thread gets half of a core), and no tail that grows with the number of
workers.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import raptors as r

THREADS = (1, 2, 4, 8)
SIZES = (30_000, 300_000, 3_000_000)


@contextmanager
def spinning(processes: int) -> Iterator[None]:
    """So many processes that compute all the time."""
    spinners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        time.sleep(0.3)
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


def times(y: r.Array, out: np.ndarray, seconds: float) -> np.ndarray:
    """Of evaluations with a pause between them, as a program that does other things has it."""
    taken = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        begun = time.perf_counter()
        y.eval(out=out)
        taken.append(time.perf_counter() - begun)
        time.sleep(0.0002)
    return np.array(taken)


def measure(y: r.Array, out: np.ndarray, seconds: float) -> dict[int, np.ndarray]:
    """By number of threads; in turns, so that what else runs on the machine meets all alike."""
    pieces: dict[int, list[np.ndarray]] = {threads: [] for threads in THREADS}
    for _ in range(4):
        for threads in THREADS:
            r.set_num_threads(threads)
            pieces[threads].append(times(y, out, seconds / 4))
    r.set_num_threads(0)
    return {threads: np.concatenate(taken) for threads, taken in pieces.items()}


def main(seconds: float) -> None:
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    print(f"{cores} cores, load {load:.1f} before; ratios to one thread without spinners: median, 99 %, most")
    for size in SIZES:
        x = r.lazy(np.linspace(0.1, 1.0, size))
        y, out = r.sqrt(x * 2.0 + 1.0) / (x + 3.0), np.empty(size)
        quiet = measure(y, out, seconds)
        with spinning(cores):
            busy = measure(y, out, seconds)
        unit = float(np.median(quiet[1]))
        print(f"{size} float64, {1e6 * unit:.0f} us")
        for threads in THREADS:
            cells = []
            for taken in (quiet[threads], busy[threads]):
                median, tail = np.percentile(taken, [50, 99])
                cells.append(f"{median / unit:7.2f} {tail / unit:7.2f} {taken.max() / unit:7.1f}")
            print(f"  {threads} threads   quiet {cells[0]}   busy {cells[1]}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 2.0)
