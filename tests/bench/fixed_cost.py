"""What an evaluation costs beside its arithmetic, from Python: short arrays against NumPy, and stages.

    python tests/bench/fixed_cost.py                         # both tables
    python tests/bench/fixed_cost.py --only take --lengths 10,1000
    python tests/bench/fixed_cost.py --check                 # also exit 1 where raptors is slower than NumPy

Both sides run in turns, in batches of some hundred microseconds; a figure is the fastest batch's time per
call, which another process on the machine cannot make shorter. `plain` and `compiled` are NumPy's time by
ours, of an expression that is evaluated and of a call of a compiled function: above 1, raptors is faster.

Two-dimensional rows have about as many elements as the others.
"""

from __future__ import annotations

import argparse
import sys
import timeit
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import raptors as r

LENGTHS = (0, 10, 100, 1000)


@dataclass
class Row:
    """What is timed: NumPy's expression, ours, and the compiled function's with its arguments."""

    name: str
    numpy: str
    plain: str
    compiled: Callable | None
    arguments: str
    smallest: int = 0


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


def row(
    numpy: str, plain: str, compiled: Callable | None, arguments: str, *, name: str = "", smallest: int = 0
) -> Row:
    """A row that is named by NumPy's expression."""
    return Row(name or numpy, numpy, plain, compiled, arguments, smallest)


ROWS = (
    row("a * 2.0", "(lazy(a) * 2.0).eval()", lambda a: a * 2.0, "a"),
    row("a * 3.5 + b", "(lazy(a) * 3.5 + b).eval()", lambda a, s, b: a * s + b, "a, 3.5, b"),
    row("a + b", "(lazy(a) + b).eval()", lambda a, b: a + b, "a, b"),
    row("a + b", "(lazy(a) + lazy(b)).eval()", lambda a, b: a + b, "a, b", name="a + lazy(b)"),
    row("(a * 2.0 + b) - 1.5", "((lazy(a) * 2.0 + b) - 1.5).eval()", lambda a, b: a * 2.0 + b - 1.5, "a, b"),
    row("t(a, b)", "t(lazy(a), b).eval()", ten, "a, b", name="ten ops"),
    row("(a * 2.0, a + b)", "two(lazy(a), b)", lambda a, b: (a * 2.0, a + b), "a, b"),
    row("np.sqrt(a)", "r.sqrt(lazy(a)).eval()", r.sqrt, "a"),
    row("np.maximum(a, b)", "r.maximum(lazy(a), b).eval()", r.maximum, "a, b"),
    row("a < b", "(lazy(a) < b).eval()", lambda a, b: a < b, "a, b"),
    row("a.astype(F)", "lazy(a).astype(F).eval()", lambda a: a.astype(np.float32), "a"),
    row("np.where(m, a, b)", "r.where(lazy(m), a, b).eval()", r.where, "m, a, b"),
    row("a[::2] * 2.0", "(lazy(a)[::2] * 2.0).eval()", lambda a: a[::2] * 2.0, "a"),
    row("s * 2.0", "(lazy(s) * 2.0).eval()", lambda s: s * 2.0, "s", name="strided * 2.0"),
    row("A + B", "(lazy(A) + B).eval()", lambda x, y: x + y, "A, B"),
    row("A + v", "(lazy(A) + v).eval()", lambda x, y: x + y, "A, v"),
    row("A + T", "(lazy(A) + T).eval()", lambda x, y: x + y, "A, T", name="A + transposed"),
    row("a.copy()", "lazy(a).eval()", lambda a: +a, "a", name="copy"),
    row("T.copy()", "lazy(T).eval()", lambda a: +a, "T", name="copy transposed"),
    row("a.sum()", "lazy(a).sum().eval()", lambda a: a.sum(), "a"),
    row("a.max()", "lazy(a).max().eval()", lambda a: a.max(), "a", smallest=1),
    row("a.mean()", "lazy(a).mean().eval()", lambda a: a.mean(), "a", smallest=1),
    row("a.std()", "lazy(a).std().eval()", lambda a: a.std(), "a", smallest=1),
    row("m.any()", "lazy(m).any().eval()", lambda m: m.any(), "m"),
    row("a.argmax()", "lazy(a).argmax().eval()", lambda a: a.argmax(), "a", smallest=1),
    row("A.sum(0)", "lazy(A).sum(0).eval()", lambda a: a.sum(0), "A"),
    row("A.sum(1)", "lazy(A).sum(1).eval()", lambda a: a.sum(1), "A"),
    row("A.max(0)", "lazy(A).max(0).eval()", lambda a: a.max(0), "A", smallest=1),
    row("A.argmax(1)", "lazy(A).argmax(1).eval()", lambda a: a.argmax(1), "A", smallest=1),
    row("a.take(i)", "lazy(a).take(i).eval()", lambda a, i: a.take(i), "a, i"),
    row("a[i]", "lazy(a)[i].eval()", lambda a, i: a[i], "a, i"),
    # A shape that depends on values cannot be compiled.
    row("a[m]", "lazy(a)[m].eval()", None, ""),
    row("np.concatenate((a, b))", "r.concat((lazy(a), b)).eval()", lambda a, b: r.concat((a, b)), "a, b"),
    row("np.stack((a, b))", "r.stack((lazy(a), b)).eval()", lambda a, b: r.stack((a, b)), "a, b"),
    row("a @ b", "(lazy(a) @ b).eval()", lambda a, b: a @ b, "a, b"),
    row("A @ v", "(lazy(A) @ v).eval()", lambda a, b: a @ b, "A, v"),
    row("A @ C", "(lazy(A) @ C).eval()", lambda a, b: a @ b, "A, C"),
    row("a.cumsum()", "lazy(a).cumsum().eval()", lambda a: a.cumsum(), "a"),
    row("np.sort(u)", "r.sort(lazy(u)).eval()", r.sort, "u"),
    row("np.argsort(u)", "r.argsort(lazy(u)).eval()", r.argsort, "u"),
    row(
        "np.searchsorted(a, u)",
        "r.searchsorted(lazy(a), u).eval()",
        r.searchsorted,
        "a, u",
    ),
)
STAGES = (
    ("a call of a method", "a.__len__()"),
    ("lazy(a)", "lazy(a)"),
    ("x * 2.0", "x * 2.0"),
    ("x + x", "x + x"),
    ("x + b", "x + b"),
    ("x.sum()", "x.sum()"),
    ("(x * 2.0).eval()", "y.eval()"),
    ("chain of 10 .eval()", "z.eval()"),
)


def names(length: int) -> dict[str, object]:
    """What the expressions name."""
    a, b = np.linspace(1.0, 2.0, length), np.linspace(2.0, 3.0, length)
    divisors = [number for number in range(1, int(length**0.5) + 1) if length % number == 0]
    rows = divisors[-1] if divisors else 0
    columns = length // rows if rows else 0
    matrix = a.reshape(rows, columns)
    random = np.random.default_rng(1)
    x = r.lazy(a)
    return {
        "a": a,
        "b": b,
        "m": random.random(length) < 0.5,
        "i": random.permutation(length),
        "u": random.random(length),
        "s": np.linspace(1.0, 2.0, 2 * length)[::2],
        "A": matrix,
        "B": b.reshape(rows, columns),
        "C": np.ascontiguousarray(matrix.T),
        "T": np.ascontiguousarray(matrix.T).T,
        "v": np.linspace(1.0, 2.0, columns),
        "F": np.float32,
        "x": x,
        "y": x * 2.0,
        "z": ten(x, b),
        "t": ten,
        "two": two,
        "lazy": r.lazy,
        "np": np,
        "r": r,
        **{f"f{n}": r.compile(row.compiled) for n, row in enumerate(ROWS) if row.compiled},
    }


def fastest(statements: list[str], scope: dict[str, object], batches: int) -> list[float]:
    """Nanoseconds per call of each statement, the fastest of its batches."""
    timers = [timeit.Timer(statement, globals=scope) for statement in statements]
    # The first calls compile.
    for _ in range(2):
        counts = [max(10, int(3e-4 / max(timer.timeit(10) / 10, 1e-8))) for timer in timers]
    best = [float("inf")] * len(timers)
    for _ in range(batches):
        for n, (timer, count) in enumerate(zip(timers, counts, strict=True)):
            best[n] = min(best[n], timer.timeit(count) / count)
    return [seconds * 1e9 for seconds in best]


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--batches", type=int, default=100)
    parser.add_argument("--only", default="", help="rows whose name has this in it")
    lengths = parser.add_argument("--lengths", default=LENGTHS, help="for instance 10,1000")
    lengths.type = lambda text: tuple(map(int, text.split(",")))
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    scopes = {length: names(length) for length in arguments.lengths}
    slower = 0
    print(f"{'':24}" + "".join(f"{f'n = {length}':>28}" for length in scopes))
    print(f"{'':24}" + f"{'NumPy, ns':>11}{'plain':>7}{'compiled':>10}" * len(scopes))
    for n, one in enumerate(ROWS):
        if arguments.only not in one.name:
            continue
        print(f"{one.name:24}", end="")
        statements = [one.numpy, one.plain] + ([f"f{n}({one.arguments})"] if one.compiled else [])
        for length, scope in scopes.items():
            if length < one.smallest:
                print(f"{'':28}", end="")
                continue
            theirs, plain, *compiled = fastest(statements, scope, arguments.batches)
            slower += max([plain, *compiled]) > theirs
            ratios = [f"{theirs / time:.2f}" for time in (plain, *compiled)] + [""]
            print(f"{theirs:11.0f}{ratios[0]:>7}{ratios[1]:>10}", end="", flush=True)
        print()
    if not arguments.only:
        length = arguments.lengths[min(1, len(arguments.lengths) - 1)]
        print(f"\nStages at n = {length}, ns")
        costs = fastest([statement for _, statement in STAGES], scopes[length], arguments.batches)
        for (name, _), cost in zip(STAGES, costs, strict=True):
            print(f"{name:24}{cost:8.0f}")
    return int(arguments.check and slower > 0)


if __name__ == "__main__":
    sys.exit(main())
