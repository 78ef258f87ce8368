"""Complex numbers: NumPy's arithmetic to the last bit, in every layout, memory and combination of dtypes."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import raptors as r
from compare import COMPLEX, DTYPES, assert_close, assert_same, assert_within_ulp, evaluate, native
from raptors import _core
from strategies import LAYOUTS, PARTS, any_bits, ordinary, pairs, specials

EXACT = [
    "negative",
    "positive",
    "conj",
    "real",
    "imag",
    "round",
    "add",
    "subtract",
    "multiply",
    "divide",
    "square",
    "reciprocal",
    "equal",
    "not_equal",
    "isnan",
    "isinf",
    "isfinite",
    "logical_and",
    "logical_or",
    "logical_xor",
    "logical_not",
]
REFUSED = [
    "floor",
    "ceil",
    "trunc",
    "floor_divide",
    "remainder",
    "minimum",
    "maximum",
    "copysign",
    "nextafter",
    "hypot",
    "logaddexp",
    "atan2",
    "sigmoid",
    "cbrt",
    "erf",
    "erfc",
    "gamma",
    "lgamma",
    "less",
    "less_equal",
    "greater",
    "greater_equal",
    "signbit",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_right_shift",
]
ARITY = {op["name"]: op["arity"] for op in _core.op_table()}
NUMPY = {"round": np.rint, "real": np.real, "imag": np.imag}


def numpy_fuses() -> bool:
    """Whether NumPy rounds one product together with the sum of both, as its vector loops do on most CPUs."""
    x = np.full(64, 1 + 2.0**-30 + 1j)
    return bool(np.all((x * x).real == 2.0**-29 + 2.0**-60))


def values(dtype: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """Special values, ordinary ones, and random bits; `count` of each in a random order."""
    special = rng.choice(specials(dtype), count)
    drawn = [special, ordinary(dtype, count, rng, (-100.0, 100.0)), any_bits(dtype, count, rng)]
    return rng.permutation(np.concatenate(drawn))


def fused(name: str, *operands: np.ndarray) -> np.ndarray:
    """What NumPy computes on CPUs that multiply and add in one instruction."""

    def fma(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        return evaluate(r.fma(np.ascontiguousarray(x), np.ascontiguousarray(y), np.ascontiguousarray(z)))

    x, y = np.broadcast_arrays(*operands) if name == "multiply" else operands * 2
    real = fma(x.real, y.real, -(x.imag * y.imag))
    imag = fma(x.real, y.imag, x.imag * y.real) if name == "multiply" else x.real * x.imag + x.real * x.imag
    return pairs(real, imag)


def check(name: str, operands: list[np.ndarray]) -> None:
    """raptors' result for operands of any layout against NumPy's for contiguous ones."""
    got = evaluate(getattr(r, name)(*map(r.lazy, operands)))
    plain = [np.array(native(operand)) for operand in operands]
    if name in ("multiply", "square") and not numpy_fuses():
        assert_same(got, fused(name, *plain), *plain)
    else:
        assert_same(got, NUMPY.get(name, getattr(np, name, None))(*plain), *plain)


@pytest.mark.parametrize("dtype", COMPLEX)
@pytest.mark.parametrize("name", EXACT)
def test_arithmetic_has_numpys_bits(name: str, dtype: str, rng: np.random.Generator) -> None:
    arity = ARITY[name]
    lines = [values(dtype, 7 * 60, rng) for _ in range(arity)]
    check(name, lines)
    tables = [line.reshape(7, -1) for line in lines]
    for layout in LAYOUTS.values():
        check(name, [layout(table) for table in tables])
        if arity == 2:
            check(name, [layout(tables[0]), tables[1]])
            check(name, [tables[0][:, :1], layout(tables[1])])
            check(name, [layout(tables[0]), tables[1][0]])
    for n in (0, 1, 2, 3, 5, 8, 13, 17, 31, 33, 64, 65, 127):
        check(name, [line[:n] for line in lines])
    check(name, [np.asarray(line[0]) for line in lines])
    if arity == 1:
        check(name, [specials(dtype)])
        check(name, [tables[0].T[::-2, 1:5]])
    else:
        grid = rng.permutation(specials(dtype))[:60]
        check(name, [grid[:, None], grid])


@pytest.mark.parametrize("dtype", COMPLEX)
def test_products_round_the_second_product_apart(dtype: str, rng: np.random.Generator) -> None:
    """The bits of a product and a square, whatever NumPy does on this CPU."""
    x, y = values(dtype, 300, rng), values(dtype, 300, rng)
    assert_same(r.lazy(x) * y, fused("multiply", x, y), x, y)
    assert_same(r.square(x), fused("square", x), x)


@pytest.mark.parametrize("dtype", COMPLEX)
@pytest.mark.parametrize("name", REFUSED)
def test_what_needs_an_order_is_refused(name: str, dtype: str) -> None:
    with pytest.raises(TypeError, match=f"{name}: .*{dtype}"):
        getattr(r, name)(*[r.lazy(np.ones(3, dtype))] * ARITY[name])


@pytest.mark.parametrize("dtype", COMPLEX)
@pytest.mark.parametrize("name", ["min", "max", "argmin", "argmax"])
def test_reductions_that_need_an_order_are_refused(name: str, dtype: str) -> None:
    with pytest.raises(TypeError, match=f"{name}: .*{dtype}"):
        getattr(r, name)(r.lazy(np.ones(3, dtype)))


@pytest.mark.parametrize("dtype", COMPLEX)
def test_abs_sign_and_angle(dtype: str, rng: np.random.Generator) -> None:
    z = np.concatenate([values(dtype, 500, rng), specials(dtype)])
    part = np.dtype(PARTS[dtype])
    long = z.astype(np.clongdouble)
    assert_within_ulp(r.abs(z), np.hypot(long.real, long.imag), part, 1, z)
    assert_within_ulp(r.angle(z), np.arctan2(long.imag, long.real), part, 1, z)
    sign = evaluate(r.sign(z))
    want = np.sign(np.array(z))
    assert sign.dtype == z.dtype
    for got, exact in ((sign.real, want.real), (sign.imag, want.imag)):
        close = np.abs(got - exact) <= 3 * np.spacing(np.abs(exact))
        equal = close & (np.signbit(got) == np.signbit(exact)) | np.isnan(got) & np.isnan(exact)
        # A subnormal part beside a subnormal size has few digits.
        assert np.all(equal), z[~equal][:5]
    assert_same(r.angle(np.array([1.5, -2.0, 0.0])), np.angle(np.array([1.5, -2.0, 0.0])))
    assert_same(abs(r.lazy(z)), evaluate(r.abs(z)))


@pytest.mark.parametrize("dtype", COMPLEX)
def test_methods_and_operators(dtype: str, rng: np.random.Generator) -> None:
    x, y = values(dtype, 50, rng), values(dtype, 50, rng)
    lazy = r.lazy(x)
    assert_same(lazy.real, x.real)
    assert_same(lazy.imag, x.imag)
    assert_same(lazy.conj(), x.conj())
    assert_same(np.conjugate(lazy), x.conj())
    assert_same(-lazy, -x)
    assert_same(+lazy, +x)
    assert_same(lazy / y, x / y)
    assert_same(lazy == y, x == y)
    assert_same(lazy != x, x != x)
    assert_same(lazy**2, x**2)
    assert_same(lazy**-1, x**-1)
    assert_same(lazy**1, x**1)
    assert_same(lazy**2.0, x**2.0)
    assert_same(lazy**-1.0, x**-1.0)
    assert_close(r.lazy(x[np.isfinite(x)]) ** 0.5, np.sqrt(x[np.isfinite(x)]), 4)
    assert_same(r.where(x.real > 0, lazy, y), np.where(x.real > 0, x, y))
    finite = ordinary(dtype, 50, rng, (-9.0, 9.0))
    for decimals in (-1, 0, 2):
        assert_same(r.lazy(finite).round(decimals), finite.round(decimals))
    lazy *= 2
    lazy += 1j
    assert_same(lazy, x * 2 + 1j)


@pytest.mark.parametrize("dtype", COMPLEX)
def test_whole_powers_are_products(dtype: str, rng: np.random.Generator) -> None:
    """Exponents that are whole numbers below 100 give NumPy's bits, as numbers and as arrays."""
    z = values(dtype, 60, rng)
    for exponent in (0, 1, 2, 3, 4, 5, 7, 12, 33, 99, -1, -2, -3, -10, -99):
        assert_same(r.pow(z, exponent), np.power(z, exponent), z)
        assert_same(r.lazy(z) ** (exponent + 0j), np.power(z, exponent + 0j), z)
    exponents = rng.integers(-99, 100, z.size).astype(dtype)
    assert_same(r.pow(z, exponents), np.power(z, exponents), z, exponents)
    assert_same(r.pow(2.0, r.lazy(exponents)), np.power(np.full(z.size, 2, dtype), exponents))


@pytest.mark.parametrize("dtype", COMPLEX)
def test_long_expressions(dtype: str, rng: np.random.Generator) -> None:
    """One loop for all of it, of every layout of operand, and the bits of one op at a time."""
    x, y = (ordinary(dtype, 12 * 35, rng, (-2.0, 2.0)).reshape(12, 35) for _ in range(2))

    def f(x: Any, y: Any) -> Any:
        return ((x * y - x.conj()) / (y + 2.0) + (0.5 - 1.5j) * x) * (x.real * y.imag)

    for layout in LAYOUTS.values():
        for a, b in ((layout(x), y), (x, layout(y)), (layout(x).T, layout(y).T)):
            lazy = f(r.lazy(a), r.lazy(b))
            apart = f(_Stepwise(a), _Stepwise(b)).array
            assert_same(lazy, apart)
            assert lazy.plan().kernels == 1


class _Stepwise:
    """An array whose every op is evaluated alone."""

    def __init__(self, array: Any) -> None:
        self.array = np.asarray(array)

    def _op(self, op: Callable[..., Any], *others: Any) -> _Stepwise:
        arrays = [other.array if isinstance(other, _Stepwise) else other for other in others]
        return _Stepwise(evaluate(op(r.lazy(self.array), *arrays)))

    def __add__(self, other: Any) -> _Stepwise:
        return self._op(operator.add, other)

    def __sub__(self, other: Any) -> _Stepwise:
        return self._op(operator.sub, other)

    def __mul__(self, other: Any) -> _Stepwise:
        return self._op(operator.mul, other)

    def __rmul__(self, other: Any) -> _Stepwise:
        return self._op(lambda x: other * x)

    def __truediv__(self, other: Any) -> _Stepwise:
        return self._op(operator.truediv, other)

    def conj(self) -> _Stepwise:
        return self._op(r.conj)

    @property
    def real(self) -> _Stepwise:
        return self._op(r.real)

    @property
    def imag(self) -> _Stepwise:
        return self._op(r.imag)


# Promotion and conversion


@pytest.mark.parametrize("complex_dtype", COMPLEX)
@pytest.mark.parametrize("dtype", [*DTYPES, *COMPLEX])
def test_promotion_of_arrays(dtype: str, complex_dtype: str, rng: np.random.Generator) -> None:
    x, z = ordinary(dtype, 20, rng, (0.0, 50.0)), ordinary(complex_dtype, 20, rng, (-9.0, 9.0))
    for op in (operator.add, operator.sub, operator.truediv, operator.eq):
        assert_same(op(r.lazy(x), z), op(x, z))
        assert_same(op(r.lazy(z), x), op(z, x))
    assert_same(r.where(r.lazy(x) == x, x, z), np.where(x == x, x, z))
    assert_same(r.concat([x, z]), np.concatenate([x, z]))


@pytest.mark.parametrize("dtype", [*DTYPES, *COMPLEX])
def test_python_complex_is_a_weak_scalar(dtype: str, rng: np.random.Generator) -> None:
    x = ordinary(dtype, 20, rng, (0.0, 50.0))
    for number in (1j, 2 - 0.5j, complex("nan+infj"), complex(-0.0, -0.0), 0.1 + 0.2j):
        assert_same(r.lazy(x) + number, x + number)
        assert_same(number - r.lazy(x), number - x)
        assert_same(r.lazy(x) / number, x / number)
        assert_same(r.lazy(x) == number, x == number)
    if dtype in COMPLEX:
        for real in (True, 3, -0.5, float("inf"), 2**40):
            assert_same(r.lazy(x) + real, x + real)
            assert_same(real / r.lazy(x), real / x)


@pytest.mark.parametrize("dtype", [*DTYPES, *COMPLEX])
def test_conversion(dtype: str, rng: np.random.Generator) -> None:
    x = ordinary(dtype, 40, rng, (-50.0, 50.0))
    for target in COMPLEX:
        assert_same(r.lazy(x).astype(target), x.astype(target))
        assert_same(np.asarray(r.lazy(x), dtype=target), x.astype(target))
    if dtype not in COMPLEX:
        return
    z = values(dtype, 100, rng)
    assert_same(r.lazy(z).astype("bool"), z.astype("bool"))
    for target in DTYPES:
        if target != "bool":
            with pytest.raises(TypeError, match=f"cast: not defined for {dtype}, needs .*`real`"):
                r.lazy(z).astype(target)
    with pytest.warns(np.exceptions.ComplexWarning):
        np.asarray(r.lazy(x) + 1, dtype="float64")


def test_python_conversions() -> None:
    assert complex(r.lazy(np.array(1 - 2j)) * 2) == 2 - 4j
    assert (r.lazy(np.array([0.5j])) * 2).item() == 1j
    assert bool(r.lazy(np.array(1e-300j)))
    assert (r.lazy([1, 2j]) * 1j).tolist() == [1j, -2 + 0j]
    assert 2j in r.lazy([1, 2j])
    assert f"{r.lazy(np.array(1 + 2j)):.1f}" == "1.0+2.0j"
    for convert in (int, float):
        with pytest.raises(TypeError):
            convert(r.lazy(np.array(1j)))


# Reductions and matrix products


@pytest.mark.parametrize("dtype", COMPLEX)
@pytest.mark.parametrize("shape", [(), (1,), (5,), (1000,), (7, 300), (40, 3, 11), (0,), (3, 0)])
def test_sums_and_products(dtype: str, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    count = int(np.prod(shape))
    z = ordinary(dtype, count, rng, (-0.8, 0.8)).reshape(shape)
    unit = np.exp(1j * ordinary("float64", count, rng, (-3.0, 3.0))).astype(dtype).reshape(shape)
    for axis in (None, *range(len(shape)), *([(0, len(shape) - 1)] if len(shape) > 1 else [])):
        for keepdims in (False, True):
            options = {"axis": axis, "keepdims": keepdims}
            assert_close(r.sum(z, **options), np.sum(z, **options), 200)
            assert_close(r.prod(unit, **options), np.prod(unit, **options), 8 + 4 * count)
            for name in ("any", "all"):
                got = getattr(r, name)(r.lazy(np.round(z)), **options)
                assert_same(got, np.asarray(getattr(np, name)(np.round(z), **options)))
            if count:
                assert_close(r.mean(z, **options), np.mean(z, **options), 200)
                assert_close(r.var(z, **options), np.var(z, **options), 200)
                assert_close(r.std(z, **options), np.std(z, **options), 200)
    assert r.var(z).dtype == np.dtype(PARTS[dtype])


def test_exact_reductions(rng: np.random.Generator) -> None:
    """Whole numbers have exact sums and products, in whatever order."""
    z = pairs(rng.integers(-9, 9, 4000).astype("float64"), rng.integers(-9, 9, 4000).astype("float64"))
    assert_same(r.sum(z), z.sum())
    assert_same(r.sum(z.reshape(40, 100), axis=0), z.reshape(40, 100).sum(axis=0))
    turns = np.array([1, 1j, -1, -1j])[rng.integers(0, 4, 999)]
    for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 100, 999):
        want = complex(1)
        for turn in turns[:n]:
            want *= complex(turn)
        assert r.prod(turns[:n]).item() == want
    assert_same(r.sum(r.lazy([1, 2]), dtype="complex64"), np.complex64(3))


@pytest.mark.parametrize("dtype", COMPLEX)
def test_fusion_with_reductions(dtype: str, rng: np.random.Generator) -> None:
    z = ordinary(dtype, 30 * 200, rng, (-1.0, 1.0)).reshape(30, 200)
    lazy = r.lazy(z)
    normalised = lazy / r.sum(lazy * lazy.conj(), axis=1, keepdims=True)
    assert_close(normalised, z / np.sum(z * z.conj(), axis=1, keepdims=True), 100)
    assert normalised.plan().kernels == 1
    assert_close(r.abs(lazy - r.mean(lazy, axis=1, keepdims=True)), np.abs(z - z.mean(1, keepdims=True)), 100)


@pytest.mark.parametrize("dtype", COMPLEX)
@pytest.mark.parametrize(
    "shapes",
    [
        ((3,), (3,)),
        ((4, 3), (3,)),
        ((3,), (3, 5)),
        ((4, 3), (3, 5)),
        ((33, 70), (70, 41)),
        ((2, 1, 4, 3), (5, 3, 2)),
        ((4, 0), (0, 5)),
        ((1, 1), (1, 1)),
        ((200, 8), (8, 200)),
    ],
)
def test_matmul(dtype: str, shapes: Any, rng: np.random.Generator) -> None:
    a, b = (ordinary(dtype, int(np.prod(s)), rng, (-1.0, 1.0)).reshape(s) for s in shapes)
    for layout in LAYOUTS.values():
        for x, y in ((layout(a), b), (a, layout(b))):
            assert_close(r.lazy(x) @ y, native(x) @ native(y), 100)
    assert_close((r.lazy(a) @ b) * 2j + 1, (a @ b) * 2j + 1, 100)
    whole_a, whole_b = np.round(a * 5), np.round(b * 5)
    assert_same(r.abs(r.lazy(whole_a) @ whole_b - whole_a @ whole_b), np.abs(np.zeros_like(a @ b)))
    assert_close(r.lazy(a) @ b.real, a @ b.real, 100)


# Memory


@pytest.mark.parametrize("dtype", COMPLEX)
def test_donated_input_is_overwritten(dtype: str, rng: np.random.Generator) -> None:
    z = ordinary(dtype, 3 * 1000, rng, (-2.0, 2.0)).reshape(3, 1000)
    for function in (
        lambda x: x * (2 - 1j),
        lambda x: x.conj(),
        lambda x: x * x + 1,
        r.exp,
        lambda x: r.where(r.isnan(x), 0, x),
        lambda x: x / (1 + x.imag),
    ):
        want = evaluate(function(r.lazy(z)))
        a = z.copy()
        result = function(r.lazy(a, donate=True)).eval()
        assert result.__array_interface__["data"] == a.__array_interface__["data"]
        assert_same(np.array(result), want)
    # Elements that are read elsewhere than they are written are not overwritten.
    a = z.copy()
    lazy = r.lazy(a, donate=True)
    assert_same(lazy[::-1] + lazy, z[::-1] + z)
    a = z.copy()
    lazy = r.lazy(a, donate=True)
    assert_same(lazy.real + 1j * lazy.imag[:, ::-1], evaluate(r.lazy(z).real + 1j * r.lazy(z).imag[:, ::-1]))


@pytest.mark.parametrize("dtype", COMPLEX)
def test_out(dtype: str, rng: np.random.Generator) -> None:
    z, y = (ordinary(dtype, 20 * 31, rng, (-2.0, 2.0)).reshape(20, 31) for _ in range(2))
    want = evaluate(r.lazy(z) / y + 1j)
    for name, layout in LAYOUTS.items():
        out = layout(np.zeros_like(z))
        if not out.flags.writeable or name in ("stride_zero", "overlapping"):
            continue
        assert (r.lazy(z) / y + 1j).eval(out=out) is out
        assert_same(native(out), want)
    a = z.copy()
    (r.lazy(a) / y + 1j).eval(out=a)
    assert_same(a, want)
    a = z.copy()
    (r.lazy(a)[::-1] * 1j).eval(out=a)
    assert_same(a, evaluate(r.lazy(z)[::-1] * 1j))
    real = np.zeros(z.shape, PARTS[dtype])
    r.lazy(z).imag.eval(out=real)
    assert_same(real, z.imag)
    with pytest.raises(TypeError, match="out"):
        (r.lazy(z) * 2).eval(out=real)
    first, second = r.eval(r.lazy(z).real, r.lazy(z) * 2)
    assert_same(first, z.real)
    assert_same(second, evaluate(r.lazy(z) * 2))


@pytest.mark.parametrize("dtype", COMPLEX)
def test_views_and_joins(dtype: str, rng: np.random.Generator) -> None:
    z = values(dtype, 4 * 5 * 2, rng).reshape(4, 5, 6)
    lazy = r.lazy(z)
    assert_same(lazy.T, z.T)
    assert_same((lazy.conj())[1:3, ::-2].T, z.conj()[1:3, ::-2].T)
    assert_same((-lazy).reshape(20, 6)[::3], (-z).reshape(20, 6)[::3])
    assert_same(lazy.transpose(1, 0, 2).reshape(-1).conj(), z.transpose(1, 0, 2).reshape(-1).conj())
    assert_same(r.concat([lazy, -lazy, lazy[:1] + 1], axis=0), np.concatenate([z, -z, z[:1] + 1]))
    assert_same(r.stack([lazy, lazy.conj()], axis=1), np.stack([z, z.conj()], axis=1))
    assert_same(r.concat([lazy, lazy]).imag, np.concatenate([z, z]).imag)
    assert_same(r.broadcast_to(-lazy[0], z.shape), np.broadcast_to(-z[0], z.shape))
    assert_same(lazy[2, 3, 4] * 1, z[2, 3, 4] * np.ones((), dtype))
    assert_same(lazy[..., None] + lazy[:, :, :1, None], z[..., None] + z[:, :, :1, None])


@pytest.mark.parametrize("dtype", COMPLEX)
def test_creation(dtype: str) -> None:
    for name in ("zeros", "ones"):
        assert_same(getattr(r, name)((3, 2), dtype=dtype), getattr(np, name)((3, 2), dtype=dtype))
    assert_same(r.full((2, 3), 1 - 2j), np.full((2, 3), 1 - 2j))
    assert_same(r.full(2, 1.5, dtype=dtype), np.full(2, 1.5, dtype=dtype))
    assert_same(r.eye(3, k=1, dtype=dtype), np.eye(3, k=1, dtype=dtype))
    assert_same(r.arange(5, dtype=dtype), np.arange(5, dtype=dtype))
    assert_same(r.arange(1, 3, 0.3, dtype=dtype), np.arange(1, 3, 0.3, dtype=dtype))
    assert_same(r.linspace(0, 1, 7, dtype=dtype), np.linspace(0, 1, 7, dtype=dtype))
    assert_same(r.zeros_like(np.ones(3, dtype)), np.zeros(3, dtype))
    assert_same(r.lazy([1j, 2, 3.5]), np.array([1j, 2, 3.5]))
    with pytest.raises(TypeError):
        r.full(2, 1j, dtype=PARTS[dtype])


@pytest.mark.parametrize("dtype", COMPLEX)
def test_other_libraries_memory(dtype: str, rng: np.random.Generator) -> None:
    """The buffer protocol and DLPack, in and out, and NumPy scalars, which are strong."""
    z = values(dtype, 30, rng)
    assert_same(r.lazy(memoryview(z)) + 1, z + 1)
    assert_same(np.from_dlpack(r.lazy(z) * 2), z * 2)
    assert_same(r.lazy(_Tensor(z[::2])).conj(), z[::2].conj())
    view = memoryview(r.lazy(z) * 2)
    assert view.format in ("Zf", "Zd")
    assert_same(np.asarray(view), z * 2)
    scalar = np.dtype(dtype).type(1 - 2j)
    assert_same(r.lazy(np.ones(3, "float32")) + scalar, np.ones(3, "float32") + scalar)
    assert_same(np.add(r.lazy(z), z), z + z)
    assert_same(np.sum(r.lazy(np.ones(4, dtype))), np.sum(np.ones(4, dtype)))


class _Tensor:
    """An array of another library, which speaks DLPack alone."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __dlpack__(self, **arguments: Any) -> Any:
        return self._array.__dlpack__(**arguments)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array.__dlpack_device__()


# Plans


def test_scalars_are_parameters_of_a_plan() -> None:
    """Another complex number is no other plan; an exponent, which decides how a power is computed, is."""
    z = np.arange(7) * (1 + 0.5j)
    (r.lazy(z) * (0.25 + 3j)).eval()
    again = (r.lazy(z) * (0.75 - 4j)).plan()
    assert again.is_known
    assert_same(r.lazy(z) * (0.75 - 4j), z * (0.75 - 4j))


def test_a_plan_says_what_became_of_complex_numbers() -> None:
    z = r.lazy(np.ones(7, "complex64"))
    text = (z * z + 1).explain()
    assert "legalize" in text
    assert "complex64" in text or "c64" in text
    plan = (z * z + 1).plan()
    assert plan.kernels == 1
    assert plan.copies == []
    assert plan.peak_bytes == 7 * 8
