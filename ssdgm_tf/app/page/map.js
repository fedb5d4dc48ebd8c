// The map: every example a point, coloured by label, prediction or entropy.
import { $, analogies, attempt, colourOf, get, make, nameOf, reading, state } from "./common.js";
import { take } from "./make.js";

let points = null, view = { scale: 1, x: 0, y: 0 }, colours = [], groups = [], selected = new Set();
let canvas, pen, frame = 0, drag = null, lasso = null, hovered = -1, searches = 0;
export const frames = [];

export async function begin() {
  canvas = $("map-canvas");
  pen = canvas.getContext("2d");
  const choose = $("map-colour");
  for (const variable of state.run.variables) {
    for (const by of ["prediction", "label", "entropy"]) {
      const of = state.run.variables.length > 1 ? ` of ${variable}` : "";
      choose.append(make("option", { value: `${variable} ${by}`, textContent: `${by}${of}` }));
    }
  }
  choose.addEventListener("change", recolour);
  for (const of of state.run.maps) $("map-of").append(make("option", { value: of, textContent: of }));
  $("map-of").addEventListener("change", () => { if (points) { lay(); reset(); } });
  $("map-reset").addEventListener("click", reset);
  if (state.run.has_ids) $("map-find").placeholder = "number or name";
  $("map-search").addEventListener("submit", (event) => { event.preventDefault(); attempt(() => find($("map-find").value)); });
  new ResizeObserver(resize).observe(canvas);
  canvas.addEventListener("pointerdown", down);
  canvas.addEventListener("pointermove", move);
  canvas.addEventListener("pointerup", up);
  canvas.addEventListener("pointerleave", () => hover(-1));
  canvas.addEventListener("wheel", wheel, { passive: false });
  canvas.addEventListener("keydown", key);
}

export async function show() {
  points = await get("map");
  const of = state.run.shown < state.run.examples ? ` of ${state.run.examples}` : "";
  $("map-by").textContent = `${state.run.shown}${of} ${state.run.noun}`;
  lay();
  resize();
  recolour();
}

function lay() {
  [points.x, points.y] = points.maps[$("map-of").value];
}

function recolour() {
  if (!points) return; // they are on their way
  const [variable, by] = $("map-colour").value.split(" ");
  const values = points.of[variable][by], number = state.run.class_names[variable].length;
  const legend = $("map-legend");
  legend.replaceChildren();
  groups = [];
  if (by === "entropy") {
    const most = Math.max(...values, 1e-9);
    colours = Array.from({ length: 10 }, (_, k) => `hsl(${220 - 22 * k} 75% ${45 + k}%)`);
    colours.forEach((_, k) => groups.push({ colour: colours[k], at: [] }));
    values.forEach((value, at) => groups[Math.min(9, Math.floor((10 * value) / most))].at.push(at));
    legend.append(item(colours[0], "sure"), item(colours[9], `entropy up to ${most.toFixed(2)} nats`));
  } else {
    for (let k = -2; k < number; k++) groups.push({ colour: k < 0 ? (k === -2 ? "#d0402b" : "#9a9aa255") : colourOf(k, number), at: [] });
    values.forEach((value, at) => groups[value + 2].at.push(at));
    groups.forEach((group, k) => { if (group.at.length) legend.append(item(group.colour, `${nameOf(variable, k - 2)} (${group.at.length})`)); });
  }
  draw();
}

function item(colour, text) {
  const swatch = make("i");
  swatch.style.background = colour;
  return make("li", {}, swatch, text);
}

function resize() {
  const ratio = devicePixelRatio || 1;
  if (!canvas.clientWidth) return;
  canvas.width = canvas.clientWidth * ratio;
  canvas.height = canvas.clientHeight * ratio;
  draw();
}

const place = (at) => {
  const half = 0.47 * Math.min(canvas.width, canvas.height) * view.scale;
  return [canvas.width / 2 + half * (points.x[at] + view.x), canvas.height / 2 - half * (points.y[at] + view.y)];
};

export function draw() {
  if (!frame && points) frame = requestAnimationFrame(paint);
}

function paint() {
  const began = performance.now();
  frame = 0;
  pen.clearRect(0, 0, canvas.width, canvas.height);
  const size = Math.min(8, (devicePixelRatio || 1) * 2.2 * Math.sqrt(view.scale)), half = size / 2;
  const width = canvas.width, height = canvas.height, unit = 0.47 * Math.min(width, height) * view.scale;
  for (const group of groups) {
    pen.fillStyle = group.colour;
    for (const at of group.at) {
      const x = width / 2 + unit * (points.x[at] + view.x), y = height / 2 - unit * (points.y[at] + view.y);
      if (x > -size && y > -size && x < width + size && y < height + size) pen.fillRect(x - half, y - half, size, size);
    }
  }
  pen.strokeStyle = getComputedStyle(canvas).color;
  for (const at of selected) ring(at, size + 2);
  if (hovered >= 0) ring(hovered, size + 5);
  if (lasso) {
    pen.beginPath();
    lasso.forEach(([x, y], k) => (k ? pen.lineTo(x, y) : pen.moveTo(x, y)));
    pen.closePath();
    pen.stroke();
  }
  frames.push(performance.now() - began);
  if (frames.length > 200) frames.shift();
  canvas.dataset.milliseconds = (frames.reduce((a, b) => a + b) / frames.length).toFixed(2);
  canvas.dataset.frames = String(Number(canvas.dataset.frames || 0) + 1);
}

function ring(at, size) {
  const [x, y] = place(at);
  pen.lineWidth = 1.5;
  pen.strokeRect(x - size / 2, y - size / 2, size, size);
}

function reset() {
  view = { scale: 1, x: 0, y: 0 };
  unselect();
}

function unselect() {
  selected = new Set();
  $("map-selected").replaceChildren();
  draw();
}

function at(event) {
  const box = canvas.getBoundingClientRect(), ratio = canvas.width / box.width;
  return [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
}

function nearest(x, y) {
  let best = -1, least = (14 * (devicePixelRatio || 1)) ** 2;
  const unit = 0.47 * Math.min(canvas.width, canvas.height) * view.scale;
  const u = (x - canvas.width / 2) / unit - view.x, v = (canvas.height / 2 - y) / unit - view.y;
  for (let k = 0; k < points.x.length; k++) {
    const distance = ((points.x[k] - u) ** 2 + (points.y[k] - v) ** 2) * unit * unit;
    if (distance < least) [best, least] = [k, distance];
  }
  return best;
}

function down(event) {
  canvas.setPointerCapture(event.pointerId);
  const [x, y] = at(event);
  if ($("map-lasso").checked || event.shiftKey) lasso = [[x, y]];
  else drag = { x, y, moved: 0 };
}

function move(event) {
  const [x, y] = at(event);
  if (lasso) {
    lasso.push([x, y]);
    draw();
  } else if (drag) {
    const unit = 0.47 * Math.min(canvas.width, canvas.height) * view.scale;
    view.x += (x - drag.x) / unit;
    view.y -= (y - drag.y) / unit;
    drag = { x, y, moved: drag.moved + Math.abs(x - drag.x) + Math.abs(y - drag.y) };
    draw();
  } else if (points) hover(nearest(x, y), event);
}

function up(event) {
  if (lasso) {
    const path = new Path2D();
    lasso.forEach(([x, y], k) => (k ? path.lineTo(x, y) : path.moveTo(x, y)));
    path.closePath();
    selected = new Set(points.x.map((_, k) => k).filter((k) => pen.isPointInPath(path, ...place(k))));
    lasso = null;
    showSelected();
    draw();
  } else if (drag && drag.moved < 6) {
    const found = nearest(...at(event));
    if (found >= 0) attempt(() => open(points.index[found]));
  }
  drag = null;
}

function wheel(event) {
  event.preventDefault();
  const [x, y] = at(event);
  zoom(Math.exp(-event.deltaY / 400), x, y);
}

function zoom(factor, x = canvas.width / 2, y = canvas.height / 2) {
  const unit = 0.47 * Math.min(canvas.width, canvas.height);
  const scale = Math.min(200, Math.max(0.5, view.scale * factor));
  view.x += ((x - canvas.width / 2) / unit) * (1 / scale - 1 / view.scale);
  view.y -= ((y - canvas.height / 2) / unit) * (1 / scale - 1 / view.scale);
  view.scale = scale;
  draw();
}

function key(event) {
  const step = 0.1 / view.scale;
  const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
  if (event.key in moves) {
    view.x += moves[event.key][0];
    view.y += moves[event.key][1];
    draw();
  } else if (event.key === "+" || event.key === "=") zoom(1.3);
  else if (event.key === "-") zoom(1 / 1.3);
  else if (event.key === "0") reset();
  else if (event.key === "Enter") attempt(() => open(points.index[nearest(canvas.width / 2, canvas.height / 2)] ?? points.index[0]));
  else return;
  event.preventDefault();
}

function hover(found, event) {
  const box = $("map-hover");
  if (found !== hovered) {
    hovered = found;
    draw();
  }
  box.hidden = found < 0;
  if (found < 0) return;
  const [variable] = $("map-colour").value.split(" "), of = points.of[variable], image = box.querySelector("img");
  image.hidden = !state.run.has_pictures;
  if (!image.hidden) image.src = `api/picture/${points.index[found]}.png`;
  box.querySelector("span").textContent = `${points.index[found]}: ${nameOf(variable, of.prediction[found])}, label ${nameOf(variable, of.label[found])}, entropy ${of.entropy[found].toFixed(2)}`;
  const area = canvas.getBoundingClientRect();
  box.style.left = `${Math.min(event.clientX - area.left + 12, area.width - 190)}px`;
  box.style.top = `${Math.min(event.clientY - area.top + 12, area.height - 130)}px`;
}

function showSelected() {
  const [variable] = $("map-colour").value.split(" "), counts = new Map();
  for (const at of selected) counts.set(points.of[variable].prediction[at], (counts.get(points.of[variable].prediction[at]) || 0) + 1);
  const words = [...counts].sort((a, b) => b[1] - a[1]).map(([k, number]) => `${nameOf(variable, k)} ${number}`).join(", ");
  const some = [...selected].slice(0, 40).map((at) => ({ index: points.index[at], id: "" }));
  list(`${selected.size} selected: ${words}`, some, open);
}

// Examples as buttons that open them.
function list(words, examples, opens) {
  const strip = make("div", { className: "strip" });
  for (const { index, id } of examples) {
    const button = make("button", { type: "button", title: id, textContent: state.run.has_pictures ? "" : id || index });
    button.setAttribute("aria-label", `example ${index} ${id}`.trim());
    if (state.run.has_pictures) button.append(make("img", { src: `api/picture/${index}.png`, alt: "", width: 32, height: 32 }));
    button.addEventListener("click", () => attempt(() => opens(index)));
    strip.append(button);
  }
  $("map-selected").replaceChildren(make("p", { textContent: words }), strip);
}

async function find(text) {
  const asked = (searches += 1);
  unselect();
  const { number, found } = await get(`find?text=${encodeURIComponent(text)}`);
  if (asked !== searches) return; // something else is looked for since
  if (number > 1) list(`${number} found${number > found.length ? `, the first ${found.length}` : ""}`, found, goTo);
  else await goTo(found[0].index);
}

async function goTo(index) {
  const found = points.index.indexOf(index);
  if (found >= 0) {
    view = { scale: Math.max(view.scale, 4), x: -points.x[found], y: -points.y[found] };
    hovered = found;
    draw();
  }
  await open(index);
}

async function open(index) {
  const found = await get(`example/${index}`);
  const style = make("button", { type: "button", textContent: "Make from it" });
  style.addEventListener("click", () => { take(found.positions); location.hash = "make"; });
  const each = make("button", { type: "button", textContent: "Each label" });
  each.addEventListener("click", () => attempt(async () => $("map-example").append(analogies(await get(`analogies/${index}`)))));
  $("map-example").replaceChildren(reading(found, [style, each]));
}
