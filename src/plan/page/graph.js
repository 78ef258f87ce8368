// The graph on the left: boxes, frames, edges; moved by dragging and scrolling, with a map where it does not fit.

/** Below this scale texts cannot be read, and are not drawn. */
const LEGIBLE = 0.38;
/** The smallest scale that a graph is first shown at. */
const COMFORTABLE = 0.8;
const MARGIN = 24;

const canvas = byId("canvas");
const map = byId("map");
const layer = draw("g");
canvas.append(
  draw("defs", {},
    draw("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8, markerUnits: "userSpaceOnUse", orient: "auto" },
      draw("path", { d: "M0 0.5L7.5 4L0 7.5z" }))),
  layer,
);

const view = { x: 0, y: 0, scale: 1 };
let shown = { drawing: null, boxes: new Map(), lines: [], frames: [] };

function pane() {
  const { clientWidth: width, clientHeight: height } = canvas.parentElement;
  return { width, height };
}

function moved() {
  layer.setAttribute("transform", `translate(${view.x} ${view.y}) scale(${view.scale})`);
  canvas.classList.toggle("far", view.scale < LEGIBLE);
  drawMap();
}

/** Keeps some of the graph in sight. */
function clamped() {
  const { width, height } = pane();
  const { drawing } = shown;
  const keep = 80;
  view.x = Math.min(width - keep, Math.max(keep - drawing.width * view.scale, view.x));
  view.y = Math.min(height - keep, Math.max(keep - drawing.height * view.scale, view.y));
  moved();
}

function zoomAt(x, y, factor) {
  const scale = Math.min(2.5, Math.max(Math.min(0.05, wholeScale()), view.scale * factor));
  view.x = x - ((x - view.x) * scale) / view.scale;
  view.y = y - ((y - view.y) * scale) / view.scale;
  view.scale = scale;
  clamped();
}

function wholeScale() {
  const { width, height } = pane();
  const { drawing } = shown;
  const fits = (room, size) => (room - 2 * MARGIN) / Math.max(size, 1);
  return Math.min(1.15, fits(width, drawing.width), fits(height, drawing.height));
}

function showAll() {
  const { width, height } = pane();
  view.scale = Math.max(0.02, wholeScale());
  view.x = (width - shown.drawing.width * view.scale) / 2;
  view.y = Math.max(MARGIN, (height - shown.drawing.height * view.scale) / 2.6);
  moved();
}

/** All of a small graph; of a large one the first boxes, large enough to read. */
function showBeginning() {
  showAll();
  if (view.scale >= COMFORTABLE) return;
  view.scale = COMFORTABLE;
  const { cards } = shown.drawing;
  const first = cards.reduce((a, b) => (b.rect[1] < a.rect[1] ? b : a), cards[0]);
  const { width } = pane();
  const centre = shown.drawing.width * view.scale < width ? shown.drawing.width / 2 : first.rect[0] + first.rect[2] / 2;
  view.x = width / 2 - centre * view.scale;
  view.y = MARGIN;
  clamped();
}

const centreOf = ({ rect: [x, y, width, height] }) => [x + width / 2, y + height / 2];

function isInSight(card) {
  const { width, height } = pane();
  const [x, y] = centreOf(card);
  const [left, top] = [x * view.scale + view.x, y * view.scale + view.y];
  return left > 40 && top > 30 && left < width - 40 && top < height - 30;
}

function bringIntoSight(card) {
  if (isInSight(card) && view.scale >= LEGIBLE) return;
  const { width, height } = pane();
  view.scale = Math.max(view.scale, 0.85);
  const [x, y] = centreOf(card);
  view.x = width / 2 - x * view.scale;
  // Of what is taller than the pane, the beginning; below the legend.
  const isTall = card.rect[3] * view.scale > height - 90;
  view.y = isTall ? 46 - card.rect[1] * view.scale : height / 2 - y * view.scale;
  clamped();
}

/** The card that stays where it is when the graph changes: the chosen one, or the one nearest to the middle. */
function anchor(drawing) {
  const known = new Set(drawing.cards.map((card) => card.name));
  const { width, height } = pane();
  const [x, y] = [(width / 2 - view.x) / view.scale, (height / 2 - view.y) / view.scale];
  let best = null;
  for (const card of shown.drawing.cards.filter((card) => known.has(card.name))) {
    if (card.name === state.chosen && isInSight(card)) return card;
    const [cx, cy] = centreOf(card);
    const distance = Math.hypot(cx - x, cy - y);
    if (!best || distance < best.distance) best = { card, distance };
  }
  return best && best.card;
}

function showGraph(stage) {
  const drawing = drawings[stage];
  const isFirst = !shown.drawing;
  const wasWhole = !isFirst && Math.abs(view.scale - wholeScale()) < 1e-6;
  const fixed = isFirst || wasWhole ? null : anchor(drawing);
  const nodes = nodesOf[stage];
  const frames = drawing.frames.map(({ title, rect: [x, y, width, height] }, number) =>
    draw("g", { class: "frame", "data-kernel": number },
      draw("rect", { x, y, width, height, rx: 9 }),
      draw("text", { x: x + 11, y: y + 15 }, title)));
  const lines = drawing.edges.map(({ path }) => draw("path", { class: "edge", d: path, "marker-end": "url(#arrow)" }));
  const boxes = new Map();
  for (const card of drawing.cards) {
    const [x, y, width, height] = card.rect;
    const isChanged = nodes.get(card.name)?.changed ?? false;
    const names = ["card", card.look, card.result && "result", isChanged && "changed"].filter(Boolean).join(" ");
    boxes.set(card.name, draw("g", { class: names, "data-node": card.name },
      draw("rect", { x, y, width, height, rx: 6 }),
      draw("text", { x: x + 9, y: y + 17 }, draw("tspan", { class: "name" }, card.name), ` ${card.title}`),
      draw("text", { class: "detail", x: x + 9, y: y + 32 }, card.detail),
      isChanged ? draw("circle", { cx: x + width - 1, cy: y + 1, r: 4.5 }) : null));
  }
  layer.replaceChildren(...frames, ...lines, ...boxes.values());
  const before = fixed && centreOf(fixed);
  shown = { drawing, boxes, lines, frames };
  const after = fixed && drawing.cards.find((card) => card.name === fixed.name);
  if (isFirst) showBeginning();
  else if (!after) showAll();
  else {
    const [x, y] = centreOf(after);
    view.x += (before[0] - x) * view.scale;
    view.y += (before[1] - y) * view.scale;
    clamped();
  }
}

/** Marks the chosen node with its edges, or the chosen kernel. */
function markChosen() {
  const { drawing, boxes, lines, frames } = shown;
  const isKernel = typeof state.chosen === "number";
  const name = isKernel ? `k${state.chosen}` : state.chosen;
  for (const [box, element] of boxes) element.classList.toggle("chosen", box === name);
  frames.forEach((frame, number) => frame.classList.toggle("chosen", isKernel && number === state.chosen));
  drawing.edges.forEach(({ from, to }, n) => {
    const isNear = drawing.cards[from].name === name || drawing.cards[to].name === name;
    lines[n].classList.toggle("near", isNear);
  });
}

function cardOf(chosen) {
  const kernel = typeof chosen === "number" ? shown.drawing.frames[chosen] : null;
  const name = typeof chosen === "number" ? `k${chosen}` : chosen;
  return kernel ?? shown.drawing.cards.find((card) => card.name === name) ?? null;
}

function drawMap() {
  const { drawing } = shown;
  const { width, height } = pane();
  const isWhole = drawing.width * view.scale <= width && drawing.height * view.scale <= height;
  map.hidden = isWhole;
  if (isWhole) return;
  const factor = Math.min(190 / drawing.width, 150 / drawing.height);
  const ratio = window.devicePixelRatio || 1;
  const [across, down] = [Math.max(24, drawing.width * factor), Math.max(24, drawing.height * factor)];
  map.width = across * ratio;
  map.height = down * ratio;
  map.style.width = `${across}px`;
  map.style.height = `${down}px`;
  const context = map.getContext("2d");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
  context.scale(factor * ratio, factor * ratio);
  context.fillStyle = colour("--map");
  const least = 1.5 / factor;
  for (const { rect: [x, y, w, h] } of drawing.cards) context.fillRect(x, y, Math.max(w, least), Math.max(h, least));
  context.fillStyle = colour("--changed");
  for (const { name, rect: [x, y, w, h] } of drawing.cards) {
    if (nodesOf[state.stage].get(name)?.changed) context.fillRect(x, y, Math.max(w, least), Math.max(h, least));
  }
  const seen = [-view.x / view.scale, -view.y / view.scale, width / view.scale, height / view.scale];
  context.fillStyle = colour("--seen");
  context.fillRect(...seen);
  context.strokeStyle = colour("--op");
  context.lineWidth = 1.5 / factor;
  context.strokeRect(...seen);
}

function jump(event) {
  const box = map.getBoundingClientRect();
  const { width, height } = pane();
  const { drawing } = shown;
  view.x = width / 2 - ((event.clientX - box.left) / box.width) * drawing.width * view.scale;
  view.y = height / 2 - ((event.clientY - box.top) / box.height) * drawing.height * view.scale;
  clamped();
}

let drag = null;

function listenToGraph() {
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 16 : 1;
    if (event.ctrlKey || event.metaKey) {
      zoomAt(event.offsetX, event.offsetY, Math.exp(-event.deltaY * unit * 0.004));
    } else {
      view.x -= (event.shiftKey ? event.deltaY : event.deltaX) * unit;
      view.y -= (event.shiftKey ? 0 : event.deltaY) * unit;
      clamped();
    }
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button === 0) drag = { x: event.clientX, y: event.clientY, hasMoved: false };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
    if (!drag.hasMoved && Math.hypot(dx, dy) < 4) return;
    if (!drag.hasMoved) canvas.setPointerCapture(event.pointerId);
    drag = { x: event.clientX, y: event.clientY, hasMoved: true };
    canvas.classList.add("dragged");
    view.x += dx;
    view.y += dy;
    clamped();
  });
  const release = () => {
    canvas.classList.remove("dragged");
    setTimeout(() => (drag = null));
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("click", (event) => {
    if (drag?.hasMoved) return;
    const card = event.target.closest("[data-node]");
    const frame = event.target.closest("[data-kernel]");
    if (card) choose(named(card.dataset.node));
    else choose(frame ? Number(frame.dataset.kernel) : null);
  });
  canvas.addEventListener("dblclick", (event) => zoomAt(event.offsetX, event.offsetY, 1.6));
  map.addEventListener("pointerdown", (event) => {
    jump(event);
    map.setPointerCapture(event.pointerId);
  });
  map.addEventListener("pointermove", (event) => event.buttons && jump(event));
  const zoom = (factor) => {
    const { width, height } = pane();
    zoomAt(width / 2, height / 2, factor);
  };
  byId("in").addEventListener("click", () => zoom(1.3));
  byId("out").addEventListener("click", () => zoom(1 / 1.3));
  byId("fit").addEventListener("click", showAll);
  new ResizeObserver(moved).observe(canvas.parentElement);
  return zoom;
}

/** What a box stands for: a kernel's number, where boxes are kernels, or a node's name. */
const named = (name) => (/^k\d+$/.test(name) ? Number(name.slice(1)) : name);
