"""What is computed, as a user would write it, in the names that NumPy 2, the array API and most peers share.

`xp` is the library: `peers.functions` reads this file once for each of them, and puts the peer in the place
of NumPy. So functions may use each other, and a compiler sees the library as a module.
"""

from __future__ import annotations

import numpy as xp


def scale(x):
    return x * 2.0


def saxpy(x, y):
    return 2.5 * x + y


def chain(a, b, c, d, e):
    return (a * b + c * d - e * 0.5) / (xp.abs(a - b) + 1.0)


def horner(x):
    y = x * 0.125 + 0.25
    y = y * x + 0.5
    y = y * x - 0.75
    y = y * x + 1.5
    y = y * x + 0.3
    y = y * x - 0.2
    y = y * x + 0.7
    return y * x + 1.1


def logistic(x):
    for _ in range(50):
        x = 3.7 * x * (1.0 - x)
    return x


def normal_cdf(x):
    """The approximation of Abramowitz and Stegun, 26.2.17."""
    size = xp.abs(x)
    k = 1.0 / (1.0 + 0.2316419 * size)
    poly = k * (0.31938153 + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429))))
    tail = 0.39894228 * xp.exp(-0.5 * size * size) * poly
    return xp.where(x > 0.0, 1.0 - tail, tail)


def black_scholes(s, k, t):
    root = xp.sqrt(t)
    d1 = (xp.log(s / k) + (0.05 + 0.5 * 0.04) * t) / (0.2 * root)
    d2 = d1 - 0.2 * root
    return s * normal_cdf(d1) - k * xp.exp(-0.05 * t) * normal_cdf(d2)


def exp(x):
    return xp.exp(x)


def log(x):
    return xp.log(x)


def tanh(x):
    return xp.tanh(x)


def sin_cos(x):
    return xp.sin(x) * xp.cos(x)


def softmax(x):
    e = xp.exp(x - xp.max(x, axis=1, keepdims=True))
    return e / xp.sum(e, axis=1, keepdims=True)


def layernorm(x):
    mean = xp.mean(x, axis=1, keepdims=True)
    centered = x - mean
    variance = xp.mean(centered * centered, axis=1, keepdims=True)
    return centered / xp.sqrt(variance + 1e-5)


def sum_all(x):
    return xp.sum(x)


def sum_axis0(x):
    return xp.sum(x, axis=0)


def sum_axis1(x):
    return xp.sum(x, axis=1)


def mean_all(x):
    return xp.mean(x)


def mean_axis0(x):
    return xp.mean(x, axis=0)


def mean_axis1(x):
    return xp.mean(x, axis=1)


def var_all(x):
    return xp.var(x)


def var_axis0(x):
    return xp.var(x, axis=0)


def var_axis1(x):
    return xp.var(x, axis=1)


def max_all(x):
    return xp.max(x)


def max_axis0(x):
    return xp.max(x, axis=0)


def max_axis1(x):
    return xp.max(x, axis=1)


def argmax_all(x):
    return xp.argmax(x)


def argmax_axis0(x):
    return xp.argmax(x, axis=0)


def argmax_axis1(x):
    return xp.argmax(x, axis=1)


def rmse(x, y):
    return xp.sqrt(xp.mean((x - y) * (x - y)))


def outer_difference(x, y):
    return (x[:, None] - y[None, :]) ** 2


def pairwise_distances(x, y):
    """The nearest distance of each point."""
    difference = x[:, None, :] - y[None, :, :]
    return xp.min(xp.sqrt(xp.sum(difference * difference, axis=2)), axis=1)


def dense_gelu(x, w, b):
    y = xp.matmul(x, w) + b
    return 0.5 * y * (1.0 + xp.tanh(0.7978845608 * (y + 0.044715 * y * y * y)))


def matmul(x, y):
    return xp.matmul(x, y)


def gemv(x, y):
    return xp.matmul(x, y)


def transposed_add(a, b):
    return a.T + b


def transposed_copy(x):
    return xp.add(x.T, 0.0)


def relu(x):
    return xp.maximum(x, 0.0)


def clip(x):
    return xp.clip(x, -0.5, 0.5)


def where(x, y):
    return xp.where(x > y, x, -y)


def normalise_image(image):
    return (xp.astype(image, xp.float32) / 255.0 - 0.45) / 0.225


def bins(x):
    """Which of 64 bins an integer falls into."""
    return xp.minimum(xp.maximum((x - 7) // 3, 0), 63)


def heat(u):
    """A step of the heat equation."""
    middle = u[1:-1, 1:-1]
    return middle + 0.1 * (u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] - 4.0 * middle)


def blur(x):
    """A separable kernel of 5 x 5."""
    y = 0.0625 * (x[:-4] + x[4:]) + 0.25 * (x[1:-3] + x[3:-1]) + 0.375 * x[2:-2]
    return 0.0625 * (y[:, :-4] + y[:, 4:]) + 0.25 * (y[:, 1:-3] + y[:, 3:-1]) + 0.375 * y[:, 2:-2]


def mixed(a, b, c):
    """uint8, int32 and floats."""
    return xp.astype(a, xp.float32) * 0.5 + xp.astype(b, xp.float32) * c


def any_above(x):
    return xp.any(x > 2.0)


def masked_sum(x):
    return xp.sum(xp.where((x > 0.25) & (x < 0.75), x, 0.0))


def mask(x):
    return (x > 0.25) & (x < 0.75) | (x == 0.125)


def cumsum(x):
    return xp.cumulative_sum(x)


def sort(x):
    return xp.sort(x)


def argsort(x):
    return xp.argsort(x, stable=True)


def concat(x, y):
    return xp.concat([x * 2.0, xp.abs(y), x + y])
