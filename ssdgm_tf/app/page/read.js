// The reader: a file or a row in, all that the model says of it out.
import { $, analogies, attempt, get, make, nameOf, post, reading, state, upload } from "./common.js";
import { take } from "./make.js";

export async function begin() {
  const drop = $("read-drop");
  $("read-file").addEventListener("change", (event) => event.target.files.length && attempt(() => file(event.target.files[0])));
  for (const name of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover");
      if (name === "drop" && event.dataTransfer.files.length) attempt(() => file(event.dataTransfer.files[0]));
    });
  }
  $("read-index").addEventListener("change", () => attempt(() => index(Number($("read-index").value))));
  $("read-row").addEventListener("submit", (event) => { event.preventDefault(); attempt(row); });
}

export async function show() {
  if (state.run.is_table && !$("read-row").childElementCount) await index(0);
}

async function file(chosen) {
  const found = await upload("read", chosen);
  if (state.run.is_table) form(found.view.cells);
  result(found);
  if (found.analogies) $("read-result").append(analogies(found.analogies));
}

async function index(number) {
  const found = await get(`example/${number}`);
  if (!state.run.is_table) {
    result(found);
    $("read-result").append(analogies(await get(`analogies/${number}`)));
    return;
  }
  form(found.view.cells);
  await row();
}

function form(cells) {
  const box = $("read-row");
  box.hidden = false;
  box.replaceChildren();
  for (const [name, text] of cells) box.append(make("label", {}, name, make("input", { name, value: text, placeholder: "gap" })));
  box.append(make("button", { textContent: "Read the row" }));
}

async function row() {
  const cells = Object.fromEntries([...$("read-row").querySelectorAll("input")].map((input) => [input.name, input.value]));
  result(await post("row", cells));
}

function result(found) {
  const style = make("button", { type: "button", textContent: "Make from it" });
  style.addEventListener("click", () => { take(found.positions); location.hash = "make"; });
  const box = $("read-result");
  box.replaceChildren(reading(found, [style]));
  if (!found.filled) return;
  const table = make("table", {}, make("tr", {}, ...["column", "value", ...state.run.variables.map((name) => `adds to ${nameOf(name, best(found.of[name].probabilities))}`)].map((text) => make("th", { textContent: text }))));
  for (const [name, text, isGap] of found.filled) {
    const line = make("tr", {}, make("td", { textContent: name }), make("td", { textContent: isGap ? `${text} (filled in)` : text, className: isGap ? "gap" : "" }));
    for (const variable of state.run.variables) {
      const adds = (found.of[variable].adds.find(([column]) => column === name) || [])[1];
      line.append(make("td", { textContent: adds === undefined ? "" : adds.toFixed(3), className: adds > 0.01 ? "up" : adds < -0.01 ? "down" : "" }));
    }
    table.append(line);
  }
  box.append(make("h2", { textContent: "Its columns: gaps filled in, and what each adds to the probability" }), table);
}

const best = (probabilities) => probabilities.indexOf(Math.max(...probabilities));
