"""What is left to Accelerate: on a Mac, or on the shim that stands for it elsewhere (`make shim-test`)."""

import ctypes
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import raptors as r
from raptors import _core

PRESENT = _core.accelerate_is_present()
SHIM = PRESENT and sys.platform != "darwin"
shim = pytest.mark.skipif(not SHIM, reason="the extension was built without the shim")
present = pytest.mark.skipif(not PRESENT, reason="there is no Accelerate")


class Calls:
    """The entries that this thread calls in a `with` block: name, elements, addresses written and read."""

    def __enter__(self):
        self.library = ctypes.CDLL(_core.__file__)
        self.library.accelerate_shim_record(1)
        self.made = []
        return self.made

    def __exit__(self, *_):
        room = ctypes.create_string_buffer(1 << 16)
        self.library.accelerate_shim_calls.restype = ctypes.c_size_t
        length = self.library.accelerate_shim_calls(room, ctypes.c_size_t(len(room)))
        self.library.accelerate_shim_record(0)
        for line in room.raw[:length].decode().splitlines():
            name, *numbers = line.split()
            self.made.append((name, *map(int, numbers)))


def python(code, **variables):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        text=True,
        env={**os.environ, **variables},
    ).stdout


@shim
@pytest.mark.parametrize(("dtype", "name"), [(np.float32, "vDSP_vsmul"), (np.float64, "vDSP_vsmulD")])
def test_twice_a_donated_array_is_one_call_in_its_memory(dtype, name):
    a = np.arange(1000, dtype=dtype)
    expected = a * dtype(2.0)
    address = a.ctypes.data
    y = r.lazy(a, donate=True) * 2.0
    call = f"{name}(p0, 1, &2.0, p0, 1, 1000) in place; exact"
    assert call in y.explain()
    [kernel] = json.loads(y.plan().json())["regions"]
    assert kernel["accelerate"][0].startswith(call)
    with Calls() as calls:
        result = y.eval()
    assert calls == [(name, 1000, address, address)]
    assert result.ctypes.data == address
    np.testing.assert_array_equal(result, expected)


@shim
def test_a_product_and_its_multiple_are_a_call_each():
    x = np.linspace(0.0, 1.0, 64 * 64, dtype=np.float32).reshape(64, 64)
    with Calls() as calls:
        result = ((r.lazy(x) @ r.lazy(x)).cache() * 0.5).eval()
    assert [call[0] for call in calls] == ["cblas_sgemm", "vDSP_vsmul"]
    np.testing.assert_allclose(result, (x @ x) * np.float32(0.5), rtol=1e-5)


@shim
def test_memory_that_is_not_aligned_is_left_to_our_loops():
    raw = np.zeros(4 * 1000 + 1, np.uint8)
    a = raw[1:].view(np.float32)
    a[:] = np.arange(1000)
    with Calls() as calls:
        result = (r.lazy(a) + 1.0).eval()
    assert not any(call[2] % 4 or call[3] % 4 for call in calls)
    np.testing.assert_array_equal(result, np.arange(1000, dtype=np.float32) + 1)


@shim
def test_an_entry_with_other_bits_is_not_called():
    code = """
import numpy as np, raptors as r
y = r.lazy(np.full(100, 1e-40, np.float32)) * 0.5
assert (y.eval() == np.full(100, 1e-40, np.float32) * np.float32(0.5)).all()
print(y.explain())
"""
    text = python(code, ACCELERATE_SHIM_HOSTILE="1")
    assert "not vDSP_vsmul: on this machine its a * s of " in text
    assert "vDSP_vsmul(" in python(code)


@present
@pytest.mark.parametrize(
    ("mode", "called"),
    [("off", set()), ("gemm", {"gemm"}), ("auto", {"gemm", "add"}), ("all", {"gemm", "add", "exp"})],
)
def test_the_variable_says_what_is_left(mode, called):
    code = """
import numpy as np, raptors as r
x = r.lazy(np.ones((64, 64), np.float32))
print((x @ x).explain(), (x + x * 1.5).explain(), (x + 1.0).explain(), r.exp(x).explain())
"""
    text = python(code, RAPTORS_ACCELERATE=mode)
    names = {"gemm": "cblas_sgemm;", "add": "vDSP_vsadd(", "exp": " by vvexpf in tiles"}
    assert {key for key, name in names.items() if name in text} == called


@present
def test_what_was_measured_decides_and_is_said(tmp_path):
    table = tmp_path / "table.tsv"
    table.write_text(
        "raptors accelerate calibration 1\nvDSP_vsadd\t1000\t900.0\t100.0\nvDSP_vsmul\t1000\t100.0\t900.0\n"
    )
    code = """
import numpy as np, raptors as r
x = r.lazy(np.ones(1000, np.float32))
print((x + 1.5).explain(), (x * 1.5).explain())
"""
    text = python(code, RAPTORS_CALIBRATION=str(table), RAPTORS_ACCELERATE="auto")
    assert "not vDSP_vsadd: measured at 1000: 900 ns, our loop 100 ns" in text
    assert "; exact; measured at 1000: 100 ns, our loop 900 ns" in text


@shim
def test_blas_scales_where_it_was_measured_to_be_faster_but_not_by_zero(tmp_path):
    table = tmp_path / "table.tsv"
    table.write_text("raptors accelerate calibration 1\ncblas_sscal\t1000\t100.0\t900.0\n")
    code = """
import numpy as np, raptors as r
for k in (1.5, 0.0):
    a = np.array([1.0, np.nan, -np.inf, 2.0] * 100, np.float32)
    expected = a * np.float32(k)
    y = r.lazy(a, donate=True) * k
    print(y.explain())
    np.testing.assert_array_equal(y.eval(), expected)
"""
    with np.errstate(invalid="ignore"):
        text = python(
            code, RAPTORS_CALIBRATION=str(table), RAPTORS_ACCELERATE="auto", PYTHONWARNINGS="ignore"
        )
    assert "cblas_sscal(400, " in text
    assert "faster than vDSP_vsmul: measured at 1000" in text


def test_without_accelerate_there_is_nothing_to_calibrate(tmp_path):
    if PRESENT:
        pytest.skip("there is")
    path = tmp_path / "table.tsv"
    result = subprocess.run(
        [sys.executable, "-m", "raptors", "calibrate"],
        capture_output=True,
        check=True,
        text=True,
        env={**os.environ, "RAPTORS_CALIBRATION": str(path)},
    )
    assert "nothing to calibrate" in result.stdout
    assert not path.exists()


@pytest.mark.skipif(shutil.which("nm") is None or sys.platform != "linux", reason="there is no nm for ELF")
def test_an_extension_has_the_symbols_of_the_shim_only_if_it_was_asked_for():
    symbols = subprocess.run(
        ["nm", "--dynamic", "--defined-only", _core.__file__], capture_output=True, check=True, text=True
    ).stdout
    exported = [
        line
        for line in symbols.splitlines()
        if any(f" {name}" in line for name in ("vDSP_", "vvexp", "cblas_"))
    ]
    assert bool(exported) == SHIM
