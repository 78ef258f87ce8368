"""Compiled loops against their peers in one process: NumPy, numexpr, Numba, JAX and torch, where installed.

    python tests/bench/codegen.py                  # the table, and out/bench_codegen.json
    python tests/bench/codegen.py --only softmax   # rows whose name contains a word

A row is one expression at one size, on one thread. All libraries run in turns, in batches, until the
row's share of the time budget is spent; the figures are medians over the batches. Peers compile before
the clock starts. The ratio is the time of the fastest peer by raptors'. Every library's result is
compared with NumPy's first; a peer that is missing, or computes something else, is left out with a line,
and one that has no form of an expression without. The first rows are of plans nobody has made before:
from nodes to a result.
"""

from __future__ import annotations

import argparse
import importlib
import itertools
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

# Before any of them is imported: one thread each. XLA shares loops among as many threads as there are CPUs,
# whatever its flags say (it took 46 ms of CPU in 24 ms to add 100,000,000 numbers), so there is one CPU.
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import numpy as np  # noqa: E402
import raptors as r  # noqa: E402

OUT = Path(__file__).resolve().parents[2] / "out" / "bench_codegen.json"
BATCH_SECONDS = 0.002
FEWEST_BATCHES = 7

Call = Callable[[], Any]
Expression = Callable[..., Any]


def horner(xp: Any, x: Any) -> Any:
    """A polynomial of degree 8."""
    y = x * 0.125 + 0.25
    for c in (0.5, -0.75, 1.5, 0.3, -0.2, 0.7, 1.1):
        y = y * x + c
    return y


def logistic(xp: Any, x: Any) -> Any:
    """50 steps of the logistic map, from values between 0 and 1."""
    for _ in range(50):
        x = 3.7 * x * (1.0 - x)
    return x


def normal_cdf(xp: Any, x: Any) -> Any:
    """The approximation of Abramowitz and Stegun, 26.2.17."""
    size = abs(x)
    k = 1.0 / (1.0 + 0.2316419 * size)
    poly = k * (0.31938153 + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429))))
    tail = 0.39894228 * xp.exp(-0.5 * size * size) * poly
    return xp.where(x > 0.0, 1.0 - tail, tail)


def black_scholes(xp: Any, s: Any, k: Any, t: Any) -> Any:
    """The price of a call option."""
    root = xp.sqrt(t)
    d1 = (xp.log(s / k) + (0.05 + 0.5 * 0.04) * t) / (0.2 * root)
    d2 = d1 - 0.2 * root
    return s * normal_cdf(xp, d1) - k * xp.exp(-0.05 * t) * normal_cdf(xp, d2)


def softmax(xp: Any, x: Any) -> Any:
    """Over rows."""
    e = xp.exp(x - x.max(1)[:, None])
    return e / e.sum(1)[:, None]


def layernorm(xp: Any, x: Any) -> Any:
    """Over rows."""
    n = x.shape[1]
    centered = x - (x.sum(1) / n)[:, None]
    variance = (centered * centered).sum(1) / n
    return centered / xp.sqrt(variance + 1e-5)[:, None]


def total(xp: Any, x: Any) -> Any:
    """The sum of all elements."""
    return x.sum()


FUNCTIONS = {name: (lambda xp, x, name=name: getattr(xp, name)(x)) for name in ("exp", "log", "tanh", "sin")}

# numexpr's form of an expression, where it has one.
NUMEXPR = {name: f"{name}(a)" for name in FUNCTIONS} | {"sum": "sum(a)"}


def uniform(low: float, high: float, *shape: int) -> Callable[[np.random.Generator, str], np.ndarray]:
    """Random numbers of a dtype."""
    return lambda rng, dtype: rng.uniform(low, high, shape).astype(dtype)


def rows() -> Iterator[tuple[str, str, Expression, list[Any]]]:
    """Name, dtype, expression and inputs of each row."""
    million = 1_000_000
    for dtype in ("float32", "float64"):
        for name, function in FUNCTIONS.items():
            yield name, dtype, function, [uniform(0.01, 10.0, million)]
        options = [uniform(5, 30, million), uniform(1, 100, million), uniform(0.25, 10, million)]
        yield "black_scholes", dtype, black_scholes, options
    for n in (100_000, million):
        yield f"horner {n}", "float32", horner, [uniform(-1, 1, n)]
        yield f"logistic {n}", "float32", logistic, [uniform(0.1, 0.9, n)]
    for shape in ((4096, 1024), (32768, 128)):
        yield f"softmax {shape[0]}x{shape[1]}", "float32", softmax, [uniform(-5, 5, *shape)]
        yield f"layernorm {shape[0]}x{shape[1]}", "float32", layernorm, [uniform(-5, 5, *shape)]
    for n in (10_000, 100_000, million, 10_000_000, 100_000_000):
        yield f"sum {n}", "float32", total, [uniform(0, 1, n)]


def imported(name: str) -> ModuleType | None:
    """A peer, if it is installed and starts."""
    try:
        return importlib.import_module(name)
    except Exception as error:  # A peer may fail to start in ways of its own.
        print(f"{name} is left out: {type(error).__name__}: {error}".splitlines()[0])
        return None


class Raptors:
    """Lazy arrays, evaluated in each call."""

    def call(self, name: str, expression: Expression, inputs: list[np.ndarray]) -> Call:
        return lambda: expression(r, *map(r.lazy, inputs)).eval()


class NumPy:
    """The expression as it stands."""

    def call(self, name: str, expression: Expression, inputs: list[np.ndarray]) -> Call:
        return lambda: expression(np, *inputs)


class NumExpr:
    """Functions of one array."""

    def __init__(self, module: Any) -> None:
        self.module = module
        module.set_num_threads(1)

    def call(self, name: str, expression: Expression, inputs: list[np.ndarray]) -> Call | None:
        text = NUMEXPR.get(name.split()[0])
        if text is None:
            return None
        return lambda: self.module.evaluate(text, {"a": inputs[0]})


class Numba:
    """The expression of array operations, compiled."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def call(self, name: str, expression: Expression, inputs: list[np.ndarray]) -> Call | None:
        if name.split()[0] not in FUNCTIONS:
            return None
        # Numba sees an ufunc as a global of a function that it compiles.
        text = f"lambda x: np.{name}(x)"
        compiled = self.module.njit(eval(text, {"np": np}))
        return lambda: compiled(*inputs)


class Jax:
    """`jax.jit` of the expression, arrays on the device."""

    def __init__(self, module: Any) -> None:
        self.module = module
        module.config.update("jax_enable_x64", True)

    def call(self, name: str, expression: Expression, inputs: list[np.ndarray]) -> Call:
        arrays = [self.module.numpy.asarray(x) for x in inputs]
        compiled = self.module.jit(lambda *xs: expression(self.module.numpy, *xs))
        return lambda: compiled(*arrays).block_until_ready()


class Torch:
    """`torch.compile` of the expression, or where that does not work the expression as it stands."""

    def __init__(self, module: Any) -> None:
        self.module = module
        module.set_num_threads(1)

    def call(self, name: str, expression: Expression, inputs: list[np.ndarray]) -> Call:
        arrays = [self.module.from_numpy(x) for x in inputs]

        def eager(*xs: Any) -> Any:
            return expression(_TorchNames(self.module), *xs)

        compiled = self.module.compile(eager)
        try:
            compiled(*arrays)
        except Exception as error:  # No C++ compiler, or an expression that it refuses.
            print(f"torch.compile of {name} is left out: {type(error).__name__}")
            compiled = eager
        return lambda: compiled(*arrays)


class _TorchNames:
    """torch's functions under NumPy's names; a maximum over an axis is a pair there."""

    def __init__(self, module: Any) -> None:
        self.module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)


def torch_softmax(xp: Any, x: Any) -> Any:
    """`softmax` with torch's maximum."""
    e = xp.exp(x - x.amax(1)[:, None])
    return e / e.sum(1)[:, None]


def libraries() -> dict[str, Any]:
    """What takes part, by name."""
    found: dict[str, Any] = {"raptors": Raptors(), "numpy": NumPy()}
    for name, peer in (("numexpr", NumExpr), ("numba", Numba), ("jax", Jax), ("torch", Torch)):
        if (module := imported(name)) is not None:
            found[name] = peer(module)
    return found


def seconds_per_call(call: Call, count: int) -> float:
    """The mean over a batch."""
    start = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - start) / count


def measure(calls: dict[str, Call], seconds: float) -> dict[str, float]:
    """The median time of each call, all of them in turns."""
    counts = {name: max(1, round(BATCH_SECONDS / seconds_per_call(call, 3))) for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds
    while len(times["raptors"]) < FEWEST_BATCHES or time.perf_counter() < end:
        for name, call in calls.items():
            times[name].append(seconds_per_call(call, counts[name]))
    return {name: statistics.median(batches) for name, batches in times.items()}


def is_close(found: Any, expected: np.ndarray) -> bool:
    """Whether a result is NumPy's but for rounding, in sums of large arrays too."""
    found = np.asarray(found)
    tolerance = 1e-4 if found.dtype == np.float32 else 1e-9
    return bool(np.allclose(found, expected, rtol=tolerance, atol=tolerance))


def cold_plans() -> Iterator[tuple[str, float]]:
    """Median microseconds from nodes to a result of 1,000 elements, for structures that are new each time."""
    x = np.linspace(0.5, 1.5, 1000, dtype=np.float32)
    for ops in (10, 116):
        orders = itertools.permutations(("add", "multiply", "subtract", "maximum", "minimum"))
        times = []
        for order in itertools.islice(orders, 60):
            a = r.lazy(x)
            start = time.perf_counter()
            y = a
            for _, name in zip(range(ops), itertools.cycle(order), strict=False):
                y = getattr(r, name)(y, a if name != "add" else 1.25)
            y.eval()
            times.append(time.perf_counter() - start)
        yield f"new plan, {ops} ops", statistics.median(times) * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description="Time compiled loops against their peers.")
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--seconds", type=float, default=120.0, help="time budget of the table (default 120)")
    arguments = parser.parse_args()
    r.set_num_threads(1)
    print("load " + ", ".join(f"{x:.2f}" for x in os.getloadavg()))
    for name, microseconds in cold_plans():
        print(f"{name:<24} {microseconds:8.0f} us")
    peers = libraries()
    rng = np.random.default_rng(0)
    table = [row for row in rows() if arguments.only in row[0]]
    results = []
    for name, dtype, expression, makers in table:
        inputs = [make(rng, dtype) for make in makers]
        expected = expression(np, *inputs)
        calls: dict[str, Call] = {}
        for library, peer in peers.items():
            form = torch_softmax if library == "torch" and expression is softmax else expression
            call = peer.call(name, form, inputs)
            if call is None:
                continue
            if not is_close(call(), expected):
                print(f"{library}: wrong result of {name} {dtype}", file=sys.stderr)
                if library == "raptors":
                    return 1
                continue
            calls[library] = call
        medians = measure(calls, arguments.seconds / len(table))
        others = {library: time for library, time in medians.items() if library != "raptors"}
        best = min(others, key=others.__getitem__)
        ratio = others[best] / medians["raptors"]
        cells = "  ".join(f"{library} {time * 1e6:.1f}" for library, time in medians.items())
        print(f"{name:<24} {dtype:<8} {ratio:6.2f}x of {best:<8} us: {cells}", flush=True)
        results.append({"name": name, "dtype": dtype, "ratio": ratio, "best": best, "seconds": medians})
    print("load " + ", ".join(f"{x:.2f}" for x in os.getloadavg()) + " at the end")
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(results, indent=1) + "\n")
    print(f"wrote {os.path.relpath(OUT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
