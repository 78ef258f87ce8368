"""float16 against NumPy, for every value where that is feasible; bfloat16 against `ml_dtypes`."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import raptors as r
from compare import DTYPES, assert_same, evaluate
from raptors import _core

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
HALVES = {"float16": np.dtype(np.float16), "bfloat16": BFLOAT16}
OPS: dict[str, dict[str, Any]] = {op["name"]: op for op in _core.op_table()}
# `ml_dtypes` keeps the sign of a zero, and raises for some pairs; NumPy has no `fma`.
DIFFERENT = {"bfloat16": {"sign"}, "float16": set()}


def every(dtype: str) -> np.ndarray:
    """Every value of a half."""
    return np.arange(1 << 16, dtype=np.uint16).view(HALVES[dtype])


def boundaries(dtype: str) -> np.ndarray:
    """Values of both signs at which ops change their mind, and some of every exponent."""
    fraction = 10 if dtype == "float16" else 7
    infinity = 0x7C00 if dtype == "float16" else 0x7F80
    edges = [0, 1, 2, (1 << fraction) - 1, 1 << fraction, infinity - 1, infinity, infinity + 2]
    numbers = np.array([0.1, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 7.0, 10.0, 100.7], HALVES[dtype]).view(np.uint16)
    spread = np.random.default_rng(3).integers(0, infinity, 130)
    bits = np.unique(np.concatenate([edges, numbers, numbers + 1, spread])).astype(np.uint16)
    return np.concatenate([bits, bits | 0x8000]).view(HALVES[dtype])


def assert_bits(got: Any, want: np.ndarray, *operands: np.ndarray) -> None:
    """Equal dtypes, and equal bits, a NaN aside."""
    got = got if isinstance(got, np.ndarray) else evaluate(got)
    assert got.dtype == want.dtype
    if want.dtype.itemsize != 2:
        assert_same(got, want)
        return
    different = (got.view(np.uint16) != want.view(np.uint16)) & ~(np.isnan(got) & np.isnan(want))
    places = np.flatnonzero(different)[:5]
    shown = [tuple(str(x.reshape(-1)[i]) for x in (*operands, got, want)) for i in places]
    assert not different.any(), f"{different.sum()} differ: {shown}"


def pairs(dtype: str) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(boundaries(dtype), boundaries(dtype))
    return x.reshape(-1).copy(), y.reshape(-1).copy()


def in_single(name: str, *operands: np.ndarray) -> np.ndarray:
    """What raptors computes of the operands as float32."""
    return evaluate(getattr(r, name)(*(r.lazy(operand.astype(np.float32)) for operand in operands)))


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", [name for name, op in OPS.items() if op["arity"] == 1])
def test_every_value(name: str, dtype: str) -> None:
    x = every(dtype)
    if dtype not in OPS[name]["dtypes"]:
        with pytest.raises(TypeError, match=name):
            getattr(r, name)(r.lazy(x))
        return
    got = evaluate(getattr(r, name)(r.lazy(x)))
    single = in_single(name, x)
    with np.errstate(all="ignore"):
        assert_bits(got, single.astype(x.dtype) if single.dtype == np.float32 else single, x)
        if hasattr(np, name) and name not in DIFFERENT[dtype] and OPS[name]["ulp"] == 0:
            want = getattr(np, name)(x)
            # NumPy gives the parts of a real array as they are.
            assert_bits(got, np.asarray(want), x)


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if op["arity"] == 1 and op["ulp"] > 0])
def test_functions_are_rounded_like_numpys(name: str) -> None:
    """Two functions within a unit of float32 differ where the result is next to the middle of two halves."""
    if not hasattr(np, name):
        pytest.skip("NumPy has no such function")
    x = every("float16")
    with np.errstate(all="ignore"):
        want = getattr(np, name)(x)
    got = evaluate(getattr(r, name)(r.lazy(x)))
    assert (np.isnan(got) == np.isnan(want)).all()
    numbers = ~np.isnan(want)
    order = [
        np.where(h < 0x8000, h, 0x8000 - h) for h in (a.view(np.uint16).astype(int) for a in (got, want))
    ]
    steps = np.abs(order[0] - order[1])[numbers]
    assert steps.max() <= 1
    assert (steps > 0).sum() <= 32


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", [name for name, op in OPS.items() if op["arity"] == 2])
def test_pairs(name: str, dtype: str) -> None:
    x, y = pairs(dtype)
    if dtype not in OPS[name]["dtypes"]:
        with pytest.raises(TypeError, match=name):
            getattr(r, name)(r.lazy(x), r.lazy(y))
        return
    got = evaluate(getattr(r, name)(r.lazy(x), r.lazy(y)))
    with np.errstate(all="ignore"):
        # About equal zeros NumPy's float16 has another mind than its float32.
        if name not in ("nextafter", "minimum", "maximum"):
            single = in_single(name, x, y)
            assert_bits(got, single.astype(x.dtype) if single.dtype == np.float32 else single, x, y)
        if hasattr(np, name) and OPS[name]["ulp"] == 0:
            assert_bits(got, np.asarray(getattr(np, name)(x, y)), x, y)


@pytest.mark.parametrize("dtype", HALVES)
def test_nextafter_of_every_value(dtype: str) -> None:
    x = every(dtype)
    for towards in (np.inf, -np.inf, 0.0, -0.0, 1.0, np.nan):
        y = np.full_like(x, towards)
        with np.errstate(all="ignore"):
            assert_bits(r.nextafter(r.lazy(x), r.lazy(y)), np.nextafter(x, y), x, y)


def test_fma_of_float16_is_rounded_once() -> None:
    """float64 holds the exact result, or rounds it where that is far from the middle of two halves."""
    x, y = pairs("float16")
    for z in (x[::-1].copy(), (-x * y), np.nextafter(-x * y, np.float16(0))):
        wide = (operand.astype(np.float64) for operand in (x, y, z))
        want = (next(wide) * next(wide) + next(wide)).astype(np.float16)
        assert_bits(r.fma(r.lazy(x), r.lazy(y), r.lazy(z)), want, x, y, z)


def test_fma_of_bfloat16_is_that_of_float32() -> None:
    x, y = pairs("bfloat16")
    z = x[::-1].copy()
    assert_bits(r.fma(r.lazy(x), r.lazy(y), r.lazy(z)), in_single("fma", x, y, z).astype(BFLOAT16), x, y, z)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("to", [*DTYPES, "bfloat16"])
def test_casts_of_every_value(to: str, dtype: str) -> None:
    x = every(dtype)
    target = HALVES.get(to, np.dtype(to))
    with np.errstate(all="ignore"):
        # NumPy's vector loops convert floats beyond an integer otherwise than its scalar ones.
        fits = np.isfinite(x)
        if target.kind in "iu":
            wide = x.astype(np.float64)
            fits &= (wide > max(np.iinfo(to).min, -(2.0**31))) & (wide < min(np.iinfo(to).max, 2.0**31))
        elif target.kind in "fVb":
            fits[:] = True
        x = x[fits]
        want = x.astype(target)
    assert_bits(r.astype(r.lazy(x), getattr(r, to)), want, x)


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("of", [dtype for dtype in DTYPES if dtype != "float16"])
def test_casts_to_halves(of: str, dtype: str) -> None:
    rng = np.random.default_rng(5)
    half = HALVES[dtype]
    if np.dtype(of).kind == "f":
        low = boundaries(dtype).astype(of)
        finite = every(dtype)
        finite = np.sort(finite[np.isfinite(finite)].astype(np.float64))
        middles = ((finite[:-1] + finite[1:]) / 2).astype(of)
        near = [
            middles,
            np.nextafter(middles, np.array(np.inf, of)),
            np.nextafter(middles, np.array(-np.inf, of)),
        ]
        bits = rng.integers(0, 256, 80_000, dtype=np.uint8).view(of)
        x = np.concatenate([low, *near, bits])
    elif of == "bool":
        x = np.array([True, False])
    else:
        limits = np.iinfo(of)
        x = rng.integers(limits.min, limits.max, 20_000, dtype=of, endpoint=True)
        small = [0, 1, 2047, 2048, 2049, 2050, 2051, 65504, 65519, 65520, 2**24 + 1, 0x1010001, 0x101000001]
        small = [value for value in small if value <= limits.max]
        x = np.concatenate([x, np.array(small, of), x >> (x.itemsize * 4)])
    with np.errstate(all="ignore"):
        assert_bits(r.astype(r.lazy(x), getattr(r, dtype)), x.astype(half), x)


def test_bfloat16_promotes_as_in_ml_dtypes() -> None:
    x = np.ones(2, BFLOAT16)
    for dtype in (*DTYPES, "complex64", "complex128"):
        y = np.ones(2, dtype)
        want = np.add(x, y).dtype
        if want.kind != "c":
            assert_same(evaluate(r.lazy(x) + r.lazy(y)).astype(float), (x + y).astype(float))
            assert (r.lazy(x) + r.lazy(y)).dtype == want
            assert (r.lazy(y) + r.lazy(x)).dtype == want


@pytest.mark.parametrize("dtype", HALVES)
def test_python_numbers_are_weak(dtype: str) -> None:
    x = r.lazy(np.ones(2, HALVES[dtype]))
    for number in (1, 2.5, True, 100_000, 1e6, -1e300, 10**30, float("nan")):
        assert (x + number).dtype == HALVES[dtype]
    with np.errstate(all="ignore"):
        for number in (1, 2.5, 100_000, 65_519, 65_520.0, -1e300, 10**30, 0.1):
            h = np.array([1, 3], np.float16)
            assert_same(r.lazy(h) * number, h * number)
            assert_same(number - r.lazy(h), number - h)
            assert_same(r.lazy(h) < number, h < number)


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8"])
def test_functions_of_small_integers_are_float16(dtype: str) -> None:
    x = np.arange(100).astype(dtype)
    with np.errstate(all="ignore"):
        assert_same(r.sqrt(r.lazy(x)), np.sqrt(x))
        assert_same(r.copysign(r.lazy(x), r.lazy(x)), np.copysign(x, x))
        assert (r.exp(r.lazy(x))).dtype == np.exp(x).dtype == np.float16
        assert r.hypot(r.lazy(x), r.lazy(x.astype(np.uint16))).dtype == np.float32


@pytest.mark.parametrize("n", [0, 1, 2, 31, 128, 1000, 4097, 70_001])
def test_reductions_are_of_float32_rounded(n: int) -> None:
    rng = np.random.default_rng(n)
    for half in HALVES.values():
        x = rng.normal(size=n).astype(half)
        single = x.astype(np.float32)
        y = r.lazy(x)
        for name in ("sum", "mean", "prod"):
            if n or name != "mean":
                want = evaluate(getattr(r, name)(r.lazy(single)))
                with np.errstate(all="ignore"):
                    assert_bits(getattr(r, name)(y), want.astype(half))
        if n:
            for name in ("min", "max"):
                assert_bits(getattr(r, name)(y), np.asarray(getattr(single, name)().astype(half)))
            for name in ("argmin", "argmax"):
                assert_same(getattr(r, name)(y), getattr(np, name)(single))
        assert_same(r.any(y), np.any(single))
    if n:
        x = rng.normal(size=n).astype(np.float16)
        np.testing.assert_allclose(float(r.sum(r.lazy(x))), float(x.sum()), rtol=2e-3, atol=2e-3)
        np.testing.assert_allclose(float(r.mean(r.lazy(x))), float(x.mean()), rtol=2e-3, atol=1e-6)


def test_sums_that_halves_do_not_hold() -> None:
    with np.errstate(all="ignore"):
        x = np.full(70_000, 300.0, np.float16)
        for name in ("sum", "mean", "var", "std"):
            assert_same(getattr(r, name)(r.lazy(x)), np.asarray(getattr(np, name)(x)))
        ones = np.ones(70_000, np.float16)
        for name in ("sum", "mean", "var", "std", "prod"):
            assert_same(getattr(r, name)(r.lazy(ones)), np.asarray(getattr(np, name)(ones)))
    assert float(r.mean(r.lazy(np.ones(70_000, BFLOAT16)))) == 1.0


@pytest.mark.parametrize("correction", [0, 1, 2.5])
def test_var_and_std_take_numpys_steps(correction: float) -> None:
    # Sums of few multiples of 1/4 are exact whatever their order.
    x = (np.random.default_rng(1).integers(-40, 40, (30, 64)) / 4).astype(np.float16)
    for name in ("var", "std"):
        want = getattr(np, name)(x, axis=1, correction=correction)
        got = evaluate(getattr(r, name)(r.lazy(x), axis=1, correction=correction))
        assert got.dtype == np.float16
        np.testing.assert_allclose(got, want, rtol=2e-3)


@pytest.mark.parametrize("dtype", HALVES)
def test_matmul_is_of_float32_rounded(dtype: str) -> None:
    rng = np.random.default_rng(2)
    half = HALVES[dtype]
    for m, k, n in ((1, 5, 1), (7, 30, 9), (64, 100, 70), (3, 0, 2)):
        a = (rng.integers(-8, 8, (m, k)) / 2).astype(half)
        b = (rng.integers(-8, 8, (k, n)) / 2).astype(half)
        # These sums are exact in float32.
        want = (a.astype(np.float32) @ b.astype(np.float32)).astype(half)
        assert_bits(r.matmul(r.lazy(a), r.lazy(b)), want)
        assert_bits(
            r.lazy(a) @ b * 0.5 + 1.0, ((want * half.type(0.5)).astype(half) + half.type(1)).astype(half)
        )


@pytest.mark.parametrize("dtype", HALVES)
def test_work_is_one_compiled_loop(dtype: str) -> None:
    x = (np.arange(5000) % 97 / 8).astype(HALVES[dtype])
    y = r.lazy(x)
    result = r.where(y > 3.0, r.sqrt(y * y + 1.0), y / 4.0)
    with np.errstate(all="ignore"):
        one, three, four = (HALVES[dtype].type(n) for n in (1, 3, 4))
        want = np.where(x > three, np.sqrt((x * x + one).astype(x.dtype)), x / four)
    plan = result.plan()
    assert plan.kernels == 1
    assert plan.peak_bytes == x.nbytes
    assert_bits(result, want.astype(x.dtype), x)
    rows = r.sum(y.reshape((50, 100)) * 2.0, axis=1)
    assert rows.plan().kernels == 1


@pytest.mark.parametrize("dtype", HALVES)
def test_creation(dtype: str) -> None:
    ours, half = getattr(r, dtype), HALVES[dtype]
    assert_bits(r.zeros((2, 3), dtype=ours), np.zeros((2, 3), half))
    assert_bits(r.full((2,), 2.7, dtype=ours), np.full((2,), 2.7, half))
    assert_bits(r.eye(3, dtype=ours), np.eye(3, dtype=half))
    assert_bits(r.linspace(0, 1, 50, dtype=ours), np.linspace(0, 1, 50).astype(half))
    assert_bits(r.lazy([1, 2.5, -3], dtype=ours), np.array([1, 2.5, -3], half))
    assert_bits(r.asarray(1.7, dtype=ours), np.asarray(1.7, half))
    for arguments in ((0, 10, 0.1), (3, -2, -0.3), (5,), (1000, 3000, 3)):
        assert_same(r.arange(*arguments, dtype=r.float16), np.arange(*arguments, dtype=np.float16))


@pytest.mark.parametrize("dtype", HALVES)
def test_numbers_and_text(dtype: str) -> None:
    x = r.lazy(np.array([1.5, -0.0, 3.25], HALVES[dtype]))
    assert [float(x[i]) for i in range(3)] == [1.5, -0.0, 3.25]
    assert int(x[2]) == 3
    assert bool(x[0])
    assert str(np.asarray(x)) == str(np.array([1.5, -0.0, 3.25], HALVES[dtype]))
    assert dtype in repr(x)
    assert getattr(r, dtype).itemsize == 2
    assert getattr(r, dtype) == HALVES[dtype]
    assert np.dtype(getattr(r, dtype)) == HALVES[dtype]
    assert_bits(x + HALVES[dtype].type(1), (np.asarray(x) + HALVES[dtype].type(1)))


def test_layouts_of_bfloat16() -> None:
    x = np.arange(48).astype(BFLOAT16).reshape(6, 8)
    for view in (x.T, x[::-1, ::2], x[1:3], np.broadcast_to(x[0], (3, 8))):
        assert_bits(r.lazy(view) + 1, view + BFLOAT16.type(1))
        assert_bits(r.lazy(view), np.ascontiguousarray(view))
    out = np.zeros((6, 8), BFLOAT16)
    assert (r.lazy(x) * 2).eval(out=out) is out
    assert_bits(out, x * BFLOAT16.type(2))
    given = x.copy()
    result = (r.lazy(given, donate=True) * 2).eval()
    assert np.shares_memory(result, given)


class Producer:
    """What exports a capsule alone, as a tensor of another library does."""

    def __init__(self, array: Any) -> None:
        self.array = array

    def __dlpack__(self, **arguments: Any) -> Any:
        return self.array.__dlpack__(**arguments)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()


@pytest.mark.parametrize("dtype", HALVES)
def test_dlpack_both_ways(dtype: str) -> None:
    x = boundaries(dtype)
    y = r.lazy(Producer(r.lazy(x) + 0))
    assert y.dtype == HALVES[dtype]
    with np.errstate(all="ignore"):
        assert_bits(y, x + HALVES[dtype].type(0))
    if dtype == "float16":
        assert_same(np.from_dlpack(r.lazy(x) * 2), x * np.float16(2))


def test_float16_buffers() -> None:
    x = np.array([1, 2.5], np.float16)
    assert memoryview(r.lazy(x) * 2).format == "e"
    assert_same(r.lazy(memoryview(x)), x)
    swapped = x.astype(x.dtype.newbyteorder())
    assert_same(r.lazy(swapped) + 1, x + np.float16(1))
    with pytest.raises(BufferError, match="bfloat16"):
        memoryview(r.lazy(np.ones(2, BFLOAT16)))


def test_without_ml_dtypes_bfloat16_is_handed_out_by_dlpack() -> None:
    program = """
import sys
sys.modules["ml_dtypes"] = None
import raptors as r
x = r.lazy([1.0, 2.5], dtype=r.bfloat16) * 2
assert float(x[1]) == 5.0
assert r.astype(x, r.float32).eval().tolist() == [2.0, 5.0]
x.__dlpack__()
try:
    x.eval()
except ImportError as error:
    assert "ml_dtypes" in str(error), error
else:
    raise AssertionError("an ndarray of bfloat16 without ml_dtypes")
"""
    subprocess.run([sys.executable, "-c", program], check=True)
