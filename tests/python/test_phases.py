"""Work that uses a row reduction runs with it, on a block of rows: one kernel, and the bits of several."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import raptors as r
from compare import assert_same


def apart(x: Any) -> Any:
    """The value, computed on its own."""
    if isinstance(x, r.Array):
        x.cache()
    return x


def together(x: Any) -> Any:
    """The value, computed with whatever uses it."""
    return x


# The module's functions are from `np`, which is raptors or NumPy; values between stages pass through `stage`.


def softmax(np: Any, x: Any, axis: Any, stage: Any) -> Any:
    e = stage(np.exp(stage(x - stage(x.max(axis=axis, keepdims=True)))))
    return e / stage(e.sum(axis=axis, keepdims=True))


def softmax_of_functions(np: Any, x: Any, axis: Any, stage: Any) -> Any:
    top = stage(np.expand_dims(np.max(x, axis=axis), axis))
    total = stage(np.sum(stage(np.exp(np.subtract(x, top))), axis=axis))
    return np.divide(stage(np.exp(stage(np.subtract(x, top)))), np.expand_dims(total, axis))


def log_softmax(np: Any, x: Any, axis: Any, stage: Any) -> Any:
    shifted = stage(x - stage(x.max(axis=axis, keepdims=True)))
    return shifted - stage(np.log(stage(np.exp(shifted).sum(axis=axis, keepdims=True))))


def log_softmax_of_functions(np: Any, x: Any, axis: Any, stage: Any) -> Any:
    top = stage(np.max(x, axis=axis, keepdims=True))
    total = stage(np.sum(stage(np.exp(np.subtract(x, top))), axis=axis, keepdims=True))
    return np.subtract(stage(np.subtract(x, top)), stage(np.log(total)))


def layernorm(np: Any, x: Any, axis: Any, stage: Any) -> Any:
    centered = stage(x - stage(x.mean(axis=axis, keepdims=True)))
    var = stage(stage(centered**2).mean(axis=axis, keepdims=True))
    return centered / stage(np.sqrt(stage(var + 1e-5))) * 1.5 + 0.25


def layernorm_of_methods(np: Any, x: Any, axis: Any, stage: Any) -> Any:
    mean = stage(np.expand_dims(x.mean(axis=axis), axis))
    std = stage(np.expand_dims(stage(np.sqrt(stage(x.var(axis=axis) + 1e-5))), axis))
    return stage(stage(x - mean) / std) * 1.5 + 0.25


def rms_norm(np: Any, x: Any, axis: Any, stage: Any) -> Any:
    return x / stage(np.sqrt(stage(stage((x * x).mean(axis=axis, keepdims=True)) + 1e-6)))


def rms_norm_of_functions(np: Any, x: Any, axis: Any, stage: Any) -> Any:
    mean = stage(np.mean(stage(np.square(x)), axis=axis))
    return np.multiply(x, np.expand_dims(stage(np.reciprocal(stage(np.sqrt(stage(mean + 1e-6))))), axis))


def variance(np: Any, x: Any, axis: Any, stage: Any) -> Any:
    return stage(x * 1.0).var(axis=axis)


def variance_spelled_out(np: Any, x: Any, axis: Any, stage: Any) -> Any:
    distance = stage(x - stage(x.mean(axis=axis, keepdims=True)))
    return stage(np.square(distance)).mean(axis=axis)


def deviation(np: Any, x: Any, axis: Any, stage: Any) -> Any:
    return np.std(x, axis=axis, ddof=1)


def deviation_spelled_out(np: Any, x: Any, axis: Any, stage: Any) -> Any:
    mean = stage(np.expand_dims(np.mean(x, axis=axis), axis))
    count = np.ones_like(x).sum(axis=axis)
    return np.sqrt(stage(stage(((x - mean) ** 2).sum(axis=axis)) / stage(count - 1.0)))


def unit_length(np: Any, x: Any, axis: Any, stage: Any) -> Any:
    return x / stage(np.sqrt(stage((x**2).sum(axis=axis, keepdims=True))))


def unit_range(np: Any, x: Any, axis: Any, stage: Any) -> Any:
    low = stage(x.min(axis=axis, keepdims=True))
    high = stage(np.max(x, axis=axis, keepdims=True))
    return stage(x - low) / stage(high - low)


def unit_sum(np: Any, x: Any, axis: Any, stage: Any) -> Any:
    return np.divide(x, np.expand_dims(stage(np.sum(x, axis=axis)), axis))


def logsumexp(np: Any, x: Any, axis: Any, stage: Any) -> Any:
    top = stage(x.max(axis=axis, keepdims=True))
    return np.log(stage(np.exp(stage(x - top)).sum(axis=axis, keepdims=True))) + top


def logsumexp_of_functions(np: Any, x: Any, axis: Any, stage: Any) -> Any:
    top = stage(np.max(x, axis=axis))
    total = stage(np.sum(stage(np.exp(x - np.expand_dims(top, axis))), axis=axis))
    return np.add(top, stage(np.log(total)))


PATTERNS = [
    softmax,
    softmax_of_functions,
    log_softmax,
    log_softmax_of_functions,
    layernorm,
    layernorm_of_methods,
    rms_norm,
    rms_norm_of_functions,
    variance,
    variance_spelled_out,
    deviation,
    deviation_spelled_out,
    unit_length,
    unit_range,
    unit_sum,
    logsumexp,
    logsumexp_of_functions,
]
SHAPES = [(3, 5), (40, 33), (1, 7), (100, 1000), (9, 5000), (700, 4), (2, 3, 129)]


def check(pattern: Any, x: np.ndarray, axis: Any = -1, kernels: int | None = 1) -> None:
    """The pattern of `x` is one kernel, has the bits of stages computed apart, and is close to NumPy's."""
    fused = pattern(r, r.lazy(x), axis, together)
    if kernels is not None:
        assert fused.plan().kernels == kernels, str(fused.plan())
    got = fused.eval()
    assert_same(got, pattern(r, r.lazy(x), axis, apart))
    want = pattern(np, x.astype(np.float64), axis, together)
    if x.size:
        tolerance = {2: 2e-2, 4: 1e-4, 8: 1e-9}[got.itemsize]
        np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)
    else:
        assert got.shape == want.shape


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_each_pattern_is_one_kernel(pattern: Any, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    for dtype in ["float16", "float32", "float64"]:
        check(pattern, rng.uniform(0.5, 2.0, size=shape).astype(dtype))


@pytest.mark.parametrize("dtype", ["int8", "int32", "uint16", "int64"])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_integers(pattern: Any, dtype: str, rng: np.random.Generator) -> None:
    if pattern in (rms_norm, rms_norm_of_functions, unit_length):
        pytest.skip("squares of narrow integers wrap, as NumPy's do")
    if np.dtype(dtype).kind == "u" and pattern not in (variance, layernorm, layernorm_of_methods, unit_sum):
        pytest.skip("distances of unsigned integers wrap, as NumPy's do")
    check(pattern, rng.integers(1, 60, size=(50, 37)).astype(dtype))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_rows_and_rows_of_one_element(pattern: Any, rng: np.random.Generator) -> None:
    check(pattern, np.zeros((0, 5)), kernels=None)
    x = rng.uniform(0.5, 2.0, size=(6, 1))
    if pattern in (deviation, deviation_spelled_out, unit_range):
        # 0 / 0.
        assert_same(pattern(r, r.lazy(x), -1, together), pattern(r, r.lazy(x), -1, apart))
    else:
        check(pattern, x, kernels=None)


@pytest.mark.parametrize("pattern", [variance, layernorm, rms_norm, unit_sum, unit_length])
def test_rows_without_elements(pattern: Any) -> None:
    x = np.zeros((5, 0), np.float32)
    y = pattern(r, r.lazy(x), -1, together)
    assert y.plan().kernels == 1
    assert_same(y, pattern(r, r.lazy(x), -1, apart))


def test_the_variance_of_nothing_is_nan() -> None:
    x = r.lazy(np.zeros((5, 0), np.float32))
    assert_same(x.var(axis=1), np.full(5, np.nan, np.float32))
    assert_same(x.sum(axis=1) * 2 + 1, np.ones(5, np.float32))


@pytest.mark.parametrize("pattern", [softmax, layernorm, variance, logsumexp, unit_range])
def test_several_reduced_axes(pattern: Any, rng: np.random.Generator) -> None:
    x = rng.uniform(0.5, 2.0, size=(6, 20, 30)).astype(np.float32)
    check(pattern, x, axis=(1, 2))
    check(pattern, x[:, :, :1], axis=(-2, -1))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_inputs_of_any_layout(pattern: Any, rng: np.random.Generator) -> None:
    base = rng.uniform(0.5, 2.0, size=(130, 90)).astype(np.float32)
    for x in [
        base.T,
        base[::-2, ::3],
        base[3:, 1:],
        base.astype(">f4"),
        np.broadcast_to(base[:, :1], (130, 90)),
    ]:
        # Of repeated elements, work is done once, before the kernel.
        check(pattern, x, kernels=None if 0 in x.strides else 1)
    unaligned = np.frombuffer(b"\0" + base.tobytes(), np.uint8)[1:].view(np.float32).reshape(base.shape)
    check(pattern, unaligned)


def test_a_row_that_does_not_fit_is_refused(rng: np.random.Generator) -> None:
    x = rng.uniform(0.5, 2.0, size=(10, 100_000)).astype(np.float32)
    plan = softmax(r, r.lazy(x), -1, together).plan()
    assert plan.kernels > 1
    assert any("bytes, and 262144 stay in cache" in reason for reason in plan.refusals), plan.refusals
    check(softmax, x, kernels=None)


def test_one_long_row_is_refused(rng: np.random.Generator) -> None:
    plan = softmax(r, r.lazy(rng.normal(size=9000)), -1, together).plan()
    assert plan.kernels > 1
    assert any("all is one row" in reason for reason in plan.refusals), plan.refusals
    # A short one is not worth sharing out anyway.
    check(unit_sum, rng.uniform(0.5, 2.0, size=500))


def test_columns_are_refused(rng: np.random.Generator) -> None:
    x = r.lazy(rng.normal(size=(30, 40)))
    plan = (x - x.mean(axis=0)).plan()
    assert any("only rows stay in cache" in reason for reason in plan.refusals), plan.refusals


def test_values_of_other_rows_are_complete_first(rng: np.random.Generator) -> None:
    x = rng.normal(size=(40, 40))
    lazy = r.lazy(x)
    # The sums of rows, along columns.
    y = lazy - lazy.sum(axis=1)
    assert y.plan().kernels == 2
    np.testing.assert_allclose(y.eval(), x - x.sum(axis=1), rtol=1e-12, atol=1e-12)
    total = lazy.sum(axis=1, keepdims=True)
    reversed_ = lazy * total - total[::-1]
    assert reversed_.plan().kernels == 2
    want = x * x.sum(axis=1, keepdims=True) - x.sum(axis=1, keepdims=True)[::-1]
    np.testing.assert_allclose(reversed_.eval(), want, rtol=1e-12, atol=1e-12)


def test_an_expression_and_its_sum_are_one_kernel_without_arrays_between(rng: np.random.Generator) -> None:
    a, b, c, d, e = (r.lazy(rng.normal(size=(64, 100))) for _ in range(5))
    y = ((a * b + c * d - e * 0.5) / (abs(a - b) + 1)).sum(axis=1)
    plan = y.plan()
    assert (plan.kernels, plan.peak_bytes) == (1, y.nbytes)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_nothing_is_allocated_but_the_result(pattern: Any, rng: np.random.Generator) -> None:
    y = pattern(r, r.lazy(rng.normal(size=(64, 100))), -1, together)
    assert y.plan().peak_bytes == y.nbytes


@pytest.mark.parametrize(
    "pattern",
    [softmax, log_softmax, layernorm, layernorm_of_methods, rms_norm, unit_length, unit_range, unit_sum],
)
def test_a_donated_input_becomes_the_result(pattern: Any, rng: np.random.Generator) -> None:
    x = rng.uniform(0.5, 2.0, size=(200, 300)).astype(np.float32)
    want = pattern(r, r.lazy(x), -1, apart).eval()
    donated = x.copy()
    y = pattern(r, r.lazy(donated, donate=True), -1, together)
    assert (y.plan().kernels, y.plan().buffers, y.plan().peak_bytes) == (1, 0, 0)
    result = y.eval()
    assert np.shares_memory(result, donated)
    assert_same(result, want)


@pytest.mark.parametrize("pattern", [softmax, log_softmax, layernorm, unit_range])
def test_out_may_be_the_input(pattern: Any, rng: np.random.Generator) -> None:
    x = rng.uniform(0.5, 2.0, size=(200, 300)).astype(np.float32)
    want = pattern(r, r.lazy(x), -1, apart).eval()
    y = pattern(r, r.lazy(x), -1, together)
    y.eval(out=x)
    assert_same(x, want)


def test_results_of_several_phases(rng: np.random.Generator) -> None:
    x = rng.normal(size=(300, 200)).astype(np.float32)

    def stages(stage: Any) -> tuple[Any, ...]:
        lazy = r.lazy(x)
        mean = stage(lazy.mean(axis=1, keepdims=True))
        centered = stage(lazy - mean)
        std = stage(np.sqrt(stage((centered * centered).mean(axis=1))))
        return mean, centered, std, centered / r.expand_dims(std, 1), centered.argmax(axis=1)

    fused = stages(together)
    plan = r.plan(*fused)
    assert plan.kernels == 1
    for got, want in zip(r.eval(*fused), stages(apart), strict=True):
        assert_same(got, want)


def test_normalizations_one_after_the_other(rng: np.random.Generator) -> None:
    x = rng.normal(size=(500, 130)).astype(np.float32)

    def layers(count: int, stage: Any) -> Any:
        y = r.lazy(x)
        for _ in range(count):
            y = stage(layernorm(r, y, -1, stage))
        return softmax(r, y, -1, stage)

    assert layers(1, together).plan().kernels == 1
    for count in [1, 2, 3, 7]:
        assert_same(layers(count, together), layers(count, apart))
    assert layers(20, together).plan().kernels < 20


def test_rows_with_weights(rng: np.random.Generator) -> None:
    x = rng.normal(size=(90, 64)).astype(np.float32)
    weight, bias, scale = (rng.normal(size=shape).astype(np.float32) for shape in [(64,), (64,), (90, 1)])

    def norm(stage: Any) -> Any:
        lazy = r.lazy(x)
        mean = stage(lazy.mean(axis=-1, keepdims=True))
        std = stage(r.sqrt(stage(stage(lazy.var(axis=-1, keepdims=True)) * r.lazy(scale) + 1e-5)))
        return (lazy - mean) / std * r.lazy(weight) + r.lazy(bias)

    assert norm(together).plan().kernels == 1
    assert_same(norm(together), norm(apart))


@pytest.fixture
def threads() -> Iterator[None]:
    """The default number of threads again, after a test that sets it."""
    yield
    r.set_num_threads(0)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("pattern", [softmax, layernorm, variance, logsumexp])
@pytest.mark.parametrize("shape", [(5000, 60), (333, 1001), (12, 9000)])
def test_threads_change_no_bit(pattern: Any, shape: tuple[int, ...], rng: np.random.Generator) -> None:
    x = rng.uniform(0.5, 2.0, size=shape).astype(np.float32)
    want = pattern(r, r.lazy(x), -1, apart).eval()
    for count in [1, 2, 8]:
        r.set_num_threads(count)
        assert_same(pattern(r, r.lazy(x), -1, together), want)


def test_special_values_stay_in_their_rows(rng: np.random.Generator) -> None:
    x = rng.normal(size=(8, 200)).astype(np.float32)
    x[1, 3], x[2, 5], x[3, 7], x[4], x[5] = np.nan, np.inf, -np.inf, -0.0, 5e-45
    for pattern in [softmax, log_softmax, layernorm, unit_range, unit_length]:
        assert_same(pattern(r, r.lazy(x), -1, together), pattern(r, r.lazy(x), -1, apart))
        assert_same(pattern(r, r.lazy(x), -1, together)[0], pattern(r, r.lazy(x[:1]), -1, together)[0])
