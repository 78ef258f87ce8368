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


def test_every_kernel_has_its_steps() -> None:
    """Matrix products and their epilogues too."""
    y = r.lazy(np.eye(16))
    for _ in range(3):
        y = r.tanh(y @ y + 1.0)
    plan = (y.sum(axis=1, keepdims=True) * y).plan()
    kernels = json.loads(plan.json())["regions"]
    assert len(kernels) == plan.kernels
    assert [kernel["lane_ops"] >= 2 * 16**3 for kernel in kernels] == [True] * 3 + [False] * (
        len(kernels) - 3
    )
    assert all(kernel["lane_program"] for kernel in kernels)


def test_explain_down_to_lane_programs(x: Any) -> None:
    y = r.sqrt(x * 3.0) @ x.T
    text = y.explain(level="lane")
    assert "v1 = splat p1: f64" in text
    assert "matmul 100 x 120 x 100" in text
    assert "splat" not in y.explain()
    assert y.plan().explain(level="lane").partition("kernels ")[2] == text.partition("kernels ")[2]
    assert y.explain("plan") == y.explain()
    for explain in (y.explain, y.plan().explain):
        with pytest.raises(ValueError, match=r"^explain: level is \"deep\", needs one of \"plan\", \"lane\""):
            explain(level="deep")  # type: ignore[arg-type]


def test_analyze_runs_the_plan_and_measures_it(x: Any) -> None:
    centered = x - x.mean(axis=1, keepdims=True)
    y = centered @ x.T
    assert y.plan().measured is None
    plan = y.plan(analyze=True)
    measured = plan.measured
    assert measured is not None
    assert len(measured["kernels"]) == plan.kernels
    assert 1 <= measured["runs"] <= 7
    # A kernel's fastest time is at most its time in the fastest run.
    assert 0 < sum(kernel["nanoseconds"] for kernel in measured["kernels"]) <= measured["fastest"]
    assert measured["fastest"] <= measured["first"]
    assert all(1 <= kernel["threads"] <= r.num_threads() for kernel in measured["kernels"])
    assert all(faults >= 0 for faults in measured["page_faults"])
    roof = measured["roof"]
    assert roof["bytes"] > 1e7
    assert roof["float32_ops"] > 1e6
    assert roof["float64_ops"] > 1e6
    text = y.explain(analyze=True)
    for word in ("GB/s", "GFLOP/s", "page fault", "of copying", "of multiply-add", "thread"):
        assert word in text, word
    assert text.count("     took ") == plan.kernels
    content = json.loads(plan.json())
    assert content["measured"]["runs"] == measured["runs"]
    assert all(kernel["took"]["microseconds"] > 0 for kernel in content["regions"])
    assert r.plan(y, analyze=True).measured is not None


def test_analyze_leaves_donated_memory_alone() -> None:
    a = np.arange(1000.0)
    y = r.lazy(a, donate=True) * 3.0
    plan = y.plan(analyze=True)
    assert plan.buffers == 0
    assert_same(a, np.arange(1000.0))
    assert_same(y.eval(), np.arange(1000.0) * 3.0)


def test_analyze_keeps_to_the_limit(x: Any) -> None:
    with pytest.raises(MemoryError):
        (x * 2.0).plan(analyze=True, max_memory=100)


def test_one_thread_is_one_thread() -> None:
    threads = r.num_threads()
    r.set_num_threads(1)
    try:
        measured = (r.lazy(np.ones(1 << 20)) * 2.0).plan(analyze=True).measured
    finally:
        r.set_num_threads(threads)
    assert measured is not None
    assert [kernel["threads"] for kernel in measured["kernels"]] == [1]


def test_a_miss_says_what_the_nearest_known_plan_had_otherwise() -> None:
    def graph(n: int = 7, dtype: Any = np.float64, step: int = 1, factor: float = 3.0) -> Any:
        x = r.lazy(np.ones(n * step, dtype)[::step])
        return r.exp(x * factor) + 1.0

    r.clear_plan_cache()
    first = graph().plan()
    assert not first.is_known
    assert first.nearest_known is None
    again = graph().plan()
    assert again.is_known
    assert again.nearest_known is None
    assert graph(factor=5.0).plan().is_known  # a scalar's value is no part of a plan

    def nearest(y: Any, **options: Any) -> str:
        plan = y.plan(**options)
        assert not plan.is_known
        r.clear_plan_cache()
        graph().plan()
        return plan.nearest_known or ""

    assert nearest(graph(n=9)) == "shape of input 0 is (9,) here, (7,) there"
    assert "dtype of input 0 is float32 here, float64 there" in nearest(graph(dtype=np.float32))
    assert nearest(graph(step=2)) == "layout of input 0 is strides [16] here, row-major there"
    assert nearest(graph(), fp="fast") == 'option fp is "fast" here, "strict" there'
    assert "max_memory is 1000 bytes here" in nearest(graph(), max_memory=1000)
    assert "ops here" in nearest(graph() * graph())
    assert "is sqrt here, " in nearest(r.sqrt(r.lazy(np.ones(7)) * 3.0) + 1.0)
    donated = r.exp(r.lazy(np.ones(7), donate=True) * 3.0) + 1.0
    assert nearest(donated) == "input 0 is donated here"


def test_the_nearest_plan_is_the_most_alike() -> None:
    r.clear_plan_cache()
    x = r.lazy(np.ones((4, 5)))
    (x @ x.T).plan()
    (r.exp(x) + x).plan()
    (r.sqrt(x) * 2.5).plan()
    other = r.lazy(np.ones((4, 6)))
    assert (r.exp(other) + other).plan().nearest_known == "shape of input 0 is (4, 6) here, (4, 5) there"


def test_a_difference_of_plans(x: Any) -> None:
    plain = r.sqrt(x * x) / 3.0
    assert r.diff(plain.plan(), (r.sqrt(x * x) / 3.0).plan()) == ""
    reduced = plain - plain.sum(axis=0, keepdims=True)
    text = r.diff(plain.plan(), reduced.plan())
    lines = text.splitlines()
    assert any(
        line.startswith("kernels ") and line.endswith(f"{plain.plan().kernels} -> {reduced.plan().kernels}")
        for line in lines
    )
    assert "  + sum" in lines
    assert "  + subtract" in lines
    assert not any(line.strip().startswith("- ") for line in lines if "sum" in line)
    back = r.diff(reduced.plan(), plain.plan()).splitlines()
    assert "  - sum" in back
    fast = r.diff(plain.plan(), plain.plan(fp="fast"))
    assert 'option fp is "fast" here, "strict" there' in fast


def test_a_difference_shows_copies_reuses_rules_and_refusals() -> None:
    a = np.ones((64, 64))
    kept, given = r.lazy(a) * 1.0 / 2.0, r.lazy(a, donate=True) * 1.0 / 2.0
    text = r.diff(kept.plan(), given.plan())
    assert "reuses    0 -> 1" in text
    assert "refusals  1 -> 0" in text
    assert "peak      32.8 kB -> 0 B" in text
    assert "  - not in-place: multiply: the input belongs to the caller" in text
    unruled = (r.lazy(a) / 3.0).plan()
    assert "simplify: divide-by-power-of-two: divide" in r.diff(unruled, kept.plan())
