// The column on the right: the chosen node or kernel, what the pass did, the kernels, and what was refused.

const line = (text) => (text ? make("code", { class: "line" }, text) : null);

/** A node's name as a button that chooses it. */
function link(name) {
  const found = nodeNear(name, state.stage);
  const op = found ? ` ${found.node.op}` : "";
  return make("button", { class: "link", onclick: () => choose(name, true) }, make("span", { class: "name" }, name), op);
}

const kernelLink = (number) => make("button", { class: "link", onclick: () => choose(number, true) }, `kernel ${number}`);

function facts(pairs) {
  const rows = pairs.filter(([, value]) => value !== null && value.length !== 0);
  return make("dl", {}, rows.map(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

function section(title, ...content) {
  return make("section", {}, make("h2", {}, title), content);
}

function program(number) {
  const { lane_program: text } = plan.regions[number];
  const lines = text.split("\n").map((row) => row.replace(/^ {4}/, ""));
  return make("pre", { class: "program" }, lines.join("\n").trimEnd());
}

function nodeDetails(name) {
  const found = nodeNear(name, state.stage);
  if (!found) return section(name, make("p", {}, "There is no such node."));
  const { node, stage } = found;
  const number = kernelOf(name);
  const end = nodesOf[last].get(name);
  const elsewhere = stage < state.stage ? `dropped by ${stages[stage + 1].name}` : stage > state.stage ? `made by ${stages[stage].name}` : null;
  const spelled = (list) => `(${list.join(", ")}${list.length === 1 ? "," : ""})`;
  const rules = plan.passes.flatMap((pass) => pass.records.filter((record) => record.node === name).map((record) => [pass, record]));
  const history = stages.map((each, n) => [each, nodesOf[n].get(name), n > 0 ? nodesOf[n - 1].get(name) : null])
    .filter(([, now, before], n) => n > 0 && now?.text !== before?.text)
    .map(([each, now, before]) => make("li", {}, make("b", {}, each.name), " ", make("code", {}, now ? now.text : `gone: ${before.text}`)));
  return section([make("span", { class: "name" }, name), ` ${node.op}`],
    elsewhere ? make("p", { class: "note" }, elsewhere) : null,
    make("pre", { class: "program" }, node.text),
    node.source || node.line ? make("div", { class: "source" }, line(node.line), node.source ? make("pre", {}, node.source) : null) : null,
    facts([
      ["dtype", node.dtype],
      ["shape", spelled(node.shape)],
      ["strides", `${spelled(node.strides)} bytes`],
      ["size", bytes(node.bytes)],
      ["memory", end?.slot ?? (number === null ? null : "none: lives in a register of its kernel")],
      ["kernel", number === null ? null : [kernelLink(number)]],
      ["operands", node.operands.map(link)],
      ["users", usersOf[stage].get(name).map(link)],
      ["result", stages[stage].results.includes(name) ? "yes" : null],
    ]),
    rules.length ? [make("h3", {}, "rules"), make("ul", { class: "records" }, rules.map(([pass, record]) => recordItem(record, [], pass.name)))] : null,
    history.length ? [make("h3", {}, "on its way"), make("ul", { class: "history" }, history)] : null,
    number === null ? null : [make("h3", {}, `what kernel ${number} does to an element`), program(number)]);
}

/** A kernel's time, beside what this machine does at most. */
function taken(kernel) {
  const seconds = kernel.took.microseconds / 1e6;
  const moved = (kernel.bytes_read + kernel.bytes_written) / seconds / 1e9;
  const { bytes: most } = plan.measured.roof;
  const share = most ? ` (${Math.round((100e9 * moved) / most)}% of copying)` : "";
  const ops = kernel.lane_ops / seconds / 1e9;
  return `${microseconds(kernel.took.microseconds)}, ${counted(kernel.took.threads, "thread")}: ${moved.toFixed(1)} GB/s${share}, ${ops.toFixed(1)} GFLOP/s`;
}

function kernelDetails(number) {
  const kernel = plan.regions[number];
  const lines = [...new Set(kernel.nodes.map((name) => nodesOf[last].get(name)?.line).filter(Boolean))];
  return section(`kernel ${number}`,
    facts([
      ["reads", kernel.reads.join(", ") || "no memory"],
      ["writes", kernel.writes.join(", ")],
      ["moves", bytes(kernel.bytes_read + kernel.bytes_written)],
      ["lane ops", rounded(kernel.lane_ops)],
      ["took", kernel.took ? taken(kernel) : null],
      ["threads", kernel.threads === 1 ? "1" : `up to ${kernel.threads}`],
      ["library", kernel.accelerate.join("; ") || null],
      ["past the caches", kernel.non_temporal.join(", ") || null],
      ["lines", lines.map(line)],
      ["nodes", nodesOf[last].size ? kernel.nodes.map(link) : kernel.nodes.join(", ")],
    ]),
    make("h3", {}, "what it does to an element"), program(number));
}

function recordItem(record, names, pass = "") {
  return make("li", { class: isRefused(record) ? "refused" : "" },
    make("b", {}, isRefused(record) ? `not ${record.rule}` : record.rule), pass ? make("span", { class: "pass" }, ` ${pass}`) : null,
    make("p", {}, record.detail), make("p", { class: "where" }, names.map(link), line(record.line)));
}

/** Records that say the same, as one item. */
function recordList(records) {
  const groups = new Map();
  for (const record of records) {
    const key = JSON.stringify([record.rule, record.detail, record.outcome]);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(record);
  }
  const most = 12;
  return make("ul", { class: "records" }, [...groups.values()].map((group) => {
    const names = [...new Set(group.map((record) => record.node).filter(Boolean))];
    const item = recordItem(names.length > 1 ? { ...group[0], line: "" } : group[0], names.slice(0, most));
    if (group.length > 1) item.firstChild.after(make("span", { class: "pass" }, ` ×${group.length}`));
    if (names.length > most) item.lastChild.append(` and ${names.length - most} more`);
    return item;
  }));
}

function passDetails() {
  const pass = passOf(state.stage);
  if (!pass) return null;
  const diff = pass.diff.split("\n").filter(Boolean).map((row) => {
    const kind = row.startsWith("+") ? "added" : row.startsWith("-") ? "removed" : "same";
    return make("span", { class: kind }, `${row}\n`);
  });
  const applied = pass.records.filter((record) => !isRefused(record));
  const refused = pass.records.filter(isRefused);
  return section(`pass: ${pass.name}`,
    applied.length ? recordList(applied) : null,
    diff.length ? [make("h3", {}, "the graph before and after"), make("pre", { class: "diff" }, diff)] : null,
    refused.length ? [make("h3", {}, "not done"), recordList(refused)] : null);
}

function kernelList() {
  const rows = plan.regions.map((kernel, number) => {
    const time = kernel.took ? `${microseconds(kernel.took.microseconds)}, ` : "";
    return make("li", {}, kernelLink(number), ` ${kernel.ops}`, make("p", { class: "where" }, `${time}${bytes(kernel.bytes_read + kernel.bytes_written)} moved, ${rounded(kernel.lane_ops)} lane ops`));
  });
  return section(counted(plan.regions.length, "kernel"), make("ul", { class: "kernels" }, rows));
}

function whyNot() {
  const refused = plan.refusals.length ? [...new Set(plan.refusals)] : [];
  if (!refused.length) return null;
  return section("why not better", make("ul", { class: "refusals" }, refused.map((text) => make("li", {}, text))));
}

function showDetails() {
  const { chosen } = state;
  const parts = [
    chosen === null ? null : typeof chosen === "number" ? kernelDetails(chosen) : nodeDetails(chosen),
    passDetails(),
    chosen === null ? kernelList() : null,
    chosen === null ? whyNot() : null,
  ];
  byId("details").replaceChildren(...parts.filter(Boolean));
  byId("details").scrollTop = 0;
}
