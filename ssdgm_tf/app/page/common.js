// What all parts of the page share: requests, messages, and how an example looks.

export const state = { run: null, colours: [] };

const message = document.getElementById("message");

export const $ = (id) => document.getElementById(id);

export function say(text) {
  message.textContent = text || "";
  message.hidden = !text;
}

async function answer(response) {
  const found = await response.json().catch(() => ({ error: `The server answered ${response.status}.` }));
  if (!response.ok) throw new Error(found.error || `The server answered ${response.status}.`);
  return found;
}

export async function get(path) {
  return answer(await fetch(`api/${path}`));
}

export async function post(path, body) {
  return answer(await fetch(`api/${path}`, { method: "POST", body: JSON.stringify(body) }));
}

export async function upload(path, file) {
  return answer(await fetch(`api/${path}?name=${encodeURIComponent(file.name.slice(-100))}`, { method: "POST", body: file }));
}

// Runs an action and shows its error, if it has one.
export async function attempt(action) {
  try {
    say("");
    return await action();
  } catch (error) {
    say(error.message === "Failed to fetch" ? "The server is gone: start the command again." : error.message);
    return null;
  }
}

export function make(name, properties = {}, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

// Text, cells and names only ever become text nodes: no markup of theirs is read.
export function viewOf(view, alt) {
  if (view.kind === "image") return make("img", { className: "view", src: view.src, alt });
  if (view.kind === "row") {
    const table = make("table", { className: "view" });
    for (const [name, text] of view.cells) table.append(make("tr", {}, make("th", { textContent: name }), make("td", { textContent: text })));
    return table;
  }
  return lineOf(view.values, alt);
}

function lineOf(channels, alt) {
  const canvas = make("canvas", { className: "view", width: 320, height: 200 });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", alt);
  const values = channels.flat().filter((value) => value !== null);
  const low = Math.min(...values), high = Math.max(...values), pen = canvas.getContext("2d");
  channels.forEach((line, channel) => {
    pen.strokeStyle = colourOf(channel, channels.length);
    pen.beginPath();
    let down = false;
    line.forEach((value, at) => {
      const x = 5 + (310 * at) / Math.max(1, line.length - 1), y = 195 - (190 * (value - low)) / (high - low || 1);
      if (value !== null) down ? pen.lineTo(x, y) : pen.moveTo(x, y);
      down = value !== null;
    });
    pen.stroke();
  });
  return canvas;
}

const PALETTE = ["#4269d0", "#efb118", "#e0433a", "#4aa8a0", "#3ca951", "#ff8ab7", "#a463f2", "#7fb5f0", "#9c6b4e", "#8a8a94"];

export function colourOf(index, number) {
  return number <= PALETTE.length ? PALETTE[index] : `hsl(${Math.round((360 * index) / number)} 65% 50%)`;
}

export function nameOf(variable, label) {
  if (label === -2) return "none of these";
  return label < 0 ? "unlabelled" : state.run.class_names[variable][label];
}

export function figure(view, caption) {
  return make("figure", {}, viewOf(view, caption), make("figcaption", { textContent: caption }));
}

function probabilities(variable, found) {
  const box = make("div", { className: "probabilities" });
  const order = found.probabilities.map((p, k) => [p, k]).sort((a, b) => b[0] - a[0]).slice(0, 20);
  for (const [p, k] of order) {
    const meter = make("meter", { min: 0, max: 1, value: p });
    meter.setAttribute("aria-label", nameOf(variable, k));
    box.append(make("span", { textContent: nameOf(variable, k) }), meter, make("span", { textContent: p.toFixed(3) }));
  }
  return make("div", {}, make("h2", { textContent: `${variable}: entropy ${found.entropy.toFixed(2)} nats` }), box);
}

// What the model says of an example.
export function reading(found, actions = []) {
  const box = make("div", { className: "reading" });
  box.append(make("div", { className: "pair" }, figure(found.view, found.index === undefined ? "given" : `example ${found.index}${found.id ? `, ${found.id}` : ""}`), figure(found.reconstruction, "reconstruction")));
  for (const [variable, label] of Object.entries(found.labels || {})) box.append(make("p", { textContent: `Label of ${variable}: ${nameOf(variable, label)}` }));
  for (const [variable, of] of Object.entries(found.of)) box.append(probabilities(variable, of));
  if (found.p_value !== undefined) {
    const word = found.p_value <= 0.05 ? "unlike the training data" : "like the training data";
    box.append(make("p", { textContent: `It is ${word}: ${(100 * found.p_value).toFixed(1)} % of known examples are as unusual.` }));
  }
  if (actions.length) box.append(make("div", { className: "bar" }, ...actions));
  if (found.neighbours.length) {
    const variable = state.run.variables[0];
    const strip = make("div", { className: "strip" }, ...found.neighbours.map((one) => figure(one.view, nameOf(variable, one.label))));
    box.append(make("h2", { textContent: "Nearest labelled examples" }), strip);
  }
  return box;
}

export function analogies(found) {
  const strip = make("div", { className: "strip" });
  found.views.forEach((view, label) => strip.append(figure(view, nameOf(found.variable, label))));
  return make("div", {}, make("h2", { textContent: "The same style, with each label" }), strip);
}
