"""The HTML page of a plan: what it holds, and how it behaves in a browser where there is one."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import raptors as r

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --window-size=1400,900 "
    "--virtual-time-budget=10000"
)

# The page gets these as one more script; what `report` is given is read from the document.
DRIVER = """
const one = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
const key = (name) => document.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
const click = (element) => element.dispatchEvent(new MouseEvent("click", { bubbles: true }));
const marked = () => all("#canvas .changed").map((card) => card.dataset.node);
const stage = () => one("#stages [aria-current]").textContent;
const report = (value) => {
  const pre = document.createElement("pre");
  pre.id = "report";
  pre.textContent = JSON.stringify(value);
  document.body.append(pre);
};
"""

Drive = Callable[[r.Plan, str], Any]


@pytest.fixture(scope="session")
def browser() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser is installed: none of {', '.join(BROWSERS)}")
    return found


@pytest.fixture
def drive(browser: str, tmp_path: Path) -> Drive:
    """Opens a plan's page, runs a script in it, and returns what the script reports."""

    def run(plan: r.Plan, script: str) -> Any:
        page = tmp_path / "plan.html"
        text = plan.html().replace("</body>", f"<script>{DRIVER}{{ {script} }}</script></body>")
        page.write_text(text, encoding="utf-8")
        command = [
            browser,
            *FLAGS.split(),
            f"--user-data-dir={tmp_path / 'profile'}",
            "--dump-dom",
            page.as_uri(),
        ]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
        found = re.search(r'<pre id="report">(.*?)</pre>', shown, re.DOTALL)
        assert found, f"the script did not come to its end:\n{shown[-2000:]}"
        return json.loads(html.unescape(found.group(1)))

    return run


def normalized() -> r.Plan:
    x = r.lazy(np.ones((640, 427), np.float32))
    centered = x * 1.0 - x.mean(axis=1, keepdims=True)
    return (r.sqrt(centered * centered) / 2.0).plan()


def layers(count: int) -> r.Plan:
    """A graph of about 12 nodes a layer."""
    h = r.lazy(np.ones((64, 16)))
    for k in range(count):
        z = r.tanh(h * (k + 3.0) + h.sum(axis=1, keepdims=True))
        h = h + z * z - r.exp(z) / (k + 7.0)
    return h.plan()


def content(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found.group(1))


def test_the_page_holds_the_plan_and_loads_nothing() -> None:
    plan = normalized()
    page = plan.html()
    assert content(page)["plan"] == json.loads(plan.json())
    assert len(content(page)["drawings"]) == len(content(page)["plan"]["stages"])
    addresses = set(re.findall(r"""https?://[^"'\s)]+""", page))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, which nothing is loaded from
    assert "default-src 'none'" in page


def test_rules_name_the_nodes_they_were_about() -> None:
    plan = json.loads(normalized().json())
    names = {node["name"]: node["op"] for stage in plan["stages"] for node in stage["nodes"]}
    records = [record for each in plan["passes"] for record in each["records"]]
    assert records
    assert all(record["node"] in names for record in records)
    simplified = {record["rule"]: record["op"] for record in records}
    assert simplified["divide-by-power-of-two"] == "divide"


def test_a_large_graph_makes_a_page_of_a_few_megabytes() -> None:
    plan = layers(48)
    page = plan.html()
    assert len(content(page)["plan"]["stages"][0]["nodes"]) > 500
    assert len(page) < 4_000_000


def test_a_huge_graph_is_drawn_as_its_kernels() -> None:
    y = r.lazy(np.eye(8))
    for _ in range(1200):
        y = y @ y + 1.0
    page = y.plan().html()
    assert len(page) < 2_000_000
    assert content(page)["plan"]["stages"] == []
    assert len(content(page)["plan"]["regions"]) == 1200


def test_stepping_changes_the_marked_nodes(drive: Drive) -> None:
    plan = normalized()
    stages = json.loads(plan.json())["stages"]
    want = [[s["name"], [n["name"] for n in s["nodes"] if n["changed"]]] for s in stages]
    script = """
      key("Home");
      const seen = [[stage(), marked()]];
      while (!one("#forth").disabled) { key("ArrowRight"); seen.push([stage(), marked()]); }
      const slider = one("#slider");
      slider.value = "0";
      slider.dispatchEvent(new Event("input"));
      report({ seen, slid: stage() });
    """
    shown = drive(plan, script)
    # Scalars stand in the labels of their users, so not every changed node has a box.
    assert [name for name, _ in shown["seen"]] == [name for name, _ in want]
    for (_, marked), (_, changed) in zip(shown["seen"], want, strict=True):
        assert set(marked) <= set(changed)
        assert bool(marked) == bool(changed)
    assert len({tuple(marked) for _, marked in shown["seen"]}) > 2
    assert shown["slid"] == "captured"


def test_a_click_fills_the_details(drive: Drive) -> None:
    plan = normalized()
    final = json.loads(plan.json())["stages"][-1]
    result = next(node for node in final["nodes"] if node["name"] in final["results"])
    script = """
      const card = one("#canvas .result");
      click(card);
      const node = one("#details").textContent;
      click(one(`#canvas [data-kernel="0"] rect`));
      const kernel = one("#details").textContent;
      const bars = all("#memory .bar").map((bar) => bar.textContent);
      report({ name: card.dataset.node, node, kernel, bars });
    """
    shown = drive(plan, script)
    assert shown["name"] == result["name"]
    for fact in (
        "float32",
        "(640, 427)",
        "(1708, 4) bytes",
        "1.1 MB",
        "test_page.py:",
        "divide-by-power-of-two",
    ):
        assert fact in shown["node"], fact
    assert "load m0" in shown["node"]
    assert "kernel 0" in shown["kernel"]
    assert "lane ops" in shown["kernel"]
    places = json.loads(plan.json())["memory"]
    assert len(shown["bars"]) == sum(len(place["values"]) for place in places)


def test_texts_of_users_stay_texts(drive: Drive, tmp_path: Path) -> None:
    source = "y = x * 2.0 + x  # </script><img src=x onerror=document.title='run'>\n"
    file = tmp_path / "<b>&amp;'\"<script>.py"
    file.write_text(source, encoding="utf-8")
    names: dict[str, Any] = {"x": r.lazy(np.ones(10))}
    exec(compile(source, str(file), "exec"), names)
    script = """
      click(one("#canvas .result"));
      report({ title: document.title, images: all("img, b b").length, text: one("#details").textContent });
    """
    shown = drive(names["y"].plan(), script)
    assert shown["title"] == "raptors plan"
    assert shown["images"] == 0
    assert file.name in shown["text"]
    assert source.strip() in shown["text"]


def test_a_large_graph_can_be_searched_and_zoomed(drive: Drive) -> None:
    script = """
      const scale = () => Number(/scale\\(([^)]*)\\)/.exec(one("#canvas > g").getAttribute("transform"))[1]);
      const before = scale();
      key("0");
      const whole = scale();
      const search = one("#search");
      search.value = "tanh";
      search.dispatchEvent(new Event("input"));
      const found = all("#canvas .found").length;
      search.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
      report({ before, whole, found, chosen: one("#details h2").textContent });
    """
    plan = layers(48)
    shown = drive(plan, script)
    assert shown["whole"] < 0.3 < shown["before"]
    assert shown["found"] == 48
    assert shown["chosen"].endswith(" tanh")
