"""Evaluations from many threads and processes, and how many threads each may use."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import subprocess
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import raptors as r
from control_group import run_in_control_group

linux = pytest.mark.skipif(sys.platform != "linux", reason="CPU affinity of Linux")


def checked(seed: int) -> bool:
    """Evaluates graphs of several kinds and sizes, large enough to be shared out, and compares with NumPy."""
    rng = np.random.default_rng(seed)
    right = True
    for size in (1, 1_000, 300_000):
        a, b = rng.uniform(0.5, 1.0, size), rng.uniform(0.5, 1.0, size)
        x, y = r.lazy(a), r.lazy(b)
        right &= np.array_equal((x * y + seed).eval(), a * b + seed)
        right &= np.array_equal(r.sqrt(x / y).eval(), np.sqrt(a / b))
        right &= bool(np.isclose(float(r.sum(x)), a.sum(), rtol=1e-12))
    n = rng.integers(0, 100, (150, 150))
    return right and np.array_equal((r.lazy(n) @ r.lazy(n)).eval(), n @ n)


def python(program: str, **environment: str) -> str:
    """What a program prints that ends well, in an interpreter of its own."""
    clean = {name: value for name, value in os.environ.items() if "NUM_THREADS" not in name}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_number_of_threads_can_be_set_and_forgotten() -> None:
    default = r.num_threads()
    r.set_num_threads(3)
    assert r.num_threads() == 3
    r.set_num_threads(0)
    assert r.num_threads() == default


def test_the_environment_sets_it() -> None:
    ask = "import raptors; print(raptors.num_threads())"
    assert python(ask, RAPTORS_NUM_THREADS="3", OMP_NUM_THREADS="5") == "3"
    assert python(ask, OMP_NUM_THREADS="5,2") == "5"
    assert python(ask, RAPTORS_NUM_THREADS="many", OMP_NUM_THREADS="0") == str(len(os.sched_getaffinity(0)))


@linux
def test_affinity_bounds_the_default() -> None:
    program = "import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n"
    assert python(program + "import raptors; print(raptors.num_threads())") == "1"


@linux
@pytest.mark.parametrize(
    ("own", "files"),
    [
        (
            "0::/job",
            {"cgroup.controllers": "cpu", "job/cgroup.controllers": "cpu", "job/cpu.max": "100000 100000"},
        ),
        (
            "0::/job",
            {"job/cgroup.controllers": "cpu", "job/cpu.max": "max 100000", "cpu.max": "100000 100000"},
        ),
        ("3:cpu:/", {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}),
    ],
    ids=["version 2", "version 2, of a parent", "version 1"],
)
def test_a_control_group_bounds_the_default(tmp_path: Path, own: str, files: dict[str, str]) -> None:
    ask = "import raptors; print(raptors.num_threads())"
    assert run_in_control_group(tmp_path, own, files, ask) == "1"


def test_an_option_bounds_a_call_and_a_block() -> None:
    program = """
import threading
import numpy as np
import raptors as r

r.set_num_threads(4)
x = r.lazy(np.ones(4_000_000))
def workers():
    return {thread for thread in open("/proc/self/status") if thread.startswith("Threads:")}
(x * 2.0).eval(threads=1)
with r.options(threads=1):
    (x * 3.0).eval()
    before = workers()
(x * 2.0).eval(threads=2)
print(before == {"Threads:\\t1\\n"}, workers() == {"Threads:\\t2\\n"}, r.num_threads())
"""
    if sys.platform != "linux":
        pytest.skip("counts the threads of the process as Linux tells them")
    assert python(program, OPENBLAS_NUM_THREADS="1") == "True True 4"
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="threads"):
            r.options(threads=wrong)
    with pytest.raises(TypeError, match="threads"):
        r.options(threads="two")  # type: ignore[arg-type]


def test_results_do_not_depend_on_it(rng: np.random.Generator) -> None:
    x = r.lazy(rng.uniform(-1.0, 1.0, (700, 900)))
    y = r.sum(r.exp(x) / (1.0 + x * x), axis=0)
    want = y.eval(threads=1)
    for threads in (2, 3, 8, None):
        assert np.array_equal(y.eval(threads=threads), want)


def test_many_threads_at_once() -> None:
    with ThreadPoolExecutor(12) as pool:
        assert all(pool.map(checked, range(48)))


def test_one_array_from_many_threads(rng: np.random.Generator) -> None:
    a = rng.uniform(-1.0, 1.0, 400_000)
    y = r.lazy(a) * 3.0 + 1.0
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: y.eval(), range(40)))
    assert all(np.array_equal(result, a * 3.0 + 1.0) for result in results)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_worker_processes(method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"there is no {method} here")
    assert checked(0), "the team runs before the fork"
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(3, mp_context=context) as pool:
        assert all(pool.map(checked, range(6)))
    assert checked(1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_while_other_threads_evaluate() -> None:
    over = threading.Event()

    def busy(seed: int) -> None:
        while not over.is_set():
            assert checked(seed)

    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(busy, seed) for seed in range(3)]
        for _ in range(5):
            child = os.fork()
            if child == 0:
                os._exit(0 if checked(9) else 1)
            assert os.waitpid(child, 0)[1] == 0
        over.set()
        for thread in running:
            thread.result()


@pytest.mark.parametrize(
    "evaluates", ["r.sum(r.tanh(r.arange(0.0, 1e12))).eval()", "while True: (x * 2.0 + x).eval()"]
)
def test_the_interpreter_ends_beside_daemon_threads(evaluates: str) -> None:
    program = f"""
import threading, time
import numpy as np
import raptors as r

x = r.lazy(np.ones(300_000))
def work():
    {evaluates}
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.3)
print("ends")
"""
    assert python(program) == "ends"


@pytest.mark.skipif(importlib.util.find_spec("joblib") is None, reason="needs joblib")
@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_joblib(backend: str) -> None:
    import joblib

    assert all(joblib.Parallel(3, backend=backend)(joblib.delayed(checked)(seed) for seed in range(6)))


@pytest.mark.skipif(importlib.util.find_spec("dask") is None, reason="needs Dask")
@pytest.mark.parametrize("scheduler", ["threads", "processes"])
def test_dask(scheduler: str) -> None:
    import dask

    tasks = [dask.delayed(checked)(seed) for seed in range(6)]
    assert all(dask.compute(*tasks, scheduler=scheduler))
