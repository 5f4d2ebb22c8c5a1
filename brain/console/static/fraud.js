// The fraud card: alerts as they are raised, the scores of the last decisions, and whether they still fit the model.

import { ask } from "./api.js";
import { byId, el, svg } from "./dom.js";
import { moment, plainPercent } from "./format.js";

const ALERTS = "/api/v1/fraud/alerts";
const SHOWN = 12;
const DRIFT_SECONDS = 5;
const RECONNECT_SECONDS = 5;
const KINDS = { card: "Cards", network: "Network", crypto: "Crypto accounts" };
const STATES = { stable: "stable", drifted: "drifted", too_few: "too few decisions", unknown: "no reference" };

const alerts = new Map();
let chosen = "card";
let models = [];

/** Follow alerts and drift for as long as the page lives. */
export function watchFraud() {
  listen();
  watchDrift();
}

function listen() {
  const source = new EventSource(ALERTS);
  source.addEventListener("open", () => {
    live(true);
    load(); // what was raised before, or while the connection was away
  });
  for (const name of ["raised", "acknowledged"]) source.addEventListener(name, (event) => take([JSON.parse(event.data)], name === "raised"));
  source.addEventListener("error", () => {
    live(false);
    if (source.readyState === EventSource.CLOSED) window.setTimeout(listen, RECONNECT_SECONDS * 1000);
  });
}

async function load() {
  try {
    take((await ask(`${ALERTS}?limit=${SHOWN}`)).alerts, false);
  } catch (trouble) {
    if (trouble.title === undefined) throw trouble;
    byId("alerts").replaceChildren(el("li", { class: "empty" }, trouble.detail || trouble.title));
  }
}

function live(is) {
  byId("fraud-live").textContent = is ? "live" : "reconnecting";
  byId("fraud-live").className = is ? "badge good" : "badge";
}

function take(found, fresh) {
  for (const alert of found) alerts.set(alert.id, { ...alert, fresh: fresh || alerts.get(alert.id)?.fresh });
  const newest = [...alerts.values()].sort((a, b) => b.sequence - a.sequence);
  for (const old of newest.splice(SHOWN)) alerts.delete(old.id);
  const open = newest.filter((alert) => alert.state === "open").length;
  byId("fraud-open").textContent = newest.length ? `${open} of the last ${newest.length} open` : "";
  byId("alerts").replaceChildren(...(newest.length ? newest.map(item) : [el("li", { class: "empty" }, "No alert has been raised.")]));
}

function item(alert) {
  const done = alert.state === "acknowledged";
  const why = [...alert.rules.map((rule) => reason(rule.text, "rule")), ...alert.reasons.map(bar(alert.reasons))];
  return el(
    "li",
    { "data-alert": alert.id, "data-state": alert.state, class: `alert ${alert.severity}${alert.fresh ? " fresh" : ""}` },
    el(
      "p",
      { class: "what" },
      el("b", {}, amount(alert)),
      el("span", { class: "who" }, subject(alert)),
      el("span", { class: `verdict ${alert.decision}` }, alert.decision),
    ),
    el("p", { class: "when" }, `${moment(new Date(alert.raised_at))} UTC · probability ${plainPercent(alert.probability, 1)} · ${alert.model} v${alert.model_version}`),
    el("ul", { class: "why" }, ...(why.length ? why : [reason("without reasons", "none")])),
    done ? el("p", { class: "done" }, `acknowledged ${moment(new Date(alert.acknowledged_at))} UTC`) : acknowledger(alert),
  );
}

function amount(alert) {
  if (alert.amount_minor === undefined) return KINDS[alert.kind] ?? alert.kind;
  return `${(alert.amount_minor / 100).toLocaleString("en-US", { minimumFractionDigits: 2 })} ${alert.currency ?? ""}`.trim();
}

function subject(alert) {
  return alert.customer_id === undefined ? alert.transaction_id : `${alert.customer_id} at ${alert.terminal_id}`;
}

function reason(text, kind) {
  return el("li", { class: kind }, text);
}

/** A reason with its share of the strongest one. */
function bar(reasons) {
  const most = Math.max(...reasons.map((one) => Math.abs(one.contribution)), 1e-9);
  return ({ text, contribution }) => {
    const width = (Math.abs(contribution) / most) * 100;
    const drawn = svg(
      "svg",
      { viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("rect", { class: "track", width: 100, height: 6, rx: 3 }),
      svg("rect", { class: contribution > 0 ? "for" : "against", width, height: 6, rx: 3 }),
    );
    return el("li", {}, el("span", {}, text), drawn);
  };
}

function acknowledger(alert) {
  const button = el("button", { type: "button", class: "quiet", "aria-label": `Acknowledge the alert on ${subject(alert)}` }, "Acknowledge");
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      take([await ask(`${ALERTS}/${encodeURIComponent(alert.id)}/acknowledge`, {})], false);
    } catch (trouble) {
      if (trouble.title === undefined) throw trouble;
      button.disabled = false;
      button.textContent = `${trouble.title}; try again`;
    }
  });
  return button;
}

async function watchDrift() {
  try {
    ({ models } = await ask("/api/v1/fraud/drift"));
    showDrift();
  } catch (trouble) {
    if (trouble.title === undefined) throw trouble;
    byId("drift").replaceChildren(el("p", { class: "empty" }, trouble.detail || trouble.title));
  }
  window.setTimeout(watchDrift, DRIFT_SECONDS * 1000);
}

function showDrift() {
  const model = models.find((one) => one.kind === chosen) ?? models[0];
  byId("detectors").hidden = models.length < 2;
  byId("detectors").replaceChildren(...models.map(choice));
  if (!model) {
    byId("drift").replaceChildren(el("p", { class: "empty" }, "Nothing has been decided yet."));
    return;
  }
  const counts = ["accept", "review", "decline"].map((name) =>
    el("div", { class: name }, el("dt", {}, name), el("dd", {}, (model.counts[name] ?? 0).toLocaleString("en-US"))),
  );
  byId("drift").replaceChildren(
    el("h3", {}, "Probabilities of the last decisions"),
    histogram(model),
    el("dl", { class: "counts" }, ...counts),
    el("p", { class: `drift-state ${model.state}`, id: "drift-state" }, el("span", { class: "dot" }), driftWords(model)),
    el("ul", { class: "moved" }, ...model.inputs.slice(0, 4).map(moved)),
  );
}

function driftWords(model) {
  const about = `${model.model} v${model.model_version}, ${model.decisions.toLocaleString("en-US")} decisions: ${STATES[model.state]}`;
  return model.score === null ? about : `${about} (score index ${model.score.toFixed(2)})`;
}

function moved(input) {
  return el("li", { class: input.drifted ? "drifted" : "" }, el("span", {}, input.feature), el("b", {}, input.index.toFixed(2)));
}

function choice(model) {
  const button = el("button", { type: "button", class: "quiet", "aria-pressed": String(model.kind === chosen) }, KINDS[model.kind] ?? model.kind);
  button.addEventListener("click", () => {
    chosen = model.kind;
    showDrift();
  });
  return button;
}

/** Probabilities of the last decisions on a scale of roots, since nearly all of them are small. */
function histogram(model) {
  const [width, height, foot] = [300, 110, 16];
  const tallest = Math.max(...model.histogram, 1);
  const step = width / model.histogram.length;
  const bars = model.histogram.map((count, place) => {
    const tall = count ? Math.max(2, Math.sqrt(count / tallest) * (height - foot)) : 0;
    return svg("rect", { class: "score", x: place * step + 1, y: height - foot - tall, width: step - 2, height: tall, rx: 1.5 });
  });
  const marks = [0, 0.5, 1].map((at) =>
    svg("text", { class: "tick", x: at * width, y: height - 2, "text-anchor": at === 0 ? "start" : at === 1 ? "end" : "middle" }, plainPercent(at)),
  );
  return svg(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, class: "scores", role: "img", "aria-label": `Probabilities of fraud of the last ${model.decisions} decisions` },
    svg("line", { class: "grid", x1: 0, x2: width, y1: height - foot, y2: height - foot }),
    ...bars,
    ...marks,
  );
}
