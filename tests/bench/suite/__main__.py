"""One table: rows are workloads at a size and dtype, columns are libraries.

    python -m suite                                 # all of it, about a quarter of an hour
    python -m suite --only softmax --peers jax      # rows whose name contains a word, some peers
    python -m suite --threads 1                     # every library on one thread

In a row every library's result is compared with NumPy's first; then all run in turns, and the cells are
medians, marked with ~ where the quartiles lie more than 2 % apart. `peer` is the fastest peer's time by
raptors', `numpy` NumPy's, `compiled` the plain form's by that of `@r.compile`, `limit` the share of what the
machine allows that raptors reaches, where memory or arithmetic bound the row.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .peers import OURS, PEERS, Peer, Unsupported, installed, restrict_threads
from .results import Figures, Run, cpu_name, duration, geometric_mean, load
from .workloads import Row, rows

STARTS = {
    "raptors": "import numpy, raptors as r; (r.lazy(numpy.ones(9)) * 2.0).eval()",
    "numpy": "import numpy; numpy.ones(9) * 2.0",
    "numexpr": "import numpy, numexpr; a = numpy.ones(9); numexpr.evaluate('a * 2.0')",
    "numba": "import numpy, numba; numba.njit(lambda x: x * 2.0)(numpy.ones(9))",
    "jax": "import jax; jax.jit(lambda x: x * 2.0)(jax.numpy.ones(9)).block_until_ready()",
    "torch": "import torch; torch.compile(lambda x: x * 2.0)(torch.ones(9))",
    "mlx": "import mlx.core as mx; mx.eval(mx.ones(9) * 2.0)",
}
CELL = 9
# Peers that compile.
COMPILERS = ("numba", "jax", "torch", "mlx")
# What a peer may take to compile a row.
FIRST_SECONDS = 20
# From when on what takes long to compile is left out, so that all of it takes 20 minutes.
MINUTES_OF_TORCH = 9


def is_close(found: Any, expected: Any) -> bool:
    """Whether a result is NumPy's but for rounding, in sums of large arrays too."""
    import numpy as np

    found, expected = np.asarray(found), np.asarray(expected)
    if found.shape != expected.shape:
        return False
    if expected.dtype.kind != "f":
        return np.array_equal(found, expected)
    tolerance = 1e-3 if expected.dtype == np.float32 else 1e-9
    return bool(np.allclose(found, expected, rtol=tolerance, atol=tolerance, equal_nan=True))


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raises `TimeoutError` in Python code that takes longer, where there are such signals."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(*_: object) -> None:
        raise TimeoutError(f"it took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    # Again and again: an exception in a callback of the garbage collector is lost.
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def without_torch(peers: list[Peer], minutes: float) -> list[Peer]:
    """The peers, without the one that takes seconds to compile a row where the run has taken long."""
    if minutes < MINUTES_OF_TORCH or not any(peer.name == "torch" for peer in peers):
        return peers
    print(f"  torch is left out from here on: the run has taken {minutes:.0f} minutes")
    return [peer for peer in peers if peer.name != "torch"]


def figures(row: Row, peers: list[Peer], limits: Any, seconds: float) -> Figures | None:
    """The row's times; peers that have no form of it, or compute something else, are left out."""
    from .timing import in_turns

    inputs = row.inputs()
    expected = next(peer for peer in peers if peer.name == "numpy").call(row, inputs)()
    calls, first = {}, {}
    for peer in peers:
        try:
            call = peer.call(row, inputs)
            with limited(FIRST_SECONDS):
                start = time.perf_counter()
                result = call()
                seconds_taken = time.perf_counter() - start
        except (Unsupported, *peer.refusals):
            continue
        except Exception as error:  # Whatever a peer raises for what it does not have.
            print(f"  {peer.name} is left out of {row.name}: {type(error).__name__}: {error}".splitlines()[0])
            continue
        first[peer.name] = seconds_taken
        if is_close(result, expected):
            calls[peer.name] = call
        else:
            print(f"  {peer.name} is left out of {row.name}: its result is not NumPy's")
    if "raptors" not in calls:
        return None
    times = in_turns(calls, seconds)
    return Figures(row.name, times, first, limits.seconds(row, inputs, expected), load())


def start_seconds(name: str) -> float | None:
    """From starting Python to a first result, the median of three."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", STARTS[name]], capture_output=True, check=False)
        if done.returncode:
            return None
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def show(row: Figures, columns: list[str]) -> None:
    """One line of the table."""
    cells = []
    for name in columns:
        times = row.times.get(name)
        text = "-" if times is None else duration(times.median) + ("" if times.is_steady else "~")
        cells.append(f"{text:>{CELL}}")
    compiled = row.times.get("compiled")
    faster = row.times["raptors"].median / compiled.median if compiled else None
    ratios = (row.ratio, row.numpy_ratio, faster, row.share_of_limit)
    shown = "".join(f"{'-' if ratio is None else f'{ratio:.2f}':>{CELL}}" for ratio in ratios)
    print(f"{row.name:<34}{''.join(cells)}{shown}  {row.best}", flush=True)


def show_first_calls(run: Run, columns: list[str]) -> None:
    """What a graph never seen before takes, compiling included: the smallest row of each workload."""
    heads = (*columns, *(f"{name}/ours" for name in COMPILERS))
    print(f"{'first call':<34}{''.join(f'{head:>{CELL + 2}}' for head in heads)}")
    for row in run.smallest():
        cells = [duration(row.first[name]) if name in row.first else "-" for name in columns]
        for name in COMPILERS:
            cells.append(f"{row.first[name] / row.first['raptors']:.0f}" if name in row.first else "-")
        print(f"{row.name:<34}{''.join(f'{cell:>{CELL + 2}}' for cell in cells)}")


def summary(run: Run) -> None:
    """Geometric means, and the rows that fall short."""
    slow = [row for row in run.rows if row.ratio < 1.0]
    behind = [row for row in run.rows if row.numpy_ratio < 1.0]
    for title, ratios in (
        ("against the fastest peer", [row.ratio for row in run.rows]),
        ("against NumPy", [row.numpy_ratio for row in run.rows]),
        (
            "@r.compile against the fastest peer",
            [row.compiled_ratio for row in run.rows if row.compiled_ratio],
        ),
    ):
        print(f"geometric mean {title:<36} {geometric_mean(ratios):.2f}")
    for name in COMPILERS:
        both = [row.first[name] / row.first["raptors"] for row in run.smallest() if name in row.first]
        if both:
            print(f"first call: {name} takes {geometric_mean(both):.0f} times as long")
    for title, rows_ in (("slower than the fastest peer", slow), ("slower than NumPy", behind)):
        print(f"{title}: {len(rows_)} of {len(run.rows)} rows")
    for row in sorted(slow, key=lambda row: row.ratio):
        print(f"  {row.ratio:.2f} of {row.best:<8} {row.name}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="suite", description="Time raptors and its peers.")
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--peers", default="", help="peers, separated by commas (default: all)")
    parser.add_argument("--threads", type=int, default=0, help="threads of each library (default: its own)")
    parser.add_argument("--seconds", type=float, default=300.0, help="time to measure in (default 300)")
    parser.add_argument("--out", type=Path, help="where figures go (default: by CPU, of all rows)")
    arguments = parser.parse_args()
    if arguments.threads:
        restrict_threads(arguments.threads)

    from . import limits

    wanted = [name for name in arguments.peers.split(",") if name]
    if unknown := [name for name in wanted if name not in PEERS]:
        parser.error(f"no peer {', '.join(unknown)}; there are {', '.join(PEERS)}")
    names = [name for name in PEERS if not wanted or name in (*wanted, "numpy", *OURS)]
    table = [row for row in rows() if arguments.only in row.name]
    if not table:
        parser.error(f"no row has {arguments.only!r} in its name")
    peers = installed(names)
    library = next((peer.module for peer in peers if peer.name == "raptors"), None)
    if library is None:
        return 1
    run = Run(cpu_name(), library.num_threads(), {peer.name: peer.version for peer in peers})
    print(f"{run.cpu}; {os.cpu_count()} CPUs; raptors on {run.threads} threads; load {load():.2f}")
    print(", ".join(f"{peer.name} {peer.version}" for peer in peers))
    roof = limits.measured(library)
    columns = [peer.name for peer in peers]
    heads = (*columns, "peer", "numpy", "compiled", "limit")
    print(f"{'':<34}{''.join(f'{head:>{CELL}}' for head in heads)}  fastest peer")
    wrong = []
    begun = time.monotonic()
    for row in table:
        peers = without_torch(peers, (time.monotonic() - begun) / 60)
        if (measured := figures(row, peers, roof, arguments.seconds / len(table))) is None:
            wrong.append(row.name)
            continue
        run.rows.append(measured)
        show(measured, columns)
    show_first_calls(run, columns)
    if not arguments.only:
        run.starts = {
            name: seconds for name in columns if name in STARTS and (seconds := start_seconds(name))
        }
        print(
            "start to first result: " + ", ".join(f"{name} {duration(s)}" for name, s in run.starts.items())
        )
    summary(run)
    path = arguments.out or (
        run.path() if not arguments.only and not wanted and not arguments.threads else None
    )
    if path is not None:
        run.write(path)
        print(f"wrote {os.path.relpath(path)}")
        try:
            from .plot import draw

            for ending in (".svg", ".png"):
                draw(run, path.with_suffix(ending))
                print(f"wrote {os.path.relpath(path.with_suffix(ending))}")
        except ImportError:
            print("no picture: matplotlib is not installed")
    for name in wrong:
        print(f"raptors has no figure in {name}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
