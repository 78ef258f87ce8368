"""The libraries that take part, each used as its users would: compiled where it compiles, with its threads.

A peer that is not installed is left out with a line; one that has no form of an expression has no figure in
its row. Arrays are converted before the clock starts, and results are complete when it stops: computed, and
in rows that lie one after the other. (Of `x.T + 0.0` some give a result that is laid out as `x` is, moving
nothing.)
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .workloads import Row

Call = Callable[[], Any]
SOURCE = Path(__file__).with_name("expressions.py")


class Unsupported(Exception):
    """A peer has no form of an expression."""


def functions(library: Any, wrap: Callable[[Any], Any] | None = None) -> dict[str, Any]:
    """The expressions in terms of a library, each wrapped, so that those used by others are too."""
    names: dict[str, Any] = {"__name__": "expressions"}
    exec(compile(SOURCE.read_text(), str(SOURCE), "exec"), names)
    names["xp"] = library
    if wrap is not None:
        defined = [name for name, value in names.items() if callable(value) and hasattr(value, "__code__")]
        names.update({name: wrap(names[name]) for name in defined})
    return names


class Peer(ABC):
    """A library, and how it runs an expression."""

    name: str
    # What it raises for expressions that it has no form of.
    refusals: tuple[type[Exception], ...] = ()

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.version = getattr(module, "__version__", "")

    @abstractmethod
    def call(self, row: Row, inputs: list[np.ndarray]) -> Call:
        """A call that computes the row, or `Unsupported`; what compiles does so when it is first called."""


def have_rows(inputs: list[np.ndarray]) -> bool:
    """Whether a result may have rows, and so another layout than the usual one."""
    return any(x.ndim > 1 for x in inputs)


class Raptors(Peer):
    """Lazy arrays, captured and evaluated in each call."""

    name = "raptors"

    def call(self, row: Row, inputs: list[np.ndarray]) -> Call:
        expression, lazy = functions(self.module)[row.workload.expression], self.module.lazy
        if len(inputs) == 1:
            (x,) = inputs
            return lambda: expression(lazy(x)).eval()
        return lambda: expression(*map(lazy, inputs)).eval()


class Compiled(Peer):
    """`@r.compile` of the expression."""

    name = "compiled"

    def call(self, row: Row, inputs: list[np.ndarray]) -> Call:
        compiled = self.module.compile(functions(self.module)[row.workload.expression])
        return lambda: compiled(*inputs)


class NumPy(Peer):
    """The expression as it stands."""

    name = "numpy"

    def call(self, row: Row, inputs: list[np.ndarray]) -> Call:
        expression = functions(np)[row.workload.expression]
        if np.asarray(expression(*inputs)).flags.c_contiguous:
            return lambda: expression(*inputs)
        return lambda: np.ascontiguousarray(expression(*inputs))


class NumExpr(Peer):
    """Texts of what it has: elementwise work and sums."""

    name = "numexpr"
    TEXTS = {  # noqa: RUF012
        "scale": "a * 2.0",
        "saxpy": "2.5 * a + b",
        "chain": "(a * b + c * d - e * 0.5) / (abs(a - b) + 1.0)",
        "horner": "(((((((a * 0.125 + 0.25) * a + 0.5) * a - 0.75) * a + 1.5) * a + 0.3) * a - 0.2)"
        " * a + 0.7) * a + 1.1",
        "exp": "exp(a)",
        "log": "log(a)",
        "tanh": "tanh(a)",
        "sin_cos": "sin(a) * cos(a)",
        "sum_all": "sum(a)",
        "where": "where(a > b, a, -b)",
        "mask": "(a > 0.25) & (a < 0.75) | (a == 0.125)",
    }

    def call(self, row: Row, inputs: list[np.ndarray]) -> Call:
        if (text := self.TEXTS.get(row.workload.expression)) is None:
            raise Unsupported
        evaluate = self.module.evaluate
        names: dict[str, Any] = dict(zip("abcde", inputs, strict=False))

        def constant(number: re.Match[str]) -> str:
            """A name, since a number would make it compute in float64."""
            names[f"k{number.start()}"] = np.dtype(row.dtype).type(number[0])
            return f"k{number.start()}"

        text = re.sub(r"\d+\.\d+", constant, text)
        return lambda: evaluate(text, names, truediv=True)


class Numba(Peer):
    """`njit` of the expression, parallel where there is work for it. It cannot compile all of them."""

    name = "numba"
    # Fewer elements take less time than its threads do to start.
    SHARED = 50_000

    def __init__(self, module: ModuleType) -> None:
        super().__init__(module)
        self.refusals = (module.core.errors.NumbaError,)
        # It says when it finds nothing to run in parallel.
        warnings.simplefilter("ignore", module.core.errors.NumbaPerformanceWarning)

    def call(self, row: Row, inputs: list[np.ndarray]) -> Call:
        is_shared = max(x.size for x in inputs) >= self.SHARED
        compiled = functions(np, self.module.njit(parallel=is_shared))[row.workload.expression]
        if have_rows(inputs):
            return lambda: np.ascontiguousarray(compiled(*inputs))
        return lambda: compiled(*inputs)


class Jax(Peer):
    """`jax.jit` of the expression, arrays on the device."""

    name = "jax"

    def __init__(self, module: ModuleType) -> None:
        super().__init__(module)
        module.config.update("jax_enable_x64", True)
        self.numpy = importlib.import_module("jax.numpy")

    def call(self, row: Row, inputs: list[np.ndarray]) -> Call:
        arrays = [self.numpy.asarray(x) for x in inputs]
        compiled = self.module.jit(functions(self.numpy)[row.workload.expression])
        return lambda: compiled(*arrays).block_until_ready()


class Torch(Peer):
    """`torch.compile` of the expression, once for all sizes."""

    name = "torch"

    def __init__(self, module: ModuleType) -> None:
        super().__init__(module)
        self.names = renamed(
            module,
            max=lambda x, axis=None, keepdims=False: module.amax(x, () if axis is None else axis, keepdims),
            min=lambda x, axis=None, keepdims=False: module.amin(x, () if axis is None else axis, keepdims),
            var=lambda x, axis=None: module.var(x, axis, correction=0),
            argmax=lambda x, axis=None: module.argmax(x, axis),
            maximum=lambda x, y: (
                module.clamp_min(x, y) if isinstance(y, int | float) else module.maximum(x, y)
            ),
            minimum=lambda x, y: (
                module.clamp_max(x, y) if isinstance(y, int | float) else module.minimum(x, y)
            ),
            astype=lambda x, dtype: x.to(dtype),
            cumulative_sum=lambda x: module.cumsum(x, 0),
            sort=lambda x: module.sort(x).values,
        )
        self.compiled: dict[tuple[str, str], Any] = {}

    def call(self, row: Row, inputs: list[np.ndarray]) -> Call:
        key = (row.workload.expression, row.dtype)
        if key not in self.compiled:
            self.compiled[key] = self.module.compile(functions(self.names)[key[0]], dynamic=True)
        compiled, arrays = self.compiled[key], [self.module.from_numpy(x) for x in inputs]
        if have_rows(inputs):
            return lambda: compiled(*arrays).contiguous()
        return lambda: compiled(*arrays)


class Mlx(Peer):
    """`mx.compile` of the expression on its default device. It computes in float32."""

    name = "mlx"

    def __init__(self, module: ModuleType) -> None:
        super().__init__(module)
        self.version = importlib.metadata.version("mlx")
        self.names = renamed(
            module,
            astype=lambda x, dtype: x.astype(dtype),
            cumulative_sum=module.cumsum,
            concat=module.concatenate,
        )

    def call(self, row: Row, inputs: list[np.ndarray]) -> Call:
        if "float64" in {str(x.dtype) for x in inputs}:
            raise Unsupported
        mx, arrays = self.module, [self.module.array(x) for x in inputs]
        compiled = mx.compile(functions(self.names)[row.workload.expression])

        def call() -> Any:
            result = compiled(*arrays)
            mx.eval(result)
            return result

        def call_for_rows() -> Any:
            result = mx.contiguous(compiled(*arrays))
            mx.eval(result)
            return result

        return call_for_rows if have_rows(inputs) else call


def renamed(module: ModuleType, **others: Any) -> ModuleType:
    """The module, with NumPy's names for what it calls otherwise."""
    names = ModuleType(module.__name__)
    vars(names).update(vars(module) | others)
    return names


PEERS: dict[str, tuple[str, type[Peer]]] = {
    peer.name: (module, peer)
    for module, peer in (
        ("raptors", Raptors),
        ("raptors", Compiled),
        ("numpy", NumPy),
        ("numexpr", NumExpr),
        ("numba", Numba),
        ("jax", Jax),
        ("torch", Torch),
        ("mlx.core", Mlx),
    )
}
OURS = ("raptors", "compiled")


def restrict_threads(count: int) -> None:
    """Before any peer is imported: as many threads each."""
    for variable in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA", "RAPTORS"):
        os.environ[f"{variable}_NUM_THREADS"] = str(count)
    # XLA shares loops among as many threads as there are CPUs, whatever its flags say.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-count:])


def installed(names: list[str]) -> list[Peer]:
    """The peers that are there and start, in the order of the table."""
    found = []
    for name in names:
        module, peer = PEERS[name]
        try:
            found.append(peer(importlib.import_module(module)))
        except Exception as error:  # A peer may fail to start in ways of its own.
            print(f"{name} is left out: {type(error).__name__}: {error}".splitlines()[0])
    return found
