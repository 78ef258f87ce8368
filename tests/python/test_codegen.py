"""Loops as machine code: the switch, what a plan says, and layouts that kernels see differently."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import raptors as r

SCRIPT = """
import numpy as np, raptors as r
x = np.linspace(-3, 3, 5000, dtype=np.float32)
y = r.lazy(x) * 2.0 + 1.5
print(r.plan(y).program())
assert np.array_equal(y.eval(), x * np.float32(2) + np.float32(1.5))
assert np.array_equal((r.lazy(x[::-1]) + x).eval(), x[::-1] + x)
print((r.lazy(x) % 0.7).sum().eval().tobytes().hex())
"""


def run(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )


def test_the_switch_is_read_and_changes_no_bit() -> None:
    off, on, verify = (run(RAPTORS_JIT=mode) for mode in ("0", "1", "verify"))
    assert "interpreted: RAPTORS_JIT=0" in off.stdout
    assert "RAPTORS_JIT=0" not in on.stdout
    last = [done.stdout.splitlines()[-1] for done in (off, on, verify)]
    assert last[0] == last[1] == last[2]


def test_an_unknown_value_is_said_once() -> None:
    assert run(RAPTORS_JIT="maybe").stderr.count("not one of 0, 1, verify") == 1


LAYOUTS = {
    "contiguous": lambda a: a,
    "rows apart": lambda a: a[::2],
    "columns apart": lambda a: a[:, ::3],
    "backwards": lambda a: a[::-1, ::-1],
    "transposed": lambda a: a.T,
    "inner part": lambda a: a[3:-5, 7:-2],
    "one column": lambda a: a[:, 5:6],
    "one row": lambda a: a[4:5],
    "misaligned": lambda a: np.frombuffer(b"x" + a.tobytes(), np.uint8)[1:].view(a.dtype).reshape(a.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "uint8", "bool"])
def test_layouts_change_no_bit(layout: str, dtype: str, rng: np.random.Generator) -> None:
    whole = rng.integers(0, 100, (90, 130)).astype(dtype)
    a = LAYOUTS[layout](whole)
    row, column = a[:1], a[:, :1]
    x, y, z = r.lazy(a), r.lazy(row), r.lazy(column)
    for got, want in [
        (r.maximum(x + y, z), np.maximum(a + row, column)),
        (r.where(x > y, x, z), np.where(a > row, a, column)),
        ((x * x).max(1), (a * a).max(1)),
        ((x * z).min(0), (a * column).min(0)),
        ((x == z).any(1), (a == column).any(1)),
    ]:
        found = got.eval()
        assert found.dtype == want.dtype
        assert np.array_equal(found, want)
