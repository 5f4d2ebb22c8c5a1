// Runs: the list of the last ones, and one that is watched as it goes.

import { ask } from "./api.js";
import { byId, el } from "./dom.js";
import { moment, span } from "./format.js";

const RUNS = "/api/v1/runs";
const SHOWN = 12;
const LIST_SECONDS = 3;
const RECONNECT_SECONDS = 3;
const ENDED = ["succeeded", "failed", "cancelled"];
const TONES = { succeeded: "good", failed: "bad", cancelled: "bad", outcome_unknown: "bad" };

let watched = "";
let source = null;
let onEnd = () => {};

/** Keep the list fresh; `open` is called with the id of a run that a person chooses. */
export async function watchRuns(open) {
  try {
    const { runs } = await ask(`${RUNS}?limit=${SHOWN}`);
    byId("runs").replaceChildren(...(runs.length ? runs.map((run) => row(run, open)) : [el("li", { class: "empty" }, "No run yet.")]));
  } catch (trouble) {
    if (trouble.title === undefined) throw trouble;
    byId("runs").replaceChildren(el("li", { class: "empty" }, trouble.detail || trouble.title));
  }
  window.setTimeout(() => watchRuns(open), LIST_SECONDS * 1000);
}

/** Follow one run until it ends; `ended` is called with it then, at once where it has ended already. */
export async function follow(id, ended = () => {}) {
  source?.close();
  watched = id;
  onEnd = ended;
  byId("run").hidden = false;
  const run = await refresh();
  if (run && !ENDED.includes(run.state)) listen(id);
}

/** What a run says of itself in one word or two. */
export function badge(run) {
  return el("span", { class: `badge ${TONES[run.state] ?? ""}` }, run.state);
}

function listen(id) {
  source = new EventSource(`${RUNS}/${encodeURIComponent(id)}/events`);
  const names = ["claimed", "progress", "cancelling", "released", ...ENDED];
  for (const name of names) source.addEventListener(name, refresh);
  source.addEventListener("error", () => {
    // The stream ends after the last event; a browser would connect again for ever.
    if (watched !== id) return;
    source.close();
    window.setTimeout(async () => {
      const run = watched === id ? await refresh() : null;
      if (run && !ENDED.includes(run.state)) listen(id);
    }, RECONNECT_SECONDS * 1000);
  });
}

async function refresh() {
  const id = watched;
  try {
    const run = await ask(`${RUNS}/${encodeURIComponent(id)}`);
    if (id !== watched) return null;
    show(run);
    if (ENDED.includes(run.state)) {
      source?.close();
      const ended = onEnd;
      onEnd = () => {};
      ended(run);
    }
    return run;
  } catch (trouble) {
    if (trouble.title === undefined) throw trouble;
    byId("run-tasks").replaceChildren(el("li", { class: "empty" }, trouble.detail || trouble.title));
    return null;
  }
}

function show(run) {
  byId("run").dataset.run = run.id;
  byId("run").dataset.state = run.state;
  byId("run-title").textContent = `${run.kind} ${run.id}`;
  byId("run-state").textContent = run.reason ? `${run.state}: ${run.reason}` : run.state;
  byId("run-state").className = `badge ${TONES[run.state] ?? ""}`;
  const { done, total } = run.progress;
  if (ENDED.includes(run.state)) byId("run-progress").value = byId("run-progress").max = Math.max(1, total ?? 1);
  else if (total) [byId("run-progress").max, byId("run-progress").value] = [total, done];
  else byId("run-progress").removeAttribute("value");
  button("cancel", !ENDED.includes(run.state) && run.state !== "cancelling", () => ask(`${RUNS}/${encodeURIComponent(run.id)}`, undefined, { method: "DELETE" }));
  button("retry", Boolean(run.links.retry), async () => follow((await ask(`${RUNS}/${encodeURIComponent(run.id)}/retry`, {})).id));
  byId("run-tasks").replaceChildren(...run.tasks.map(task));
}

function button(id, shown, act) {
  const node = byId(id);
  node.hidden = !shown;
  node.onclick = async () => {
    node.disabled = true;
    try {
      await act();
      await refresh();
    } catch (trouble) {
      if (trouble.title === undefined) throw trouble;
      node.title = trouble.detail || trouble.title;
    } finally {
      node.disabled = false;
    }
  };
}

function task(one) {
  const took = one.started_at && one.finished_at ? span((new Date(one.finished_at) - new Date(one.started_at)) / 1000) : "";
  const about = [one.type, one.reused ? "reused" : took, one.attempt > 1 ? `${one.attempt} attempts` : ""].filter(Boolean).join(" · ");
  return el(
    "li",
    { class: one.state, "data-task": one.id },
    el("span", { class: "dot" }),
    el("b", {}, one.id),
    el("span", { class: "soft" }, about),
    el("span", { class: "state" }, one.state),
    ...(one.error ? [el("small", {}, one.error.detail ?? one.error.title ?? "")] : []),
  );
}

function row(run, open) {
  const name = typeof run.message === "string" && run.message ? run.message : run.kind;
  const { done, total } = run.progress;
  const far = total ? `${done} of ${total} ${run.progress.unit}` : run.progress.message;
  const chosen = el("button", { type: "button", class: "quiet", "data-open": run.id }, name);
  chosen.addEventListener("click", () => open(run.id));
  return el(
    "li",
    { "data-state": run.state },
    chosen,
    badge(run),
    el("span", { class: "soft" }, run.reason),
    el("span", { class: "soft" }, far),
    el("time", { class: "soft", datetime: run.created_at }, `${moment(new Date(run.created_at))} UTC`),
  );
}
