// The tabs, and what every tab needs first.
import { $, attempt, get, say, state } from "./common.js";
import * as label from "./label.js";
import * as maker from "./make.js";
import * as map from "./map.js";
import * as reader from "./read.js";

const tabs = { map, make: maker, read: reader, label };
const begun = new Set();

export async function refresh() {
  state.run = await get("run");
  const run = state.run;
  document.title = `${run.title}: ${run.data}`;
  $("title").textContent = `${run.title} on ${run.data}`;
  const measured = Object.entries(run.error).map(([name, value]) => `test ${name.replaceAll("_", " ")} ${(100 * value).toFixed(2)} %`).join(", ");
  $("about").textContent = `${run.examples} ${run.noun} in ${run.folder}. ${measured}`;
}

async function show() {
  const name = location.hash.slice(1) in tabs ? location.hash.slice(1) : "map";
  for (const other of Object.keys(tabs)) {
    $(other).hidden = other !== name;
    $(`tab-${other}`).setAttribute("aria-selected", String(other === name));
  }
  await attempt(async () => {
    if (!begun.has(name)) {
      begun.add(name);
      await tabs[name].begin(refresh);
    }
    await tabs[name].show();
  });
}

await attempt(refresh);
if (state.run) {
  addEventListener("hashchange", show);
  await show();
  document.body.dataset.ready = "true";
} else if ($("message").hidden) {
  say("The server is gone: start the command again.");
}
