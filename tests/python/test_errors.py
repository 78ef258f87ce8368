"""Mistakes are reported where they are written: the op, both facts, and the type of error NumPy raises."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import raptors as r
from compare import DTYPES, assert_same


def numbers(*shape: int, dtype: str = "float64") -> Any:
    """A lazy array of this shape."""
    return r.lazy(np.ones(shape, dtype=dtype))


# NumPy's AxisError is both, so that either `except` clause finds it.
AXIS = (ValueError, IndexError)

# Each row: what is wrong, the error (several: it is all of them), and what its message must contain.
MISTAKES: list[tuple[str, Callable[[], Any], Any, tuple[str, ...]]] = [
    ("add shapes", lambda: numbers(3, 4) + numbers(5), ValueError, ("add", "(3, 4)", "(5,)")),
    ("multiply shapes", lambda: numbers(2, 3) * numbers(3, 2), ValueError, ("multiply", "(2, 3)", "(3, 2)")),
    ("less shapes", lambda: numbers(2) < numbers(3), ValueError, ("less", "(2,)", "(3,)")),
    ("ndarray operand", lambda: numbers(2) + np.ones(3), ValueError, ("add", "(2,)", "(3,)")),
    ("atan2 shapes", lambda: r.atan2(numbers(2), numbers(3)), ValueError, ("atan2", "(2,)", "(3,)")),
    (
        "where shapes",
        lambda: r.where(numbers(2, dtype="bool"), numbers(3), numbers(3)),
        ValueError,
        ("where", "(2,)", "(3,)"),
    ),
    ("broadcast_to", lambda: r.broadcast_to(numbers(3), (4,)), ValueError, ("broadcast", "(3,)", "(4,)")),
    ("sum axis", lambda: r.sum(numbers(2, 3), axis=2), AXIS, ("sum", "2", "2 dim")),
    ("max axis", lambda: numbers(2, 3).max(axis=-3), AXIS, ("max", "-3", "2 dim")),
    ("repeated axis", lambda: r.sum(numbers(2, 3), axis=(0, -2)), ValueError, ("sum", "axis 0", "twice")),
    ("axis type", lambda: r.sum(numbers(2, 3), axis=1.5), TypeError, ("axis", "float")),
    ("flip axis", lambda: r.flip(numbers(2), axis=1), AXIS, ("flip", "1", "1 dim")),
    (
        "concat axis",
        lambda: r.concat([numbers(2)], axis=1),
        AXIS,
        ("concat", "1", "1 dim"),
    ),
    ("stack axis", lambda: r.stack([numbers(2)], axis=3), AXIS, ("stack", "3")),
    ("expand axis", lambda: r.expand_dims(numbers(2), axis=3), AXIS, ("expand_dims", "3")),
    ("squeeze", lambda: r.squeeze(numbers(2, 1), axis=0), ValueError, ("squeeze", "axis 0", "2")),
    ("argmax axes", lambda: r.argmax(numbers(2, 3), axis=(0, 1)), TypeError, ("argmax", "axis")),
    ("min of nothing", lambda: r.min(numbers(0)), ValueError, ("min", "(0,)")),
    ("argmax of nothing", lambda: r.argmax(numbers(0)), ValueError, ("argmax", "(0,)")),
    ("index", lambda: numbers(3)[3], IndexError, ("3", "axis 0", "length 3")),
    ("negative index", lambda: numbers(2, 3)[0, -4], IndexError, ("-4", "axis 1", "length 3")),
    ("indices", lambda: numbers(3)[0, 0], IndexError, ("2 indices", "1 dim")),
    ("two ellipses", lambda: numbers(2, 3)[..., ...], IndexError, ("ellipsis",)),
    ("index type", lambda: numbers(3)["a"], IndexError, ("index", "str")),
    ("index float", lambda: numbers(3)[1.0], IndexError, ("index", "float")),
    ("step 0", lambda: numbers(3)[::0], ValueError, ("step", "0")),
    ("index a scalar", lambda: numbers()[0], IndexError, ("1 ind", "0 dim")),
    ("iterate a scalar", lambda: iter(numbers()), TypeError, ("0-d",)),
    ("len of a scalar", lambda: len(numbers()), TypeError, ("len",)),
    ("reshape", lambda: r.reshape(numbers(2, 3), (4,)), ValueError, ("reshape", "(2, 3)", "(4,)")),
    ("reshape -1", lambda: r.reshape(numbers(2, 3), (4, -1)), ValueError, ("reshape", "(2, 3)", "4")),
    ("reshape -1 -1", lambda: r.reshape(numbers(6), (-1, -1)), ValueError, ("reshape", "-1")),
    ("permute", lambda: r.permute_dims(numbers(2, 3), (0, 0)), ValueError, ("permute", "0, 0")),
    ("permute count", lambda: r.permute_dims(numbers(2, 3), (0,)), ValueError, ("permute", "2")),
    ("mT of 1-d", lambda: numbers(2).mT, ValueError, ("transpose", "2 dim")),
    ("matmul", lambda: numbers(3, 4) @ numbers(5, 2), ValueError, ("matmul", "(3, 4)", "(5, 2)", "4", "5")),
    (
        "matmul batch",
        lambda: numbers(2, 3, 4) @ numbers(3, 4, 5),
        ValueError,
        ("matmul", "(2, 3, 4)", "(3, 4, 5)"),
    ),
    ("matmul scalar", lambda: r.matmul(numbers(), numbers(2)), ValueError, ("matmul", "()")),
    (
        "concat shapes",
        lambda: r.concat([numbers(2, 3), numbers(2, 4)]),
        ValueError,
        ("concat", "(2, 3)", "(2, 4)"),
    ),
    ("concat dims", lambda: r.concat([numbers(2, 3), numbers(2)]), ValueError, ("concat", "(2, 3)", "(2,)")),
    ("concat nothing", lambda: r.concat([]), ValueError, ("concat",)),
    ("stack shapes", lambda: r.stack([numbers(2), numbers(3)]), ValueError, ("stack", "(2,)", "(3,)")),
    ("invert float", lambda: ~numbers(2), TypeError, ("bitwise_invert", "float64", "integer")),
    ("and float", lambda: numbers(2) & numbers(2), TypeError, ("bitwise_and", "float64", "integer")),
    ("shift float", lambda: numbers(2) << 1, TypeError, ("bitwise_left_shift", "float64", "integer")),
    ("negative bool", lambda: -numbers(2, dtype="bool"), TypeError, ("negative", "bool")),
    (
        "subtract bool",
        lambda: numbers(2, dtype="bool") - numbers(2, dtype="bool"),
        TypeError,
        ("subtract", "bool"),
    ),
    ("integer out of range", lambda: numbers(2, dtype="int8") + 300, OverflowError, ("300", "int8")),
    ("negative to unsigned", lambda: numbers(2, dtype="uint8") + -1, OverflowError, ("-1", "uint8")),
    (
        "negative power",
        lambda: numbers(2, dtype="int32") ** -2,
        ValueError,
        ("pow", "negative"),
    ),
    ("operand type", lambda: numbers(2) + "a", TypeError, ("str",)),
    ("operand None", lambda: r.add(numbers(2), None), TypeError, ("add", "None")),
    ("too few operands", lambda: r.add(numbers(2)), TypeError, ("add",)),
    ("dtype name", lambda: numbers(2).astype("float33"), TypeError, ("float33",)),
    ("dtype object", lambda: numbers(2).astype(object), TypeError, ("object",)),
    ("object array", lambda: r.lazy(np.array([object()])), TypeError, ("lazy", "object")),
    ("str array", lambda: r.lazy(np.array(["a"])), TypeError, ("lazy", "str")),
    (
        "datetime array",
        lambda: r.lazy(np.array(["2020-01-01"], "datetime64[D]")),
        TypeError,
        ("lazy", "datetime64"),
    ),
    ("structured array", lambda: r.lazy(np.zeros(2, "i4,f4")), TypeError, ("lazy",)),
    ("void array", lambda: r.lazy(np.ones(2, "V2")), TypeError, ("lazy", "void")),
    ("str", lambda: r.lazy("abc"), TypeError, ("lazy", "str")),
    ("None", lambda: r.lazy(None), TypeError, ("lazy", "None")),
    ("dict", lambda: r.lazy({}), TypeError, ("lazy", "dict")),
    ("ragged", lambda: r.lazy([[1, 2], [3]]), ValueError, ("lazy", "2", "1")),
    ("ragged depth", lambda: r.lazy([[1, 2], 3]), ValueError, ("lazy",)),
    ("list of str", lambda: r.lazy(["a"]), TypeError, ("lazy", "str")),
    ("huge integer", lambda: r.lazy([2**70]), OverflowError, ("lazy",)),
    ("zeros negative", lambda: r.zeros((2, -1)), ValueError, ("zeros", "-1")),
    ("full negative", lambda: r.full(-2, 1.0), ValueError, ("full", "-2")),
    ("arange step", lambda: r.arange(0, 5, 0), ValueError, ("arange", "step")),
    ("linspace count", lambda: r.linspace(0.0, 1.0, -1), ValueError, ("linspace", "-1")),
    ("size overflow", lambda: r.zeros((2**40, 2**40)), ValueError, (str(2**40),)),
    ("broadcast overflow", lambda: r.broadcast_to(numbers(1), (2**40, 2**40)), ValueError, (str(2**40),)),
    ("too many dims", lambda: r.reshape(numbers(1), (1,) * 65), ValueError, ("65",)),
    ("unknown fp", lambda: numbers(2).eval(unknown=1), TypeError, ("unknown",)),
    ("bool of many", lambda: bool(numbers(2)), ValueError, ("bool", "2")),
    ("float of many", lambda: float(numbers(2)), TypeError, ("float", "(2,)")),
    ("int of NaN", lambda: int(r.lazy(np.nan)), ValueError, ("NaN",)),
    ("index of float", lambda: [1, 2][numbers()], TypeError, ("float64",)),
    ("hash", lambda: hash(numbers(2)), TypeError, ("unhashable", "Array")),
    ("out shape", lambda: (numbers(3) + 1).eval(out=np.ones(4)), ValueError, ("out", "(3,)", "(4,)")),
    (
        "out broadcast",
        lambda: (numbers(3) + 1).eval(out=np.ones((2, 3))),
        ValueError,
        ("out", "(3,)", "(2, 3)"),
    ),
    (
        "out dtype",
        lambda: (numbers(3) + 1).eval(out=np.ones(3, "f4")),
        TypeError,
        ("out", "float32", "float64"),
    ),
    ("out type", lambda: (numbers(3) + 1).eval(out=[1, 2, 3]), TypeError, ("out", "list")),
    ("eval of ndarray", lambda: r.eval(np.ones(2)), TypeError, ("eval", "ndarray")),
]


@pytest.mark.parametrize(
    ("wrong", "error", "words"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES]
)
def test_mistake(wrong: Callable[[], Any], error: Any, words: tuple[str, ...]) -> None:
    kinds = error if isinstance(error, tuple) else (error,)
    with pytest.raises(kinds) as raised:
        wrong()
    for kind in kinds:
        assert isinstance(raised.value, kind)
    for word in words:
        assert word.lower() in str(raised.value).lower()


def test_mistakes_are_found_when_written() -> None:
    """Not at evaluation: the traceback ends on the line with the mistake."""
    x, y = numbers(3, 4), numbers(5)
    with pytest.raises(ValueError) as raised:
        x + y
    assert raised.traceback[-1].path.name == "test_errors.py"


def test_read_only_out() -> None:
    out = np.zeros(3)
    out.flags.writeable = False
    with pytest.raises(ValueError, match=r"out.*read-only"):
        (numbers(3) + 1).eval(out=out)
    assert_same(out, np.zeros(3))


@pytest.mark.parametrize("shift", [1, 3, 50])
def test_out_that_partly_overlaps_an_input(shift: int) -> None:
    memory = np.arange(200.0)
    source, out = memory[:100], memory[shift : shift + 100]
    with pytest.raises(ValueError, match=r"out.*overlap"):
        (r.lazy(source) * 2.0).eval(out=out)
    with pytest.raises(ValueError, match=r"out.*overlap"):
        (r.lazy(source)[::-1] + 1.0).eval(out=out)
    assert_same(memory, np.arange(200.0))


def test_out_that_overlaps_itself() -> None:
    out = np.lib.stride_tricks.as_strided(np.zeros(10), (3, 4), (8, 8))
    with pytest.raises(ValueError, match="out"):
        (numbers(3, 4) + 1).eval(out=out)


def test_out_beside_an_input_in_one_block() -> None:
    """Neighbours in memory that share no element are no overlap."""
    memory = np.arange(200.0)
    (r.lazy(memory[:100]) * 2.0).eval(out=memory[100:])
    assert_same(memory[100:], np.arange(100.0) * 2)
    memory = np.arange(200.0)
    (r.lazy(memory[::2]) * 2.0).eval(out=memory[1::2])
    assert_same(memory[1::2], np.arange(0.0, 200.0, 2) * 2)


def test_too_large_to_allocate() -> None:
    """A result larger than memory is an error of its own, and the next evaluation works."""
    huge = r.broadcast_to(r.lazy(np.ones(1)), (2**47,)) + 1.0
    with pytest.raises(MemoryError, match=r"\d"):
        huge.eval()
    assert_same(numbers(3) + 1, np.full(3, 2.0))


def test_failed_operations_leave_the_operands_usable() -> None:
    x = numbers(3)
    for wrong in (
        lambda: x + numbers(4),
        lambda: x[7],
        lambda: x.eval(out=np.ones(5)),
        lambda: r.sum(x, axis=4),
    ):
        with pytest.raises((ValueError, IndexError)):
            wrong()
    assert_same(x + 1, np.full(3, 2.0))


def test_unknown_operands_get_their_chance() -> None:
    """Binary operators return NotImplemented for foreign types."""

    class Foreign:
        def __radd__(self, other: Any) -> str:
            return "radd"

        def __rmatmul__(self, other: Any) -> str:
            return "rmatmul"

    assert numbers(2) + Foreign() == "radd"
    assert numbers(2) @ Foreign() == "rmatmul"
    assert (numbers(2) == None) is False  # noqa: E711
    assert (numbers(2) != None) is True  # noqa: E711


@pytest.mark.parametrize("dtype", DTYPES)
def test_refusals_agree_with_numpy(dtype: str) -> None:
    """Unary functions that NumPy refuses for a dtype are refused here, and the others are not."""
    x = np.ones(2, dtype=dtype)
    for name in (
        "negative",
        "positive",
        "sign",
        "bitwise_invert",
        "floor",
        "isnan",
        "sqrt",
        "signbit",
        "square",
    ):
        try:
            getattr(np, name)(x)
        except TypeError:
            with pytest.raises(TypeError, match=name):
                getattr(r, name)(r.lazy(x))
        else:
            getattr(r, name)(r.lazy(x)).eval()
