// The maker: labels and style in, an example out.
import { $, attempt, figure, make, nameOf, post, state, viewOf } from "./common.js";

let positions = {}, busy = false, waiting = false, given = null;

export async function begin() {
  const form = $("make-controls");
  form.addEventListener("submit", (event) => event.preventDefault());
  $("make-random").addEventListener("click", () => { positions = random(); build(); });
  $("make-middle").addEventListener("click", () => { positions = {}; build(); });
  $("make-each").addEventListener("click", () => attempt(each));
}

export async function show() {
  if (given) positions = given;
  given = null;
  build();
}

// Takes the style of an example.
export function take(found) {
  given = structuredClone(found);
}

function random() {
  const found = {};
  for (const control of state.run.controls) {
    if (control.kind === "class") found[control.name] = Math.floor(Math.random() * control.classes);
    else if (control.kind === "direction") found[control.name] = direction(2 * Math.PI * Math.random(), Math.asin(2 * Math.random() - 1));
    else found[control.name] = Array.from({ length: control.size }, () => Number(Math.random().toFixed(3)));
  }
  return found;
}

const direction = (turn, height) => [Math.sin(turn) * Math.cos(height), Math.sin(height), Math.cos(turn) * Math.cos(height)];

function build() {
  const form = $("make-controls");
  form.replaceChildren();
  for (const control of state.run.controls) {
    const set = make("fieldset", {}, make("legend", { textContent: control.name }));
    if (control.kind === "class") classes(set, control);
    else if (control.kind === "direction") sphere(set, control);
    else sliders(set, control);
    form.append(set);
  }
  change();
}

function classes(set, control) {
  positions[control.name] ??= 0;
  for (let k = 0; k < control.classes; k++) {
    const names = state.run.class_names[control.name];
    const choice = make("input", { type: "radio", name: control.name, value: k, checked: positions[control.name] === k });
    choice.addEventListener("change", () => { positions[control.name] = k; change(); });
    set.append(make("label", {}, choice, ` ${names ? names[k] : k} `));
  }
}

function sphere(set, control) {
  positions[control.name] ??= [0, 0, 1];
  const [x, y, z] = positions[control.name];
  const at = { turn: Math.atan2(x, z), height: Math.asin(Math.max(-1, Math.min(1, y))) };
  const turned = () => { positions[control.name] = direction(at.turn, at.height); change(); };
  set.append(slider("turn", at.turn, -Math.PI, Math.PI, (value) => { at.turn = value; turned(); }));
  set.append(slider("height", at.height, -Math.PI / 2, Math.PI / 2, (value) => { at.height = value; turned(); }));
}

function sliders(set, control) {
  positions[control.name] ??= new Array(control.size).fill(0.5);
  for (const dimension of control.order) {
    set.append(slider(String(dimension), positions[control.name][dimension], 0, 1, (value) => {
      positions[control.name][dimension] = value;
      change();
    }));
  }
  if (control.order.length < control.size) set.append(make("p", { className: "quiet", textContent: `The ${control.order.length} of ${control.size} dimensions that vary most.` }));
}

function slider(name, value, min, max, changed) {
  const shown = make("output", { textContent: value.toFixed(2) });
  const input = make("input", { type: "range", min, max, step: (max - min) / 200, value });
  input.addEventListener("input", () => { shown.textContent = Number(input.value).toFixed(2); changed(Number(input.value)); });
  return make("label", { className: "slider" }, make("span", { textContent: name }), input, shown);
}

// One request at a time: while one is under way, only the last change waits.
async function change() {
  if (busy) {
    waiting = true;
    return;
  }
  busy = true;
  await attempt(async () => {
    const began = performance.now();
    const found = await post("make", { positions });
    $("make-view").replaceChildren(viewOf(found.views[0], "what the model makes of this"));
    const taken = performance.now() - began;
    $("make-time").textContent = `made in ${taken.toFixed(0)} ms`;
    $("make-view").dataset.milliseconds = taken.toFixed(1);
    $("make-view").dataset.made = String(Number($("make-view").dataset.made || 0) + 1);
  });
  busy = false;
  if (waiting) {
    waiting = false;
    change();
  }
}

async function each() {
  const control = state.run.controls.find((one) => one.kind === "class");
  if (!control) throw new Error("This model makes examples without a class.");
  const found = await post("make", { positions, vary: control.name });
  $("make-row").replaceChildren(...found.views.map((view, k) => figure(view, state.run.class_names[control.name] ? nameOf(control.name, k) : String(k))));
}
