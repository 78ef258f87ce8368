// What the page shows, and what is shown now. Texts of users reach the page as text nodes only.

const { plan, drawings } = JSON.parse(document.getElementById("content").textContent);

const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes, listeners (names that begin with "on") and children, which are elements or texts. */
function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== ""));
  return element;
}

function bytes(count) {
  const units = [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"]];
  for (const [size, unit] of units) if (count >= 10 * size || (count >= size && size > 1e3)) return `${(count / size).toFixed(1)} ${unit}`;
  return `${count} B`;
}

function rounded(count) {
  const units = [[1e9, "G"], [1e6, "M"], [1e3, "k"]];
  for (const [size, unit] of units) if (count >= 10 * size || (count >= size && size > 1e3)) return `${(count / size).toFixed(1)} ${unit}`;
  return String(count);
}

function microseconds(time) {
  if (time >= 10e3) return `${(time / 1e3).toFixed(1)} ms`;
  return time < 10 ? `${time.toFixed(1)} µs` : `${Math.round(time)} µs`;
}
const counted = (count, one) => `${count} ${one}${count === 1 ? "" : "s"}`;

// A graph that is drawn as its kernels has one stage, without nodes.
const stages = plan.stages.length ? plan.stages : [{ name: "kernels", nodes: [], results: [] }];
const nodesOf = stages.map((stage) => new Map(stage.nodes.map((node) => [node.name, node])));
const usersOf = stages.map((stage) => {
  const users = new Map(stage.nodes.map((node) => [node.name, []]));
  for (const node of stage.nodes) for (const operand of new Set(node.operands)) users.get(operand).push(node.name);
  return users;
});
const last = stages.length - 1;
const passOf = (stage) => plan.passes.find((pass) => pass.name === stages[stage].name) ?? null;
const isRefused = (record) => record.outcome === "refused";

/** The node under its name where it is, nearest to a stage: a pass may have dropped it, or not made it yet. */
function nodeNear(name, stage) {
  for (let n = stage; n >= 0; n--) if (nodesOf[n].has(name)) return { node: nodesOf[n].get(name), stage: n };
  for (let n = stage + 1; n <= last; n++) if (nodesOf[n].has(name)) return { node: nodesOf[n].get(name), stage: n };
  return null;
}

/** The number of the kernel that computes a node, or null. */
const kernelOf = (name) => nodesOf[last].get(name)?.kernel ?? null;

/** What is shown: a stage, and a node's name, a kernel's number or null. */
const state = { stage: 0, chosen: null };
