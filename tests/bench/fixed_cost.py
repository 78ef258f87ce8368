"""What an evaluation costs beside its arithmetic, from Python: short arrays against NumPy, and stages.

    python tests/bench/fixed_cost.py            # both tables
    python tests/bench/fixed_cost.py --check    # also exit 1 where raptors is slower than NumPy

Both sides run in turns, in batches of some hundred microseconds; a figure is the fastest batch's time per
call, which another process on the machine cannot make shorter. `ratio` is NumPy's time by ours: above 1,
raptors is faster.
"""

from __future__ import annotations

import argparse
import sys
import timeit

import numpy as np
import raptors as r

LENGTHS = (0, 10, 100, 1000)
# What is timed: name, NumPy's expression, ours.
ROWS = (
    ("a*2", "a * 2.0", "(lazy(a) * 2.0).eval()"),
    ("a+b", "a + b", "(lazy(a) + b).eval()"),
    ("chain of 3", "(a * 2.0 + b) - 1.5", "((lazy(a) * 2.0 + b) - 1.5).eval()"),
    ("chain of 10", "t(a, b)", "t(lazy(a), b).eval()"),
    ("sum", "a.sum()", "lazy(a).sum().eval()"),
    ("two results", "(a * 2.0, a + b)", "two(lazy(a), b)"),
    ("compiled a*2", "a * 2.0", "twice(a)"),
    ("compiled a*s+b", "a * 3.5 + b", "saxpy(a, 3.5, b)"),
    ("compiled of 10", "t(a, b)", "ten(a, b)"),
    ("compiled sum", "a.sum()", "total(a)"),
)
STAGES = (
    ("a call of a method", "", "a.__len__()"),
    ("lazy(a)", "", "lazy(a)"),
    ("x * 2.0", "", "x * 2.0"),
    ("x + x", "", "x + x"),
    ("x + b", "", "x + b"),
    ("x.sum()", "", "x.sum()"),
    ("(x * 2.0).eval()", "", "y.eval()"),
    ("chain of 10 .eval()", "", "z.eval()"),
)


def ten(a, b):
    """Ten ops."""
    x = a * 2.0 + b
    x = (x - 1.5) * a
    x = x + 3.5
    x = (x * b - a) * 1.25
    return (x + b) * 0.75


def two(x, b):
    """Two results of one evaluation."""
    return r.eval(x * 2.0, x + b)


def names(length: int) -> dict[str, object]:
    """What the expressions name."""
    a, b = np.linspace(1.0, 2.0, length), np.linspace(2.0, 3.0, length)
    x = r.lazy(a)
    return {
        "a": a,
        "b": b,
        "x": x,
        "y": x * 2.0,
        "z": ten(x, b),
        "t": ten,
        "two": two,
        "lazy": r.lazy,
        "twice": r.compile(lambda a: a * 2.0),
        "saxpy": r.compile(lambda a, s, b: a * s + b),
        "ten": r.compile(ten),
        "total": r.compile(lambda a: a.sum()),
    }


def fastest(statements: list[str], scope: dict[str, object], batches: int) -> list[float]:
    """Nanoseconds per call of each statement, the fastest of its batches."""
    timers = [timeit.Timer(statement, globals=scope) for statement in statements]
    # The first calls compile.
    counts = [max(10, int(3e-4 / max(timer.timeit(3) / 3, 1e-8))) for timer in timers]
    counts = [max(10, int(3e-4 / max(timer.timeit(10) / 10, 1e-8))) for timer in timers]
    best = [float("inf")] * len(timers)
    for _ in range(batches):
        for n, (timer, count) in enumerate(zip(timers, counts, strict=True)):
            best[n] = min(best[n], timer.timeit(count) / count)
    return [seconds * 1e9 for seconds in best]


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    scopes = {length: names(length) for length in LENGTHS}
    slower = 0
    print(f"{'':16}" + "".join(f"{f'n = {length}':>26}" for length in LENGTHS))
    print(f"{'':16}" + f"{'NumPy':>10}{'raptors':>9}{'ratio':>7}" * len(LENGTHS))
    for name, numpy, ours in ROWS:
        print(f"{name:16}", end="")
        for length in LENGTHS:
            theirs, own = fastest([numpy, ours], scopes[length], arguments.batches)
            slower += own > theirs
            print(f"{theirs:10.0f}{own:9.0f}{theirs / own:7.2f}", end="", flush=True)
        print()
    print(f"\nStages at n = {LENGTHS[1]}, ns")
    costs = fastest([statement for *_, statement in STAGES], scopes[LENGTHS[1]], arguments.batches)
    for (name, *_), cost in zip(STAGES, costs, strict=True):
        print(f"{name:24}{cost:8.0f}")
    return int(arguments.check and slower > 0)


if __name__ == "__main__":
    sys.exit(main())
