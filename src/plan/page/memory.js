// Memory over time: a row a piece of memory, a column a kernel, a bar a value. A value that is written over another
// begins in the middle of the column in which the other ends.

const kernelCount = Math.max(1, plan.regions.length);
const bars = new Map();

function showMemory() {
  // The caller's memory, which is only read, comes last.
  const isInput = (place) => place.role === "input";
  const places = [...plan.memory.filter((place) => !isInput(place)), ...plan.memory.filter(isInput)];
  const column = kernelCount <= 12 ? 90 : kernelCount <= 40 ? 34 : 14;
  const percent = (kernel) => `${((100 * kernel) / kernelCount).toFixed(3)}%`;
  const every = kernelCount <= 40 ? 1 : kernelCount <= 120 ? 5 : 10;
  const ruler = plan.regions.map((_, number) =>
    make("button", {
      class: "tick", style: `left:${percent(number)};width:${percent(1)}`, title: `kernel ${number}`,
      "data-tick": number, onclick: () => choose(number),
    }, number % every === 0 ? String(number) : ""));
  const rows = places.map((place) => {
    const lives = place.values.map((value, n) => {
      const before = place.values[n - 1];
      const after = place.values[n + 1];
      const isOver = before !== undefined && before.to === value.from;
      const from = value.from + (isOver ? 0.5 : 0);
      const to = value.to + (after !== undefined && after.from === value.to ? 0.5 : 1);
      const over = isOver ? `, written over ${before.node}` : "";
      const bar = make("button", {
        class: `bar ${place.role.split(" ")[0]}${isOver ? " over" : ""}`,
        style: `left:${percent(from)};width:${percent(to - from)}`,
        title: `${value.node} ${opOf(value)}, ${bytes(value.bytes)}: kernel ${value.from} to ${value.to}${over}`,
        onclick: () => choose(value.node),
      }, make("span", {}, `${value.node} ${opOf(value)}`));
      bars.set(value.node, bar);
      return bar;
    });
    return make("div", { class: "row" },
      make("div", { class: "label" }, make("b", {}, place.slot), make("span", {}, place.role), make("i", {}, bytes(place.bytes))),
      make("div", { class: "track" }, lives));
  });
  const sum = alive();
  const most = Math.max(1, ...sum);
  const steps = sum.map((count, kernel) => make("span", {
    style: `left:${percent(kernel)};width:${percent(1)};height:${((100 * count) / most).toFixed(1)}%`,
    title: `kernel ${kernel}: ${bytes(count)} in values of its own`,
  }));
  const width = `min-width:${kernelCount * column}px`;
  byId("memory").append(
    make("div", { class: "table", style: `--columns:${kernelCount};${width}` },
      make("div", { class: "row ruler" }, make("div", { class: "label" }, make("b", {}, "memory"), make("span", {}, "a column a kernel")), make("div", { class: "track" }, ruler)),
      make("div", { class: "row sum" }, make("div", { class: "label" }, make("span", {}, "alive"), make("i", {}, `up to ${bytes(Math.max(0, ...sum))}`)), make("div", { class: "track" }, steps)),
      rows));
}

const opOf = (value) => (value.op === "parameter" ? "input" : value.op);

/** Bytes of values that are neither inputs nor given by the caller, for each kernel. */
function alive() {
  const sum = new Array(kernelCount).fill(0);
  for (const place of plan.memory) {
    if (!/^(result|intermediate)/.test(place.role)) continue;
    for (let kernel = 0; kernel < kernelCount; kernel++) {
      const here = place.values.filter((value) => value.from <= kernel && kernel <= value.to);
      sum[kernel] += Math.max(0, ...here.map((value) => value.bytes));
    }
  }
  return sum;
}

function markMemory() {
  for (const [name, bar] of bars) bar.classList.toggle("chosen", name === state.chosen);
  const kernel = typeof state.chosen === "number" ? state.chosen : kernelOf(state.chosen);
  for (const tick of byId("memory").querySelectorAll("[data-tick]")) {
    tick.classList.toggle("chosen", Number(tick.dataset.tick) === kernel);
  }
}
