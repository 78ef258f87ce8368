// The page as a whole: figures, steps through the passes, choosing, finding, keys.

function showFigures() {
  const nodes = plan.stages[0]?.nodes.length;
  const figures = [
    ["kernels", String(plan.kernels), "passes over memory"],
    ["peak", bytes(plan.peak_bytes), "the most memory that a run holds beyond its inputs"],
    ["reuses", String(plan.reuses.length), "values written over an operand that dies"],
    ["copies", String(plan.copies.length), "values copied because they cannot be read or returned where they are"],
    ["planned in", microseconds(plan.microseconds), nodes ? `${Math.round((plan.microseconds * 1e3) / nodes)} ns a node` : "all passes"],
  ];
  if (plan.measured) figures.push(["ran in", microseconds(plan.measured.fastest), `the fastest of ${plan.measured.runs} runs; the first took ${microseconds(plan.measured.first)}`]);
  byId("figures").append(...figures.map(([name, text, title]) => make("li", { title }, `${name} `, make("b", {}, text))));
  const legend = [["input", "input"], ["op", "op"], ["view", "view"], ["result", "result"], ["changed", "changed by the pass"]];
  byId("legend").append(...legend.map(([look, text]) => make("li", { class: look }, text)));
}

function showStages() {
  const names = plan.stages.length ? ["captured", ...plan.passes.map((pass) => pass.name)] : ["kernels"];
  byId("stages").append(...names.map((name) => {
    const stage = stages.findIndex((each) => each.name === name);
    const title = plan.passes.find((pass) => pass.name === name)?.about ?? "the graph as it was written";
    const item = stage < 0
      ? make("span", { title: `${title}: nothing to do` }, name)
      : make("button", { title, "data-stage": stage, onclick: () => step(stage) }, name);
    return make("li", {}, item);
  }));
  const slider = byId("slider");
  slider.max = String(last);
  slider.disabled = last === 0;
  slider.addEventListener("input", () => step(Number(slider.value)));
  byId("back").addEventListener("click", () => step(state.stage - 1));
  byId("forth").addEventListener("click", () => step(state.stage + 1));
}

function about(stage) {
  const pass = passOf(stage);
  if (!pass) return plan.stages.length ? `as it was written, ${counted(stages[0].nodes.length, "node")}` : "too large to draw each node: a box is a kernel";
  const change = pass.before === pass.after ? counted(pass.after, "node") : `${pass.before} → ${counted(pass.after, "node")}`;
  const marked = stages[stage].nodes.filter((node) => node.changed).length;
  return `${pass.about}: ${change}, ${marked} changed, ${microseconds(pass.microseconds)}`;
}

/** Shows the graph after a pass. */
function step(stage) {
  state.stage = Math.min(last, Math.max(0, stage));
  byId("slider").value = String(state.stage);
  byId("back").disabled = state.stage === 0;
  byId("forth").disabled = state.stage === last;
  for (const button of byId("stages").querySelectorAll("button")) {
    const isShown = Number(button.dataset.stage) === state.stage;
    if (isShown) button.setAttribute("aria-current", "step");
    else button.removeAttribute("aria-current");
  }
  byId("about").textContent = about(state.stage);
  showGraph(state.stage);
  markChosen();
  showDetails();
}

/** Chooses a node by name, a kernel by number, or nothing. */
function choose(chosen, isFar = false) {
  state.chosen = chosen;
  if (typeof chosen === "number" && isFar && !cardOf(chosen)) step(last);
  const card = chosen === null ? null : cardOf(chosen);
  if (card) bringIntoSight(card);
  markChosen();
  markMemory();
  showDetails();
}

function find(text) {
  const wanted = text.trim().toLowerCase();
  const hits = [];
  for (const card of shown.drawing.cards) {
    const node = nodesOf[state.stage].get(card.name);
    const words = `${card.name} ${card.title} ${card.detail} ${node?.line ?? ""}`.toLowerCase();
    const isHit = wanted !== "" && words.includes(wanted);
    if (isHit) hits.push(card);
    shown.boxes.get(card.name).classList.toggle("found", isHit);
  }
  canvas.classList.toggle("searched", hits.length > 0);
  return hits;
}

function listenToSearch() {
  const search = byId("search");
  let next = 0;
  search.addEventListener("input", () => {
    next = 0;
    find(search.value);
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      const hits = find(search.value);
      if (hits.length) choose(named(hits[next++ % hits.length].name));
    } else if (event.key === "Escape") {
      search.value = "";
      find("");
      search.blur();
    }
    event.stopPropagation();
  });
}

function listenToKeys(zoom) {
  const keys = {
    ArrowLeft: () => step(state.stage - 1),
    ArrowRight: () => step(state.stage + 1),
    Home: () => step(0),
    End: () => step(last),
    Escape: () => choose(null),
    "+": () => zoom(1.3),
    "=": () => zoom(1.3),
    "-": () => zoom(1 / 1.3),
    0: showAll,
    "/": () => byId("search").focus(),
  };
  document.addEventListener("keydown", (event) => {
    // A slider that has the focus steps by itself.
    if (event.ctrlKey || event.metaKey || event.altKey || event.target === byId("slider")) return;
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}

showFigures();
showStages();
showMemory();
const zoom = listenToGraph();
listenToSearch();
listenToKeys(zoom);
step(last);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawMap);
