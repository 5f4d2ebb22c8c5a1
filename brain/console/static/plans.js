// The page of plans: asks for one, draws it, hands it to execution, and watches runs.

import { ask } from "./api.js";
import { showOverall } from "./cards.js";
import { byId, el } from "./dom.js";
import { plainPercent } from "./format.js";
import { draw, duration } from "./gantt.js";
import { follow, watchRuns } from "./runs.js";
import { watchTheme } from "./theme.js";

const STRATEGIZE = "/api/v1/l20/strategize";
const STATUS_SECONDS = 5;

let shown = null;

async function plan(event) {
  event.preventDefault();
  const given = new FormData(byId("ask"));
  const constraints = { resources: {} };
  if (given.get("budget") !== "") constraints.budget = Number(given.get("budget"));
  if (given.get("timeline").trim() !== "") constraints.timeline = given.get("timeline").trim();
  for (const name of ["cpu", "gpu"]) if (given.get(name) !== "") constraints.resources[name] = Number(given.get(name));
  byId("go").disabled = true;
  say("Planning …");
  try {
    const run = await ask(STRATEGIZE, { objective: given.get("objective"), constraints }, { headers: { Prefer: "respond-async" } });
    open(run.id);
    trouble(null);
  } catch (error) {
    if (error.title === undefined) throw error;
    trouble(error);
    say("");
  } finally {
    byId("go").disabled = false;
  }
}

/** Watch a run; where it is a plan, draw it once it is there. */
function open(id) {
  window.history.replaceState(null, "", `#${id}`);
  byId("plan").hidden = true;
  follow(id, (run) => {
    say("");
    if (run.kind !== "plan") return;
    if (run.state === "succeeded") show(run.id, run.result);
    else trouble({ title: `The plan ${run.state}`, detail: run.reason });
  });
}

function show(id, found) {
  shown = found;
  const solved = found.tasks.length > 0;
  byId("plan").hidden = false;
  byId("plan").dataset.status = found.status;
  byId("plan-title").textContent = found.objective;
  byId("plan-badges").replaceChildren(
    el("span", { class: found.status === "optimal" ? "badge good" : "badge" }, found.status),
    ...found.playbooks.map((playbook) => el("span", { class: "badge plain" }, playbook.title)),
  );
  byId("plan-facts").replaceChildren(...(solved ? facts(found) : []));
  byId("gantt").toggleAttribute("hidden", !solved);
  if (solved) redraw();
  showCollisions(found.infeasible);
  byId("plan-warnings").replaceChildren(...found.warnings.map((one) => el("li", {}, one.detail)));
  const button = byId("execute");
  button.hidden = found.executed !== null || !found.tasks.some((task) => task.executable);
  button.onclick = () => execute(id, button);
}

function facts(found) {
  const money = (minor) => `${(minor / 100).toLocaleString("en-US", { maximumFractionDigits: 0 })} ${found.currency}`;
  const { on_time: onTime, within_budget: withinBudget, makespan_hours: spread } = found.risk;
  const time = (hours) => duration(hours, found.calendar.hours_per_day);
  const proof = found.gap ? `at least ${time(boundHours(found))}` : "proven shortest";
  return [
    fact("Duration", time(found.makespan_hours), found.objective_function === "makespan" ? proof : ""),
    fact("Cost", money(found.cost_minor), found.constraints.budget_minor === null ? "" : `of ${money(found.constraints.budget_minor)}`),
    fact("In time", chance(onTime), `p80 ${time(spread.p80)}`),
    fact("Within budget", chance(withinBudget), range(withinBudget)),
    fact("Tasks", String(found.tasks.length), `${found.critical_path.length} on the critical path`),
  ];
}

function boundHours(found) {
  return found.makespan_hours * (1 - found.gap);
}

function chance(found) {
  return found === null ? "–" : plainPercent(found.probability);
}

function range(found) {
  return found === null ? "" : `${plainPercent(found.low, 1)} to ${plainPercent(found.high, 1)}`;
}

function fact(name, value, more) {
  return el("div", {}, el("dt", {}, name), el("dd", {}, value), el("small", {}, more));
}

function showCollisions(infeasible) {
  const node = byId("collisions");
  node.hidden = infeasible === null;
  if (infeasible === null) return;
  node.replaceChildren(
    el("h3", {}, "This cannot be done as it stands"),
    el("ul", {}, ...infeasible.collisions.map((text) => el("li", {}, text))),
    el("h3", {}, "Any one of these would make it possible"),
    el("ul", {}, ...infeasible.changes.map((change) => el("li", {}, change.text))),
  );
}

async function execute(id, button) {
  button.disabled = true;
  try {
    const run = await ask(`/api/v1/l20/plans/${encodeURIComponent(id)}/execute`, {});
    button.hidden = true;
    follow(run.id);
  } catch (error) {
    if (error.title === undefined) throw error;
    trouble(error);
  } finally {
    button.disabled = false;
  }
}

function redraw() {
  if (shown?.tasks.length && !byId("plan").hidden) draw(byId("gantt"), shown, (words) => (byId("plan-readout").textContent = words));
}

function trouble(error) {
  byId("trouble").hidden = error === null;
  byId("trouble-title").textContent = error?.title ?? "";
  byId("trouble-detail").textContent = error?.detail ?? "";
}

function say(words) {
  byId("said").textContent = words;
}

async function watchOverall() {
  try {
    showOverall((await ask("/status")).state);
  } catch (error) {
    if (error.title === undefined) throw error;
    showOverall("down");
  }
  window.setTimeout(watchOverall, STATUS_SECONDS * 1000);
}

watchTheme(byId("theme"));
byId("ask").addEventListener("submit", plan);
new ResizeObserver(redraw).observe(byId("plan"));
if (window.location.hash.length > 1) open(decodeURIComponent(window.location.hash.slice(1)));
watchRuns(open);
watchOverall();
