"""The record of what made evaluations happen, and of what they computed again."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import raptors as r


@pytest.fixture(autouse=True)
def _fresh_record() -> Iterator[None]:
    r.reset_evaluations()
    yield
    r.reset_evaluations()


def one() -> r.Array:
    return r.lazy(np.ones(1)) * 2.0


def many() -> r.Array:
    return r.lazy(np.ones(4)) * 2.0


def counts() -> dict[str, int]:
    """How often each kind was counted, on lines of this file."""
    found: dict[str, int] = {}
    for row in r.evaluations().forced:
        assert row["line"].rpartition(":")[0] == __file__
        found[row["by"]] = found.get(row["by"], 0) + row["count"]
    return found


FORCING: list[tuple[str, bool, Callable[[], Any]]] = [
    ("str", True, lambda: str(many())),
    ("format", True, lambda: f"{many()}"),
    ("format", True, lambda: f"{one()[0]:.2f}"),
    ("bool", True, lambda: bool(one())),
    ("float", True, lambda: float(one())),
    ("int", True, lambda: int(one())),
    ("complex", True, lambda: complex(one())),
    ("index", True, lambda: [1, 2, 3][(r.lazy(0) + 1)]),
    ("in", True, lambda: 2.0 in many()),
    ("item", True, lambda: one().item()),
    ("tolist", True, lambda: many().tolist()),
    ("asarray", True, lambda: np.asarray(many())),
    ("asarray", True, lambda: np.array(many(), dtype=np.float32)),
    ("asarray", True, lambda: memoryview(many())),
    ("ufunc", True, lambda: np.logaddexp2(many(), many())),
    ("dlpack", True, lambda: np.from_dlpack(many())),
    ("deepcopy", True, lambda: copy.deepcopy(many())),
    ("pickle", True, lambda: pickle.dumps(many())),
    ("eval", False, lambda: many().eval()),
    ("eval", False, lambda: r.eval(many(), one())),
    ("eval", False, lambda: many().eval(out=np.empty(4))),
    ("cache", False, lambda: many().cache()),
    ("copy", False, lambda: r.lazy(many(), copy=True)),
    ("out", False, lambda: np.sqrt(many(), out=np.empty(4))),
]


@pytest.mark.parametrize(
    ("by", "implicit", "force"), FORCING, ids=lambda value: value if isinstance(value, str) else ""
)
def test_what_computes_is_recorded(by: str, implicit: bool, force: Callable[[], Any]) -> None:
    for _ in range(3):
        force()
    rows = r.evaluations().forced
    assert {row["by"] for row in rows} == {by}
    assert sum(row["count"] for row in rows) in (3, 6)  # a function of two arrays evaluates both
    assert all(row["implicit"] is implicit for row in rows)
    if by != "deepcopy":  # which is called by a line of the module `copy`
        assert rows[0]["line"] == f"{__file__}:{force.__code__.co_firstlineno}"


def test_what_computes_nothing_is_not_recorded() -> None:
    x = r.lazy(np.ones(4))
    y = many().cache()
    r.reset_evaluations()
    for array in (x, y):
        repr(array)
        str(array)
        np.asarray(array)
        array.eval()
    many().plan().explain()
    repr(many())
    many()._repr_html_()
    len(many())
    iter(many())
    assert counts() == {}
    assert str(r.evaluations()) == "no evaluations"


def test_a_number_is_computed_once() -> None:
    y = one().sum()
    for _ in range(5):
        float(y)
    assert counts() == {"float": 1}


def test_rows_of_an_iteration_are_counted_where_they_are_used() -> None:
    for row in many():
        float(row)
    assert counts() == {"float": 4}


def test_what_is_computed_again_is_recorded_with_its_ops() -> None:
    x = r.lazy(np.linspace(0.0, 1.0, 50))
    shared = r.sqrt(x + 1.0) * 3.0
    (shared + 1.0).eval()
    assert r.evaluations().recomputed == []
    (shared - 1.0).eval()
    (shared[::2] - 1.0).eval()
    rows = r.evaluations().recomputed
    assert [(row["op"], row["count"], row["ops"]) for row in rows] == [("multiply", 2, 6)]
    assert rows[0]["line"].startswith(f"{__file__}:")
    assert "multiply" in str(r.evaluations())


def test_what_is_kept_is_not_computed_again() -> None:
    shared = r.sqrt(r.lazy(np.ones(50))) * 3.0
    shared.cache()
    (shared + 1.0).eval()
    (shared - 1.0).eval()
    assert r.evaluations().recomputed == []


def test_shared_work_of_one_evaluation_is_not_computed_again() -> None:
    shared = r.sqrt(r.lazy(np.ones(50))) * 3.0
    r.eval(shared + 1.0, shared - 1.0, shared)
    assert r.evaluations().recomputed == []
    r.eval(shared, r.exp(shared))
    assert [(row["op"], row["ops"]) for row in r.evaluations().recomputed] == [("multiply", 2)]


def test_two_roots_share_what_is_under_both() -> None:
    base = r.sqrt(r.lazy(np.ones(50)))
    a, b = base + 1.0, base * 2.0
    r.eval(a, b)
    r.eval(a, b)
    rows = r.evaluations().recomputed
    assert {row["op"] for row in rows} == {"add", "multiply"}
    assert sum(row["ops"] for row in rows) == 3


def test_views_alone_are_no_work() -> None:
    x = r.lazy(np.ones((4, 4)))
    turned = x.T[1:]
    turned.eval()
    turned.eval()
    assert r.evaluations().recomputed == []


def test_the_record_is_bounded() -> None:
    lines = 1500
    source = "".join(f"float(x + {n}.0)\n" for n in range(lines))
    exec(compile(source, "many_lines.py", "exec"), {"x": r.lazy(np.ones(1))})
    record = r.evaluations()
    assert len(record.forced) == 1024
    assert record.left_out == lines - 1024
    assert "further lines" in str(record)


def test_reset_forgets() -> None:
    float(one())
    assert "float" in repr(r.evaluations().forced)
    r.reset_evaluations()
    assert r.evaluations().forced == []
    assert repr(r.evaluations()) == "raptors.Evaluations(implicit=0, asked=0, again=0)"


def test_nothing_is_recorded_without_tracing() -> None:
    program = (
        "import numpy as np, raptors as r\n"
        "y = r.lazy(np.ones(4)) * 2.0\n"
        "y.eval(); y.eval(); str(y)\n"
        "assert r.evaluations().forced == [] and r.evaluations().recomputed == []\n"
    )
    environment = {**os.environ, "RAPTORS_TRACE": "0"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
