"""Random expression trees, evaluated by raptors and by NumPy with the same code.

A tree is grown as pairs of a NumPy value and the lazy array that must equal it. Inside it are only exact ops
(ulp 0 in raptors' table), casts, `where`, views and reductions of any order, so every tree is compared to the
last bit; an inexact op or a float sum may stand at the root, within its promised error.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import raptors as r
from compare import (
    DTYPES,
    FLOATS,
    INTEGERS,
    assert_close,
    assert_close_sum,
    assert_same,
    assert_within_ulp,
    evaluate,
    native,
)
from hypothesis import given, note, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from raptors import _core
from strategies import arrays, axes, reshapes, shapes

TABLE: dict[str, dict[str, Any]] = {op["name"]: op for op in _core.op_table()}
# The sign of a computed NaN is not defined, so nothing may look at it; integer pow raises in NumPy.
EXACT = [name for name, op in TABLE.items() if op["ulp"] == 0 and name not in ("copysign", "signbit")]
UNARY = [name for name in EXACT if TABLE[name]["arity"] == 1 and name != "reciprocal"]
BINARY = [name for name in EXACT if TABLE[name]["arity"] == 2]
# NumPy has no error and gamma functions; test_elementwise has oracles for them.
INEXACT = [name for name, op in TABLE.items() if op["ulp"] > 0 and hasattr(np, name)]
MOST_ELEMENTS = 3000


@dataclass
class Tree:
    """A value computed by NumPy, the lazy array that must equal it, and the expression as text."""

    value: np.ndarray
    lazy: Any
    text: str
    inputs: dict[str, np.ndarray]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    @property
    def dtype(self) -> str:
        return self.value.dtype.name


def combine(function: Callable[..., Any], text: str, *trees: Tree) -> Tree:
    """`function(xp, *operands)` for NumPy and for raptors; `text` has one {} for each operand."""
    value = np.asarray(function(np, *(tree.value for tree in trees)))
    lazy = function(r, *(tree.lazy for tree in trees))
    inputs = {name: array for tree in trees for name, array in tree.inputs.items()}
    return Tree(value, lazy, text.format(*(tree.text for tree in trees)), inputs)


def call(name: str, *trees: Tree) -> Tree:
    """The op `name`; where NumPy refuses the dtypes the operands are cast to int32 first."""
    try:
        getattr(np, name)(*(np.ones(1, tree.dtype) for tree in trees))
    except TypeError:
        trees = tuple(cast(tree, "int32") for tree in trees)
    holes = ", ".join(["{}"] * len(trees))
    return combine(lambda xp, *operands: getattr(xp, name)(*operands), f"{name}({holes})", *trees)


def cast(tree: Tree, dtype: str) -> Tree:
    """The tree as `dtype`; floats are first brought to where a cast to an integer is defined."""
    if tree.dtype in FLOATS and dtype in INTEGERS:
        low = 0 if dtype.startswith("u") else -100
        tree = combine(
            lambda xp, x: xp.where(xp.isfinite(x), xp.clip(x, low, 100), 0), f"bounded({{}}, {low})", tree
        )
    return combine(lambda xp, x: xp.astype(x, getattr(xp, dtype)), f"astype({{}}, {dtype})", tree)


def fitting(tree: Tree, shape: tuple[int, ...]) -> Tree:
    """The tree itself if it broadcasts with `shape` to something small, else one element of it, or zero."""
    try:
        if math.prod(np.broadcast_shapes(tree.shape, shape)) <= MOST_ELEMENTS:
            return tree
    except ValueError:
        pass
    if tree.value.size == 0:
        return combine(lambda xp, x: xp.sum(xp.astype(x, xp.int64)), "sum({})", tree)
    corner = (-1,) * tree.value.ndim
    return combine(lambda _, x: x[corner], f"{{}}[{corner}]", tree)


class Grower:
    """Draws one tree; inputs are numbered as they are drawn, and used again."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.leaves: list[Tree] = []
        self.base = draw(shapes(max_dims=3, max_side=6))

    def leaf(self) -> Tree:
        if self.leaves and self.draw(st.integers(0, 3)) == 0:
            return self.draw(st.sampled_from(self.leaves))
        keep = self.draw(st.integers(0, len(self.base)))
        shape = tuple(self.draw(st.sampled_from((n, n, n, 1))) for n in self.base[len(self.base) - keep :])
        array = self.draw(arrays(shape=shape))
        name = f"x{len(self.leaves)}"
        ordered = native(array)
        self.leaves.append(Tree(ordered, r.lazy(array), name, {name: array}))
        return self.leaves[-1]

    def grow(self, depth: int) -> Tree:
        if depth == 0 or self.draw(st.integers(0, 9)) == 0:
            return self.leaf()
        kind = self.draw(
            st.sampled_from(
                (
                    "unary",
                    "binary",
                    "binary",
                    "binary",
                    "scalar",
                    "cast",
                    "where",
                    "view",
                    "view",
                    "join",
                    "reduce",
                )
            )
        )
        return getattr(self, kind)(depth - 1)

    def unary(self, depth: int) -> Tree:
        return call(self.draw(st.sampled_from(UNARY)), self.grow(depth))

    def binary(self, depth: int) -> Tree:
        x = self.grow(depth)
        y = fitting(self.grow(self.draw(st.integers(0, depth))), x.shape)
        return call(self.draw(st.sampled_from(BINARY)), x, y)

    def scalar(self, depth: int) -> Tree:
        """An operator with a Python scalar on either side."""
        x = self.grow(depth)
        if x.dtype == "bool":
            x = cast(x, "int16")
        value = self.draw(st.sampled_from((0, 1, 2, 3, 0.5, 1.0, 2.0, 0.1)))
        symbol = self.draw(st.sampled_from(("+", "-", "*", "/", "//", "%", "<", ">=", "==", "!=")))
        operator = {
            "+": lambda a, b: a + b,
            "-": lambda a, b: a - b,
            "*": lambda a, b: a * b,
            "/": lambda a, b: a / b,
            "//": lambda a, b: a // b,
            "%": lambda a, b: a % b,
            "<": lambda a, b: a < b,
            ">=": lambda a, b: a >= b,
            "==": lambda a, b: a == b,
            "!=": lambda a, b: a != b,
        }[symbol]
        if self.draw(st.booleans()):
            return combine(lambda _, a: operator(a, value), f"({{}} {symbol} {value})", x)
        return combine(lambda _, a: operator(value, a), f"({value} {symbol} {{}})", x)

    def cast(self, depth: int) -> Tree:
        return cast(self.grow(depth), self.draw(st.sampled_from(DTYPES)))

    def where(self, depth: int) -> Tree:
        x = self.grow(depth)
        y = fitting(self.grow(self.draw(st.integers(0, depth))), x.shape)
        condition = self.grow(self.draw(st.integers(0, depth)))
        condition = cast(fitting(condition, np.broadcast_shapes(x.shape, y.shape)), "bool")
        return combine(lambda xp, c, a, b: xp.where(c, a, b), "where({}, {}, {})", condition, x, y)

    def view(self, depth: int) -> Tree:
        x = self.grow(depth)
        ndim = x.value.ndim
        kind = self.draw(
            st.sampled_from(("index", "index", "reshape", "permute", "flip", "broadcast", "expand"))
        )
        if kind == "index":
            key = self.draw(hnp.basic_indices(x.shape, allow_newaxis=True, max_dims=5))
            return combine(lambda _, a: a[key], f"{{}}[{key}]", x)
        if kind == "reshape":
            shape = self.draw(reshapes(x.value.size))
            return combine(lambda xp, a: xp.reshape(a, shape), f"reshape({{}}, {shape})", x)
        if kind == "permute":
            order = tuple(self.draw(st.permutations(range(ndim))))
            return combine(lambda xp, a: xp.permute_dims(a, order), f"permute_dims({{}}, {order})", x)
        if kind == "flip":
            axis = self.draw(axes(ndim))
            return combine(lambda xp, a: xp.flip(a, axis=axis), f"flip({{}}, {axis})", x)
        if kind == "broadcast":
            target = tuple(self.draw(st.sampled_from((1, 3))) if n == 1 else n for n in x.shape)
            target = tuple(self.draw(st.lists(st.integers(0, 3), max_size=2))) + target
            if math.prod(target) > MOST_ELEMENTS:
                return x
            return combine(lambda xp, a: xp.broadcast_to(a, target), f"broadcast_to({{}}, {target})", x)
        axis = self.draw(st.integers(-ndim - 1, ndim))
        return combine(lambda xp, a: xp.expand_dims(a, axis=axis), f"expand_dims({{}}, {axis})", x)

    def join(self, depth: int) -> Tree:
        x = self.grow(depth)
        y = cast(x, self.draw(st.sampled_from(DTYPES)))
        if x.value.ndim == 0 or self.draw(st.booleans()):
            axis = self.draw(st.integers(-x.value.ndim - 1, x.value.ndim))
            return combine(lambda xp, a, b: xp.stack([a, b], axis=axis), f"stack([{{}}, {{}}], {axis})", x, y)
        axis = self.draw(st.integers(-x.value.ndim, x.value.ndim - 1))
        return combine(lambda xp, a, b: xp.concat([a, b], axis=axis), f"concat([{{}}, {{}}], {axis})", x, y)

    def reduce(self, depth: int) -> Tree:
        """A reduction whose result does not depend on the order of the elements."""
        x = self.grow(depth)
        keepdims = self.draw(st.booleans())
        names = ["any", "all"]
        if x.dtype not in FLOATS:
            names += ["sum", "prod"]
        axis = self.draw(axes(x.value.ndim))
        reduced = range(x.value.ndim) if axis is None else np.atleast_1d(np.array(axis, dtype=int))
        if all(x.shape[i] > 0 for i in reduced):
            names += ["min", "max"]
            if axis is None or isinstance(axis, int):
                names += ["argmin", "argmax"]
        name = self.draw(st.sampled_from(names))
        if name in ("min", "max") and x.dtype in FLOATS:
            # Which of 0.0 and -0.0 is the smaller depends on the order; adding 0.0 leaves only 0.0.
            x = combine(lambda _, a: a + 0.0, "({} + 0.0)", x)
        return combine(
            lambda xp, a: getattr(xp, name)(a, axis=axis, keepdims=keepdims),
            f"{name}({{}}, axis={axis}, keepdims={keepdims})",
            x,
        )


@st.composite
def trees(draw: st.DrawFn, max_depth: int = 8) -> Tree:
    """A tree of depth up to `max_depth`."""
    return Grower(draw).grow(draw(st.integers(1, max_depth)))


def tell(tree: Tree) -> None:
    """Have Hypothesis print the expression and its inputs with a failure."""
    note(tree.text)
    for name, array in tree.inputs.items():
        note(f"{name}: {array.dtype} {array.shape} strides {array.strides}\n{array!r}")


@settings(max_examples=400)
@given(trees())
def test_exact_tree(tree: Tree) -> None:
    tell(tree)
    before = {name: array.tobytes() for name, array in tree.inputs.items()}
    first = evaluate(tree.lazy)
    assert_same(first, tree.value)
    assert_same(tree.lazy, tree.value)
    assert {name: array.tobytes() for name, array in tree.inputs.items()} == before


@settings(max_examples=100)
@given(trees(max_depth=5), trees(max_depth=5), st.data())
def test_trees_evaluated_together(x: Tree, y: Tree, data: st.DataObject) -> None:
    """Two results that share a subtree, in one `r.eval`."""
    both = call("add", x, fitting(y, x.shape))
    tell(both)
    got = r.eval(both.lazy, x.lazy, data.draw(st.sampled_from((x, both))).lazy)
    assert_same(got[0], both.value)
    assert_same(got[1], x.value)
    assert len(got) == 3


@settings(max_examples=100)
@given(trees(max_depth=5), st.data())
def test_tree_written_into_out(tree: Tree, data: st.DataObject) -> None:
    tell(tree)
    layout = data.draw(st.sampled_from("CF"))
    out = np.empty(tree.shape, dtype=tree.value.dtype, order=layout)
    assert tree.lazy.eval(out=out) is out
    assert_same(np.array(out), tree.value)


@settings(max_examples=100)
@given(trees(max_depth=4), st.data())
def test_cached_subtree(tree: Tree, data: st.DataObject) -> None:
    """A node that holds its value is a leaf to what is built on it."""
    tell(tree)
    tree.lazy.cache()
    name = data.draw(st.sampled_from(UNARY))
    root = call(name, tree)
    assert_same(root.lazy, root.value)


@settings(max_examples=150)
@given(trees(max_depth=5), st.sampled_from(INEXACT), st.data())
def test_inexact_root(tree: Tree, name: str, data: st.DataObject) -> None:
    """One op with a promised error over an exact tree."""
    tree = cast(tree, data.draw(st.sampled_from(FLOATS)))
    low, high = TABLE[name]["domain"]
    tree = combine(lambda xp, x: xp.clip(x, low, high), f"clip({{}}, {low}, {high})", tree)
    operands = [tree] * TABLE[name]["arity"]
    tell(tree)
    exact = np.asarray(getattr(np, name)(*(t.value.astype(np.longdouble) for t in operands)))
    got = evaluate(getattr(r, name)(*(t.lazy for t in operands)))
    assert_within_ulp(got, exact, tree.value.dtype, TABLE[name]["ulp"], *(t.value for t in operands))


@settings(max_examples=150)
@given(trees(max_depth=5), st.sampled_from(FLOATS), st.data())
def test_float_sum_of_tree(tree: Tree, dtype: str, data: st.DataObject) -> None:
    tree = cast(tree, dtype)
    tree = combine(lambda xp, x: xp.where(xp.abs(x) < 1e6, x, 1.5), "tame({})", tree)
    axis, keepdims = data.draw(axes(tree.value.ndim)), data.draw(st.booleans())
    tell(tree)
    assert_close_sum(r.sum(tree.lazy, axis=axis, keepdims=keepdims), tree.value, axis, keepdims)


def softmax(xp: Any, x: Any) -> Any:
    e = xp.exp(x - xp.max(x, axis=-1, keepdims=True))
    return e / xp.sum(e, axis=-1, keepdims=True)


def layer_norm(xp: Any, x: Any) -> Any:
    centred = x - xp.mean(x, axis=-1, keepdims=True)
    return centred / xp.sqrt(xp.mean(centred * centred, axis=-1, keepdims=True) + 1e-5)


def gelu(xp: Any, x: Any) -> Any:
    return x * 0.5 * (1.0 + xp.tanh((x + x * x * x * 0.044715) * 0.7978845608))


def gram(xp: Any, x: Any) -> Any:
    y = (x * 0.5 + 1.0)[1:, ::2]
    return xp.matmul(y, y.T) - xp.sum(y * y, axis=1)[:, None]


def pairwise_distance(xp: Any, x: Any) -> Any:
    difference = x[:, None, :] - x[None, :, :]
    return xp.sqrt(xp.sum(difference * difference, axis=-1))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(1, 1), (3, 17), (40, 65), (7, 1030)])
@pytest.mark.parametrize("function", [softmax, layer_norm, gelu, gram, pairwise_distance])
def test_what_people_write(
    function: Callable[..., Any], shape: tuple[int, ...], dtype: str, rng: np.random.Generator
) -> None:
    x = rng.normal(size=shape).astype(dtype)
    assert_close(function(r, r.lazy(x)), function(np, x), units=8 + 2 * shape[1])
