"""`RAPTORS_TRACE_FILE`: the time line of a program, as a trace viewer reads it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = """
import numpy as np, raptors as r
x = r.lazy(np.ones(2_000_000, np.float32))
for _ in range(2):
    ((x * 2.0 + 1.0).eval(), r.sort(x).eval())
f = r.compile(lambda v: r.exp(v).sum())
f(np.ones(1000))
"""


def events(path: Path) -> list[dict[str, Any]]:
    """The events of a file, which is an array that may lack its end, in the order they began."""
    found = json.loads(path.read_text().rstrip().rstrip(",") + "]")
    return sorted(found, key=lambda event: event.get("ts", 0))


def trace(
    folder: Path, program: str = PROGRAM, name: str = "trace.json", **environment: str
) -> subprocess.CompletedProcess:
    """Runs a program that is traced."""
    environment = {**os.environ, "RAPTORS_TRACE_FILE": str(folder / name), **environment}
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


def of(found: list[dict[str, Any]], category: str) -> list[dict[str, Any]]:
    return [event for event in found if event.get("cat") == category]


def test_plans_allocations_and_kernels_are_spans(tmp_path: Path) -> None:
    trace(tmp_path)
    found = events(tmp_path / "trace.json")
    # Three plans for five runs.
    assert [len(of(found, category)) for category in ("plan", "run", "alloc")] == [3, 5, 5]
    stages = [event["name"] for event in of(found, "stage")]
    assert stages[:3] == ["views", "legalize", "simplify"]
    assert "lower" in stages
    chain = [event for event in of(found, "kernel") if event["name"] == "multiply, add"]
    assert [event["args"]["n"] for event in chain] == [2_000_000] * 2
    assert [event["args"]["bytes"] for event in chain] == [16_000_000] * 2
    providers = {event["name"]: event["args"]["provider"] for event in of(found, "kernel")}
    assert providers["sort"] == "library"
    assert of(found, "alloc")[0]["args"]["bytes"] >= 8_000_000
    for event in found:
        assert event["pid"] > 0
        assert event["tid"] > 0


def test_kernels_lie_within_their_runs(tmp_path: Path) -> None:
    trace(tmp_path)
    found = events(tmp_path / "trace.json")
    # What is written has a nanosecond's precision.
    runs = [(event["ts"] - 1e-3, event["ts"] + event["dur"] + 1e-3) for event in of(found, "run")]
    for event in of(found, "kernel") + of(found, "alloc"):
        assert any(start <= event["ts"] and event["ts"] + event["dur"] <= end for start, end in runs), event


def test_what_runs_a_kernel_is_said(tmp_path: Path) -> None:
    trace(tmp_path, RAPTORS_JIT="0")
    chain = [
        event for event in of(events(tmp_path / "trace.json"), "kernel") if event["name"] == "multiply, add"
    ]
    assert len(chain) == 2
    assert {event["args"]["provider"] for event in chain} <= {"interpreter", "vDSP_vsmsa"}


def test_helping_threads_have_lines_of_their_own(tmp_path: Path) -> None:
    # Whether a helper arrives in time is the system's to decide: a few long kernels give it the time.
    program = """
import numpy as np, raptors as r
x = r.lazy(np.ones(3_000_000))
for _ in range(5):
    r.sin(x).eval()
"""
    trace(tmp_path, program, RAPTORS_NUM_THREADS="2")
    found = events(tmp_path / "trace.json")
    threads = {event["tid"] for event in of(found, "chunk")}
    callers = {event["tid"] for event in of(found, "run")}
    assert threads
    assert not threads & callers
    names = {event["tid"]: event["args"]["name"] for event in found if event["ph"] == "M"}
    assert all(names[thread].startswith("raptors-") for thread in threads)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_forked_child_writes_to_the_same_file(tmp_path: Path) -> None:
    program = """
import os, numpy as np, raptors as r
x = r.lazy(np.ones(1000))
(x * 2.0).eval()
child = os.fork()
(x * 3.0 + 1.0).eval()
if child:
    os.waitpid(child, 0)
os._exit(0)
"""
    trace(tmp_path, program)
    runs = of(events(tmp_path / "trace.json"), "run")
    assert len(runs) == 3
    assert len({run["pid"] for run in runs}) == 2


def test_the_number_of_the_process_can_be_in_the_name(tmp_path: Path) -> None:
    trace(tmp_path, name="trace-%p.json")
    [path] = tmp_path.iterdir()
    assert path.name == f"trace-{events(path)[0]['pid']}.json"


def test_a_file_that_cannot_be_written_is_said_and_stops_nothing(tmp_path: Path) -> None:
    done = trace(tmp_path, name="missing/trace.json")
    assert done.stderr.count("RAPTORS_TRACE_FILE") == 1
    assert "missing" in done.stderr
