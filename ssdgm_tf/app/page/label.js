// Labelling: one example at a time; each label is on the disk before the next example shows.
import { $, attempt, figure, get, make, nameOf, post, say, state, upload, viewOf } from "./common.js";

const RULES = {
  mixed: "spread, then doubt",
  spread: "spread over the map",
  entropy: "entropy",
  margin: "margin of the two likeliest",
  disagreement: "disagreement of draws",
  random: "chance",
};
const KEYS = "0123456789abcdefghijklmnopqrstuvwxyz";
let queue = [], current = null, variable = 0, busy = false, last = 0, refresh = null, agreed = [], polling = false;

export async function begin(refreshed) {
  refresh = refreshed;
  for (const [rule, words] of Object.entries(RULES)) $("label-rule").append(make("option", { value: rule, textContent: words }));
  $("label-rule").addEventListener("change", () => { queue = []; attempt(next); });
  $("label-skip").addEventListener("click", () => act({ event: "skip" }));
  $("label-none").addEventListener("click", () => act({ event: "none" }));
  $("label-undo").addEventListener("click", undo);
  $("label-class").addEventListener("click", ask);
  $("label-class").disabled = !state.run.takes_new_classes;
  $("label-new").addEventListener("submit", (event) => { event.preventDefault(); add(); });
  $("train-start").addEventListener("click", () => attempt(train));
  $("labels-file").addEventListener("change", (event) => event.target.files.length && attempt(() => importFrom(event.target.files[0])));
  addEventListener("keydown", key);
  watch(await get("training"));
}

export async function show() {
  progress(state.run.progress);
  if (!current) await next();
}

function key(event) {
  if ($("label").hidden || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName)) return;
  const names = classes(), chosen = KEYS.indexOf(event.key.toLowerCase());
  const others = { " ": () => act({ event: "skip" }), "-": () => act({ event: "none" }), Backspace: undo, "+": ask };
  if (event.key in others) others[event.key]();
  else if (event.key.length === 1 && chosen >= 0 && chosen < names.length) act({ event: "label", value: chosen });
  else return;
  event.preventDefault();
}

const classes = () => state.run.class_names[state.run.variables[variable]];

async function next() {
  if (!queue.length) {
    const asked = (last += 1), left_out = current ? [current.index] : [];
    $("label-question").textContent = "Looking for the next examples ...";
    const found = await post("next", { rule: $("label-rule").value, number: 10, left_out });
    if (asked !== last) return; // another rule has been chosen since
    queue = found;
  }
  current = queue.shift() || null;
  variable = current ? unknown(0) : 0;
  draw();
}

// The first variable, from one on, whose label of this example is not known.
function unknown(from) {
  const found = state.run.variables.findIndex((name, at) => at >= from && current.labels[name] === -1);
  return found < 0 ? from : found;
}

function draw() {
  const box = $("label-classes");
  box.replaceChildren();
  if (!current) {
    $("label-question").textContent = "Every example on the map has a label.";
    $("label-view").replaceChildren();
    return;
  }
  const name = state.run.variables[variable];
  $("label-question").textContent = state.run.variables.length > 1 ? `Which ${name}?` : "Which class?";
  $("label-view").replaceChildren(viewOf(current.view, `example ${current.index}`));
  $("label-view").dataset.index = current.index;
  classes().forEach((text, k) => {
    const button = make("button", { type: "button", title: text }, text, " ");
    if (k < KEYS.length) button.append(make("kbd", { textContent: KEYS[k] }));
    button.addEventListener("click", () => act({ event: "label", value: k }));
    box.append(button);
  });
}

async function act(event) {
  if (busy || !current) return;
  busy = true;
  await attempt(async () => {
    const name = state.run.variables[variable], one = current, probabilities = one.of[name];
    taken(await post("act", { ...event, index: one.index, variable: name }));
    const words = event.event === "label" ? nameOf(name, event.value) : event.event === "none" ? "none of these" : "skipped";
    const sure = Math.max(...probabilities), guess = probabilities.indexOf(sure);
    if (event.event === "label") agreed.push([one.index, guess === event.value]);
    const right = agreed.filter(([, is]) => is).length;
    $("label-last").textContent = `${one.index}: ${words}. The model was ${(100 * sure).toFixed(0)} % sure of ${nameOf(name, guess)}; it was right ${right} of ${agreed.length} times here.`;
    const shown = figure(one.view, words);
    shown.dataset.index = one.index;
    $("label-recent").prepend(shown);
    while ($("label-recent").childElementCount > 12) $("label-recent").lastChild.remove();
    if (event.event === "label") one.labels[name] = event.value;
    const following = event.event === "label" ? unknown(variable + 1) : state.run.variables.length;
    if (following < state.run.variables.length && one.labels[state.run.variables[following]] === -1) {
      variable = following;
      draw();
    } else await next();
  });
  busy = false;
}

// What is taken back is the last line of the file, whoever wrote it; its example is asked for again.
async function undo() {
  if (busy) return;
  busy = true;
  await attempt(async () => {
    const found = await post("act", { event: "undo" }), undone = found.undone;
    taken(found);
    $("label-last").textContent = `Taken back: ${undone.event} of ${undone.name ?? undone.index}.`;
    if (undone.event !== "class") {
      $("label-recent").querySelector(`[data-index="${undone.index}"]`)?.remove();
      if (agreed.length && agreed.at(-1)[0] === undone.index) agreed.pop();
      const example = await get(`example/${undone.index}`);
      const of = Object.fromEntries(Object.entries(example.of).map(([name, one]) => [name, one.probabilities]));
      if (current && current.index !== undone.index) queue.unshift(current);
      current = { ...example, of };
      variable = Math.max(0, state.run.variables.indexOf(undone.variable));
    }
    draw();
  });
  busy = false;
}

function taken(done) {
  state.run.class_names = done.class_names;
  progress(done.progress);
}

function ask() {
  if ($("label-class").disabled) return;
  $("label-new").hidden = false;
  $("label-name").focus();
}

async function add() {
  await attempt(async () => {
    const name = state.run.variables[variable];
    taken(await post("act", { event: "class", variable: name, name: $("label-name").value }));
    $("label-name").value = "";
    $("label-new").hidden = true;
    $("label-name").blur();
    draw();
  });
}

function progress(of) {
  const errors = Object.entries(of.expected_error).map(([name, value]) => `${(100 * value).toFixed(1)} %${state.run.variables.length > 1 ? ` of ${name}` : ""}`);
  const also = [of.none ? `${of.none} of none of the classes` : "", of.skipped ? `${of.skipped} skipped` : ""].filter(Boolean).join(", ");
  $("label-progress").textContent = `${of.given} ${of.given === 1 ? "label" : "labels"} given here, ${of.before} from before${also ? `, ${also}` : ""}. ${errors.length ? `The model expects to be wrong on ${errors.join(", ")} of the others.` : ""}`;
  $("label-progress").dataset.given = of.given;
}

async function importFrom(file) {
  const found = await upload("labels", file);
  taken(found);
  $("label-last").textContent = `${found.taken} labels taken from ${file.name}.`;
  queue = [];
  await next();
}

async function train() {
  watch(await post("train", {}));
}

// Shows how far a training is, until it is done.
async function watch(found) {
  const isNew = found.running && !found.after;
  paint(found);
  if (!found.running || polling) return;
  polling = true;
  let isRead = !isNew;
  while (found.running) {
    await new Promise((wake) => setTimeout(wake, 400));
    found = await get("training").catch((error) => ({ ...found, line: `no answer: ${error.message}` }));
    if (found.after && !isRead) {
      isRead = true;
      queue = []; // the example in front of the person stays
      await attempt(refresh);
    }
    paint(found);
  }
  polling = false;
}

function paint(found) {
  const percent = (of) => Object.values(of || {}).map((value) => `${(100 * value).toFixed(2)} %`).join(", ");
  const isDone = Boolean(found.after);
  $("train-start").disabled = found.running;
  $("train-progress").hidden = !found.running || isDone;
  $("train-progress").value = found.percent;
  const report = found.running ? " The report is being drawn." : "";
  $("train-line").textContent = isDone ? `Test error before: ${percent(found.before)}; after: ${percent(found.after)}.${report}` : found.line;
  $("train-line").dataset.state = found.running && !isDone ? "running" : isDone ? "done" : "";
  if (found.failed) say(`Training stopped: ${found.failed}. "Train on" goes on with it.`);
}
