"""`RAPTORS_BLAS`: what computes matrix products. A fake stands for OpenBLAS, which few machines have."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import numpy as np, raptors as r
rng = np.random.default_rng(7)
for dtype in (np.float32, np.float64):
    def check(a, b):
        y = (r.lazy(a) @ r.lazy(b)).eval()
        np.testing.assert_allclose(y, a.astype(np.float64) @ b.astype(np.float64), rtol=1e-4, atol=1e-4)
    draw = lambda *shape: rng.standard_normal(shape).astype(dtype)
    check(draw(30, 40), draw(40, 50))
    check(draw(40, 30).T, draw(50, 40).T)
    check(draw(300, 80)[::2, ::2], draw(40, 50))
    check(draw(3, 30, 40), draw(40, 50))
    check(draw(100, 80), draw(80))
    check(draw(80), draw(100, 80).T)
    check(draw(9000), draw(9000))
    a, b = draw(300, 60), draw(60, 300)
    y = r.maximum(r.lazy(a) @ r.lazy(b) + 1, 0).eval()
    np.testing.assert_allclose(y, np.maximum(a @ b + 1, 0), rtol=1e-4, atol=1e-4)
a = np.ones((64, 64))
print((r.lazy(a) @ r.lazy(a)).explain())
print((r.lazy(a[:2, :2]) @ r.lazy(a[:2, :2])).explain())
"""

unix = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the name of the library is Linux's")


def run(program: str = PROGRAM, **environment: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "RAPTORS_ACCELERATE": "off", **environment}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a library is that the system finds as OpenBLAS."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("openblas")
    source = Path(__file__).with_name("fake_openblas.c")
    subprocess.run(
        [compiler, "-O1", "-shared", "-fPIC", "-o", str(folder / "libopenblas.so.0"), str(source)], check=True
    )
    return folder


@unix
def test_products_are_computed_by_it(folder: Path) -> None:
    done = run(RAPTORS_BLAS="openblas", LD_LIBRARY_PATH=str(folder))
    called = {line.split()[0] for line in done.stderr.splitlines()}
    assert called == {f"cblas_{letter}{name}" for letter in "sd" for name in ("gemm", "gemv", "dot")}
    assert "cblas_dgemm; RAPTORS_BLAS=openblas" in done.stdout
    assert "not cblas_dgemm: it has fewer than" in done.stdout


@unix
def test_gemm_is_ours(folder: Path) -> None:
    done = run(RAPTORS_BLAS="gemm", LD_LIBRARY_PATH=str(folder), RAPTORS_ACCELERATE="auto")
    assert "cblas" not in done.stderr
    assert "cblas_dgemm" not in done.stdout


@unix
def test_a_library_that_is_not_there_is_said_and_stops_nothing(tmp_path: Path) -> None:
    # A file of that name that is no library is found first, wherever the real one is.
    (tmp_path / "libopenblas.so.0").write_text("not a library")
    (tmp_path / "libopenblas.so").write_text("not a library")
    done = run(RAPTORS_BLAS="openblas", LD_LIBRARY_PATH=str(tmp_path))
    if "cblas" in done.stdout:
        pytest.skip("the loader went on to the system's OpenBLAS")
    assert done.stderr.count("RAPTORS_BLAS=openblas: there is no libopenblas.so.0") == 1


def test_another_value_is_refused_once() -> None:
    done = run(RAPTORS_BLAS="mkl")
    assert done.stderr.count("RAPTORS_BLAS=mkl: not one of gemm, openblas") == 1
