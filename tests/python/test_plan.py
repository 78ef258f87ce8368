"""The plan: what will run, in which memory, and why not better."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import raptors as r
from compare import assert_same


def chain(x: Any, ops: int) -> Any:
    """`ops` elementwise ops in a row that no rule can merge."""
    for k in range(ops):
        x = r.sqrt(x) if k % 2 else x + x
    return x


@pytest.fixture
def x() -> Any:
    return r.lazy(np.linspace(0.0, 1.0, 12_000).reshape(100, 120))


def test_a_chain_is_one_kernel(x: Any) -> None:
    plan = chain(x, 10).plan()
    assert plan.kernels == 1
    assert plan.copies == []
    assert plan.buffers == 1
    assert plan.peak_bytes == 100 * 120 * 8


def test_a_reduced_chain_is_one_kernel(x: Any) -> None:
    for axis in (None, 0, 1):
        plan = r.sum(chain(x, 10), axis=axis).plan()
        assert plan.kernels == 1
        assert plan.copies == []
        assert plan.peak_bytes < 100 * 120 * 8


def test_a_tree_over_broadcast_and_strided_operands_is_one_kernel(x: Any) -> None:
    row, column = x[0], x[:, :1]
    y = (x[::-1] * row + column) / (x.reshape((120, 100)).T + 1.0) + r.lazy(2.0)
    plan = y.plan()
    assert plan.kernels == 1
    assert plan.copies == []


def test_siblings_are_one_kernel(x: Any) -> None:
    y = x * 2.0
    plan = r.plan(y + 1.0, y - 1.0)
    assert plan.kernels == 1
    assert plan.buffers == 2


def test_shared_work_is_done_once(x: Any) -> None:
    """Written twice, it is still one node."""
    shared = r.sum(r.sqrt(x), axis=1, keepdims=True) + r.sum(r.sqrt(x), axis=1, keepdims=True)
    once = r.sum(r.sqrt(x), axis=1, keepdims=True)
    assert shared.plan().text().count("sqrt") == once.plan().text().count("sqrt")
    assert shared.plan().kernels <= once.plan().kernels + 1


def test_views_cost_nothing(x: Any) -> None:
    plan = (x[5:50, ::-2].T[1:, None] + 1.0).plan()
    assert plan.kernels == 1
    assert plan.copies == []


def test_donation_needs_no_buffer() -> None:
    plan = (r.lazy(np.ones(1000), donate=True) * 2.0).plan()
    assert plan.buffers == 0
    assert plan.peak_bytes == 0
    assert len(plan.reuses) == 1


def test_dying_intermediates_are_reused() -> None:
    """Each sum needs the whole of the quotient before; memory does not grow with their number."""
    y = r.lazy(np.eye(64))
    for _ in range(6):
        y = y / (r.sum(y, axis=0) + 1.0)
    plan = y.plan()
    assert plan.peak_bytes <= 3 * 64 * 64 * 8
    assert len(plan.reuses) >= 1


def test_refusals_give_reasons() -> None:
    """Writing x[::-1] + x into x would read elements already written."""
    x = r.lazy(np.ones(1000), donate=True)
    plan = (x[::-1] + x).plan()
    assert plan.buffers == 1
    assert len(plan.refusals) >= 1
    for refusal in plan.refusals:
        assert len(refusal) > 20


def test_forms(x: Any) -> None:
    y = chain(x, 4)
    plan = y.plan()
    assert str(plan) == plan.text()
    assert "sqrt" in plan.text()
    assert "(100, 120)" in plan.text() or "100x120" in plan.text() or "100, 120" in plan.text()
    dot = plan.dot()
    assert dot.startswith("digraph")
    assert dot.count("{") == dot.count("}")
    content = json.loads(plan.json())
    assert content["kernels"] == plan.kernels
    assert content["peak_bytes"] == plan.peak_bytes


def test_a_drawing_has_every_node_and_a_frame_for_each_kernel(x: Any) -> None:
    plan = (x - x.mean(axis=1, keepdims=True)).plan()
    root = ElementTree.fromstring(plan.svg())
    spelled = ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]
    for title in [f"kernel {n}" for n in range(plan.kernels)] + ["input 0", "sum over [1]", "subtract"]:
        assert sum(title in text for text in spelled) == 1, title
    flowchart = plan.mermaid()
    assert flowchart.startswith("flowchart")
    assert flowchart.count("subgraph") == plan.kernels


def test_a_large_graph_is_drawn_as_its_kernels() -> None:
    y = r.lazy(np.eye(8))
    for _ in range(300):
        y = y @ y + 1.0
    plan = y.plan()
    html = plan._repr_html_()
    assert len(html) < 200_000
    assert "kernel 0" in html


def test_a_notebook_shows_the_graph_and_computes_nothing() -> None:
    a = np.ones((4, 4))
    y = r.lazy(a, donate=True) * 2.0
    html = y._repr_html_()
    assert "<svg" in html
    assert "multiply" in html
    assert_same(a, np.ones((4, 4)))
    y.eval()
    assert "<svg" not in y._repr_html_()  # its memory was given away: there is nothing to plan


def test_explain_shows_what_a_pass_changed_as_a_diff(x: Any) -> None:
    lines = (r.sqrt(x) * 1.0 / 2.0).explain().splitlines()
    assert any(line.strip().startswith("- %") and "divide" in line for line in lines)
    assert any(line.strip().startswith("+ %") and "multiply" in line for line in lines)
    assert any("divide-by-power-of-two" in line and "test_plan.py:" in line for line in lines)


def test_bytes_moved_are_those_of_the_arrays(x: Any) -> None:
    """A sum reads the array once and writes a number a row; a stencil reads an element once."""
    nbytes = 100 * 120 * 8
    rows = json.loads(x.sum(axis=1).plan().json())["regions"]
    assert [(row["bytes_read"], row["bytes_written"], row["lane_ops"]) for row in rows] == [
        (nbytes, 100 * 8, 100 * 120)
    ]
    taps = json.loads((x[:-2] + x[1:-1] + x[2:]).plan().json())["regions"]
    assert [(row["bytes_read"], row["bytes_written"]) for row in taps] == [(nbytes, 98 * 120 * 8)]


def test_plan_computes_nothing_and_consumes_nothing() -> None:
    a = np.ones(10)
    y = r.lazy(a, donate=True) * 2.0
    y.plan()
    y.explain()
    assert_same(a, np.ones(10))
    assert_same(y.eval(), np.full(10, 2.0))


def test_explain_shows_capture_passes_and_plan(x: Any) -> None:
    text = str((chain(x, 3) * 1.0 + 0.0).explain())
    for word in ("sqrt", "simplify", "cse", "fuse", "place"):
        assert word in text


def test_the_plan_is_what_runs(x: Any) -> None:
    """Evaluation uses the plan that was shown; only whether it was known before changes."""
    y = chain(x, 6)
    before = y.plan()
    y.eval()
    after = y.plan()
    assert before.text().splitlines()[1:] == after.text().splitlines()[1:]
    assert (before.kernels, before.buffers, before.dot()) == (after.kernels, after.buffers, after.dot())


def test_what_is_not_read_is_not_computed(x: Any) -> None:
    for y, want in [
        (r.sqrt(x)[3], 120),
        (r.sqrt(x).T[5:7, ::2], 2 * 50),
        (r.concat([r.sqrt(x), r.exp(x)])[103:108], 5 * 120),
        (r.where(x > 0.5, r.sqrt(x), x)[0, :10], 10),
        (r.sum(r.sqrt(x), axis=1)[:7], 7),
        (r.sqrt(x)[2:50][1:3][:, 4:9].reshape(5, 2), 10),
    ]:
        assert y.plan().peak_bytes == 8 * want
        assert_same(y, np.asarray(y))


def test_repeated_work_is_done_once() -> None:
    row = r.lazy(np.linspace(0.0, 1.0, 50))
    wide = r.exp(r.broadcast_to(row, (1000, 50))) * 3.0
    plan = (wide + r.lazy(np.ones((1000, 50)))).plan()
    assert plan.peak_bytes < 1000 * 50 * 8 + 1000
    assert "broadcast-after-elementwise" in plan.explain()
    assert_same(wide, np.broadcast_to(np.asarray(r.exp(row) * 3.0), (1000, 50)))
