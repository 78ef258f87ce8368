"""Arrays from and to other libraries: NumPy's protocols, buffers, DLPack, Python numbers and lists."""

from __future__ import annotations

import array
import ctypes
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import raptors as r
from compare import DTYPES, assert_same, evaluate, native
from hypothesis import given
from strategies import arrays


@pytest.mark.parametrize("dtype", DTYPES)
def test_attributes(dtype: str) -> None:
    x = np.ones((2, 3, 4), dtype=dtype)
    y = r.lazy(x)[:, 1:]
    want = x[:, 1:]
    assert tuple(y.shape) == want.shape
    assert y.dtype == want.dtype
    assert (y.ndim, y.size, y.nbytes, len(y)) == (want.ndim, want.size, want.nbytes, len(want))
    assert isinstance(y, r.Array)


def test_repr_says_what_it_is_and_computes_nothing() -> None:
    poison = r.broadcast_to(r.lazy(np.ones(1, np.float32)), (2**47, 3)) + 1
    text = repr(poison)
    for word in (str(2**47), "3", "float32", "lazy", "op"):
        assert word in text


def test_asarray() -> None:
    y = r.lazy(np.arange(4, dtype=np.float32)) * 2
    assert_same(np.asarray(y), np.arange(4, dtype=np.float32) * 2)
    assert_same(np.asarray(y, dtype=np.float64), np.arange(4.0) * 2)
    assert_same(np.array(y), np.arange(4, dtype=np.float32) * 2)
    assert_same(np.asarray(r.lazy(2.5)), np.array(2.5))
    with pytest.raises(ValueError, match="copy"):
        np.asarray(y, dtype=np.float64, copy=False)


def test_python_numbers() -> None:
    assert float(r.sum(r.lazy([1.5, 2.0]))) == 3.5
    assert int(r.lazy(7)) == 7
    assert bool(r.lazy(0)) is False
    assert bool(r.any(r.lazy([0, 1]))) is True
    assert [10, 20, 30][r.lazy(np.int32(1))] == 20
    assert r.lazy([[3]]).item() == 3
    assert f"{r.lazy(2.0):.2f}" == "2.00"


def test_a_python_number_is_computed_once() -> None:
    """`float(y)` keeps the value in the node, so that a loop that looks at it does not compute it again."""
    a = np.arange(4.0)
    total = r.sum(r.lazy(a))
    assert float(total) == 6.0
    a[:] = 0
    assert float(total) == 6.0


@given(arrays())
def test_every_layout_round_trips(x: np.ndarray) -> None:
    assert_same(r.lazy(x), native(x))


@pytest.mark.parametrize("code", "bBhHiIlLqQfd")
def test_buffer_protocol(code: str) -> None:
    source = array.array(code, [1, 2, 3])
    assert_same(r.lazy(source) + r.lazy(source), np.array(source) + np.array(source))
    assert_same(r.lazy(memoryview(source)[::-1]), np.array(source)[::-1])


def test_bytes_like() -> None:
    for source in (b"\x01\x02\xff", bytearray(b"\x01\x02\xff"), (ctypes.c_uint8 * 3)(1, 2, 255)):
        assert_same(r.lazy(source), np.array([1, 2, 255], dtype=np.uint8))


def test_buffer_is_borrowed() -> None:
    source = bytearray(b"\x01\x02")
    y = r.lazy(source)
    source[0] = 9
    assert_same(y, np.array([9, 2], dtype=np.uint8))


@pytest.mark.parametrize(
    "values",
    [
        5,
        2.5,
        True,
        -(2**63),
        2**63,
        [1, 2, 3],
        [1, 2.5],
        [True, False],
        [[1, 2], [3, 4]],
        ((1.0, 2.0), [3, 4]),
        [],
        [[], []],
        [[[1]]],
        [True, 2],
        range(5),
    ],
)
def test_python_values(values: Any) -> None:
    assert_same(r.lazy(values), np.array(values))


def test_lists_of_numpy_scalars_and_arrays() -> None:
    assert_same(r.lazy([np.float32(1), np.float32(2)]), np.array([1, 2], dtype=np.float32))
    assert_same(r.lazy([np.int8(1), np.float32(2)]), np.array([np.int8(1), np.float32(2)]))
    assert_same(r.lazy([np.arange(3), np.arange(3)]), np.array([np.arange(3)] * 2))


@pytest.mark.parametrize("dtype", DTYPES)
def test_numpy_scalars(dtype: str) -> None:
    value = np.dtype(dtype).type(1)
    assert_same(r.lazy(value), np.asarray(value))


def test_lazy_of_lazy_is_the_same_array() -> None:
    y = r.lazy([1.0, 2.0]) + 1
    assert_same(r.lazy(y), np.array([2.0, 3.0]))


def test_lazy_dtype_argument() -> None:
    assert_same(r.lazy([1, 2], dtype=r.float32), np.array([1, 2], dtype=np.float32))


class OnlyDLPack:
    """An array known by DLPack alone, as another library's would be."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __dlpack__(self, **arguments: Any) -> Any:
        return self.values.__dlpack__(**arguments)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.values.__dlpack_device__()


class OldDLPack(OnlyDLPack):
    """A producer of before DLPack 1.0, which takes no `max_version`."""

    def __dlpack__(self, stream: Any = None) -> Any:
        return self.values.__dlpack__()


@pytest.mark.parametrize("producer", [OnlyDLPack, OldDLPack])
@pytest.mark.parametrize("dtype", DTYPES)
def test_from_dlpack(dtype: str, producer: type[OnlyDLPack]) -> None:
    x = np.arange(24).reshape(2, 3, 4).astype(dtype)
    for view in (x, x[:, ::2], x.T, x[1, 1, 1, ...], x[:0]):
        assert_same(r.lazy(producer(view)), view)
    y = r.lazy(producer(x)) == r.lazy(x)
    del x
    assert evaluate(y).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_to_dlpack(dtype: str) -> None:
    x = np.arange(6).reshape(2, 3).astype(dtype)
    y = r.lazy(x)[::-1]
    assert y.__dlpack_device__() == (1, 0)
    assert_same(np.from_dlpack(y), x[::-1])


def test_dlpack_of_another_device_is_refused() -> None:
    class Elsewhere(OnlyDLPack):
        def __dlpack_device__(self) -> tuple[int, int]:
            return (2, 0)

    with pytest.raises((BufferError, ValueError, TypeError), match="device"):
        r.lazy(Elsewhere(np.ones(2)))


def test_numpy_functions_capture() -> None:
    """Universal functions build the graph; nothing is computed."""
    x = np.linspace(0.1, 1.0, 7)
    y = r.lazy(x)
    for got, want in (
        (np.add(y, 1), np.add(x, 1)),
        (np.sqrt(y), np.sqrt(x)),
        (np.multiply(x, y), x * x),
        (np.maximum(y, 0.5), np.maximum(x, 0.5)),
        (np.less(y, x[::-1]), x < x[::-1]),
        (np.absolute(y), x),
        (np.true_divide(y, 3), x / 3),
        (np.bitwise_and(r.lazy(np.arange(4)), 3), np.arange(4) & 3),
    ):
        assert isinstance(got, r.Array)
        assert_same(got, want)


def test_ndarray_on_the_left() -> None:
    x = np.arange(6.0).reshape(2, 3)
    y = r.lazy(x)
    for got, want in (
        (x + y, x + x),
        (x - y, x - x),
        (x * y, x * x),
        (x / (y + 1), x / (x + 1)),
        (x // (y + 1), x // (x + 1)),
        (x % (y + 1), x % (x + 1)),
        (x < y, x < x),
        (x == y, x == x),
        (x @ y.T, x @ x.T),
        (np.float64(2) * y, 2 * x),
        (np.float32(2) * y, 2 * x),
    ):
        assert isinstance(got, r.Array)
        assert_same(got, want)
    assert isinstance(x**y, r.Array)


def test_every_operator_with_a_number_on_either_side() -> None:
    x = np.array([1, 2, 5], dtype=np.int64)
    y = r.lazy(x)
    for got, want in (
        (y + 2, x + 2),
        (2 + y, 2 + x),
        (y - 2, x - 2),
        (2 - y, 2 - x),
        (y * 2, x * 2),
        (2 * y, 2 * x),
        (y / 2, x / 2),
        (2 / y, 2 / x),
        (y // 2, x // 2),
        (7 // y, 7 // x),
        (y % 2, x % 2),
        (7 % y, 7 % x),
        (y**2, x**2),
        (2**y, 2**x),
        (y & 3, x & 3),
        (3 & y, 3 & x),
        (y | 8, x | 8),
        (8 | y, 8 | x),
        (y ^ 3, x ^ 3),
        (3 ^ y, 3 ^ x),
        (y << 2, x << 2),
        (1 << y, 1 << x),
        (y >> 1, x >> 1),
        (64 >> y, 64 >> x),
        (y < 2, x < 2),
        (2 < y, 2 < x),
        (y == 2, x == 2),
        (y != 2, x != 2),
        (-y, -x),
        (+y, +x),
        (~y, ~x),
        (abs(-y), abs(-x)),
    ):
        assert_same(got, want)


def test_in_place_operators() -> None:
    x = np.array([6, 7, 9], dtype=np.int64)
    y, want = r.lazy(x), x.copy()
    y += 3
    want += 3
    y -= 1
    want -= 1
    y *= 2
    want *= 2
    y //= 3
    want //= 3
    y %= 4
    want %= 4
    y **= 2
    want **= 2
    y <<= 3
    want <<= 3
    y >>= 1
    want >>= 1
    y |= 1
    want |= 1
    y &= 13
    want &= 13
    y ^= 5
    want ^= 5
    assert_same(y, want)
    assert_same(x, np.array([6, 7, 9]))
    z = r.lazy(np.array([1.0, 2.0]))
    z /= 4
    z @= r.lazy(np.eye(2))
    assert_same(z, np.array([0.25, 0.5]))


def test_constants_and_dtypes() -> None:
    assert (r.pi, r.e, r.inf) == (np.pi, np.e, np.inf)
    assert r.nan != r.nan
    assert r.newaxis is None


def run(code: str) -> str:
    """The output of a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def test_import_does_not_import_numpy() -> None:
    assert run("import sys, raptors; print('numpy' in sys.modules)") == "False"


def test_import_is_fast() -> None:
    code = "import time; t = time.perf_counter(); import raptors; print(time.perf_counter() - t)"
    assert min(float(run(code)) for _ in range(7)) < 0.020


def test_works_before_numpy_is_imported() -> None:
    """Lists, numbers and buffers need no NumPy until a result is asked for."""
    code = (
        "import sys, raptors as r; y = r.sum(r.lazy([1.0, 2.0]) * 2.0); "
        "print(float(y), repr(y.dtype), 'numpy' in sys.modules)"
    )
    assert run(code) == "6.0 raptors.float64 False"


def test_survives_fork() -> None:
    """A child process computes with threads of its own."""
    code = """
import os, numpy as np, raptors as r
a = np.ones(1_000_000)
assert float(r.sum(r.lazy(a))) == 1e6
child = os.fork()
if child == 0:
    os._exit(0 if float(r.sum(r.lazy(a) * 2.0)) == 2e6 else 1)
print(os.waitpid(child, 0)[1], float(r.sum(r.lazy(a))))
"""
    assert run(code) == "0 1000000.0"


def test_threads_are_set_by_the_environment() -> None:
    code = """
import numpy as np, raptors as r
a = np.linspace(0, 1, 300_000)
print(r.num_threads(), np.asarray(r.sum(r.sin(r.lazy(a)))).tobytes().hex())
"""
    import os

    results = set()
    for n in ("1", "2", "3"):
        environment = {**os.environ, "RAPTORS_NUM_THREADS": n}
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env=environment,
        )
        threads, bits = done.stdout.split()
        assert threads == n
        results.add(bits)
    assert len(results) == 1
