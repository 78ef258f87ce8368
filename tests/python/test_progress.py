"""Bars of evaluations that take long."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import types

import numpy as np
import pytest
import raptors as r

needs_pty = pytest.mark.skipif(sys.platform == "win32", reason="terminals of POSIX")


def long(seconds: float = 0.5) -> r.Array:
    """About so many seconds of work on two threads, in one kernel, that takes little memory."""
    return r.sum(r.tanh(r.arange(0.0, seconds * 4e8)))


def test_a_function_is_told_how_far_the_evaluation_is() -> None:
    told: list[tuple[float, float]] = []
    with r.progress(lambda part, seconds: told.append((part, seconds)), after=0.0):
        long().eval()
    assert len(told) >= 2
    parts, seconds = zip(*told, strict=True)
    assert list(parts) == sorted(parts)
    assert list(seconds) == sorted(seconds)
    assert 0.0 <= parts[0] < parts[-1] <= 1.0


def test_short_evaluations_show_nothing() -> None:
    told: list[float] = []
    with r.progress(lambda part, _: told.append(part), after=30.0):
        long(0.2).eval()
        (r.lazy(np.ones(10)) + 1.0).eval()
    assert told == []


def test_a_block_ends_what_it_began() -> None:
    told: list[str] = []
    with r.progress(lambda *_: told.append("outer"), after=0.0):
        with r.progress(lambda *_: told.append("inner"), after=0.0):
            long(0.3).eval()
        assert set(told) == {"inner"}
        told.clear()
        long(0.3).eval()
        assert set(told) == {"outer"}
    told.clear()
    long(0.3).eval()
    assert told == []


def test_what_the_function_raises_stops_the_evaluation() -> None:
    def refuse(part: float, seconds: float) -> None:
        raise LookupError("enough")

    with r.progress(refuse, after=0.0), pytest.raises(LookupError, match="enough"):
        long(60.0).eval()
    assert (r.lazy(np.ones(3)) + 1.0).eval().tolist() == [2.0, 2.0, 2.0]


def test_the_function_may_evaluate() -> None:
    sums: list[float] = []
    ones = r.lazy(np.ones(100_000))
    with r.progress(lambda *_: sums.append(float(r.sum(ones))), after=0.0):
        long(0.3).eval()
    assert sums
    assert set(sums) == {100_000.0}


def test_a_file_gets_a_bar_that_goes() -> None:
    file = io.StringIO()
    with r.progress(file, after=0.0):
        long().eval()
    drawn = file.getvalue()
    assert "raptors [" in drawn
    assert "%" in drawn
    assert drawn.endswith(" \r")


def test_what_is_no_place_for_a_bar_is_refused() -> None:
    with pytest.raises(TypeError, match="progress: to is int, needs a text file or a function"):
        r.progress(3)  # type: ignore[arg-type]


# Evaluates for so many seconds, by what a short evaluation took.
PROGRAM = """
import time
import raptors as r
def seconds(count):
    start = time.perf_counter()
    r.sum(r.tanh(r.arange(0.0, count))).eval()
    return time.perf_counter() - start
seconds(1e6)
seconds(2e7 * {seconds} / seconds(2e7))
print("done")
"""


def run_in_terminal(environment: dict[str, str], seconds: float) -> str:
    """What a program that evaluates for so many seconds writes to a terminal."""
    import pty

    parent, child = pty.openpty()
    program = [sys.executable, "-c", PROGRAM.format(seconds=seconds)]
    with subprocess.Popen(
        program, stderr=child, stdout=subprocess.PIPE, env=os.environ | environment
    ) as process:
        os.close(child)
        drawn = b""
        while True:
            try:
                piece = os.read(parent, 1 << 16)
            except OSError:
                break
            if not piece:
                break
            drawn += piece
        assert process.wait(120) == 0
    os.close(parent)
    return drawn.decode()


@needs_pty
def test_the_environment_asks_for_bars_in_terminals() -> None:
    assert "raptors [" in run_in_terminal({"RAPTORS_PROGRESS": "1"}, 3.0)
    assert run_in_terminal({"RAPTORS_PROGRESS": "0"}, 1.5) == ""


def test_no_bar_where_there_is_no_terminal() -> None:
    program = [sys.executable, "-c", PROGRAM.format(seconds=3.0)]
    environment = os.environ | {"RAPTORS_PROGRESS": "1"}
    done = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=120, check=True)
    assert done.stderr == ""


def test_a_notebook_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With as much of IPython as is used of it."""
    shown: list[str] = []

    class Handle:
        def update(self, html: str) -> None:
            shown.append(html)

    def display(html: str, display_id: bool) -> Handle:
        assert display_id
        shown.append(html)
        return Handle()

    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
    ipython.display = types.ModuleType("IPython.display")  # type: ignore[attr-defined]
    ipython.display.HTML = str  # type: ignore[attr-defined]
    ipython.display.display = display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    with r.progress(after=0.0):
        long().eval()
    assert shown[0].startswith("<progress ")
    assert shown[-1] == ""
