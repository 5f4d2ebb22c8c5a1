// Everything beside the chart: quote, tiles, model, warnings, table, parts.

import { byId, el, svg } from "./dom.js";
import { decimalsOf, moment, percent, plainPercent, price, span } from "./format.js";

const TILES = [1, 6, 24];
const NETWORKS = { lstm: "LSTM", transformer: "Transformer", har: "HAR (statistical baseline)", xgboost: "XGBoost", random_forest: "Random Forest" };

/** Fill every card from an answer. */
export function showAnswer(answer, mlflow) {
  showQuote(answer);
  showTiles(answer);
  showModel(answer, mlflow);
  showTable(answer);
}

/** Age counts on between answers. */
export function showAge(answer) {
  const age = byId("age");
  if (age) age.textContent = span((Date.now() - new Date(answer.as_of)) / 1000);
}

function showQuote(answer) {
  const [exchange, market, pair] = answer.unique_id.split(":");
  byId("symbol").textContent = answer.symbol;
  byId("instrument").textContent = `${pair} · ${exchange} ${market}`;
  byId("price").textContent = price(answer.last_price);
  byId("quote-currency").textContent = pair.split("-")[1];
  const before = answer.history.at(-25)?.close;
  const change = before === undefined ? undefined : answer.last_price / before - 1;
  const node = byId("change");
  node.textContent = change === undefined ? "" : `${percent(change)} in 24 h`;
  node.className = `change ${change >= 0 ? "rise" : "fall"}`;
  const badge = answer.stale ? el("span", { class: "badge", id: "stale" }, "stale data") : el("span", { class: "badge good" }, "live");
  byId("badges").replaceChildren(badge);
  document.title = `${answer.symbol} ${price(answer.last_price)} · AI Orchestration`;
}

/** What is shown is not the answer to the last question. */
export function showOld() {
  byId("board").classList.add("old");
  byId("badges").replaceChildren(el("span", { class: "badge", id: "old" }, "last answer"));
}

function showTiles(answer) {
  const decimals = decimalsOf(answer.last_price);
  const chosen = answer.forecast.filter((step) => TILES.includes(step.step));
  byId("ahead").replaceChildren(
    ...chosen.map((step) => {
      const change = step.median / answer.last_price - 1;
      const [low, high] = step.intervals["80"].map((value) => price(value, decimals));
      return el(
        "div",
        { class: "tile" },
        el("span", { class: "when" }, `+${step.step} h`),
        el("b", {}, price(step.median, decimals)),
        el("span", { class: change >= 0 ? "rise" : "fall" }, percent(change)),
        el("span", { class: "range" }, `80 %: ${low} – ${high}`),
        el("span", { class: "chance" }, chanceBar(step.probability_up), `rise ${plainPercent(step.probability_up)}`),
      );
    }),
  );
}

function chanceBar(share) {
  return svg(
    "svg",
    { viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { class: "track", width: 100, height: 6 }),
    svg("rect", { class: "part", width: share * 100, height: 6 }),
  );
}

function showModel(answer, mlflow) {
  const page = `${mlflow.replace(/\/$/, "")}/#/models/${encodeURIComponent(answer.model)}/versions/${encodeURIComponent(answer.model_version)}`;
  const link = el("a", { href: page, target: "_blank", rel: "noopener noreferrer", id: "model-link" }, `version ${answer.model_version}`);
  const facts = [
    ["Model", answer.model],
    ["Network", NETWORKS[answer.network] ?? answer.network],
    ["In MLflow", link],
    ["Knows bars to", `${moment(new Date(answer.as_of))} UTC`],
    ["Which is", el("span", {}, el("span", { id: "age" }, span(answer.age_seconds)), " ago")],
  ];
  byId("model").replaceChildren(...facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
  byId("warnings").replaceChildren(...answer.warnings.map((warning) => el("li", { "data-code": warning.code }, warning.detail)));
}

function showTable(answer) {
  const decimals = decimalsOf(answer.last_price);
  const range = ([low, high]) => el("td", {}, price(low, decimals), el("span", { class: "to" }, "–"), price(high, decimals));
  byId("rows").replaceChildren(
    ...answer.forecast.map((step) => {
      const change = step.median / answer.last_price - 1;
      return el(
        "tr",
        { "data-step": step.step },
        el("td", {}, `+${step.step} h`),
        el("td", {}, moment(new Date(step.time))),
        el("td", {}, price(step.median, decimals)),
        el("td", { class: change >= 0 ? "rise" : "fall" }, percent(change)),
        range(step.intervals["50"]),
        range(step.intervals["80"]),
        range(step.intervals["95"]),
        el("td", {}, plainPercent(step.probability_up, 1)),
        el("td", {}, plainPercent(step.expected_volatility, 2)),
      );
    }),
  );
}

/** Light up the table's row of a step, or none. */
export function markRow(step) {
  for (const row of byId("rows").children) row.classList.toggle("marked", Number(row.dataset.step) === step);
}

/** The word in the header. */
export function showOverall(state) {
  const words = { up: "all parts up", degraded: "needs a look", down: "not answering" };
  byId("overall").textContent = words[state];
  byId("overall-dot").className = `dot ${state}`;
}

/** Show the parts of the platform, and the worst of them in the header. */
export function showParts(status) {
  showOverall(status.state);
  byId("parts").replaceChildren(
    ...status.parts.map((part) => {
      const version = part.version ? (part.kind === "predictor" ? `${NETWORKS[part.model?.network] ?? ""} v${part.version}`.trim() : part.version) : part.state;
      const about = [part.address.replace(/^https?:\/\//, "")];
      if (part.data) about.push(`data ${span(part.data.age_seconds)} old`);
      if (part.lag !== null) about.push(part.lag ? `${part.lag} events behind` : "up to date");
      if (part.uptime_seconds !== null) about.push(`up ${span(part.uptime_seconds)}`);
      return el(
        "li",
        { "data-part": part.name, "data-state": part.state },
        el("span", { class: `dot ${part.state}`, role: "img", "aria-label": part.state }),
        el("span", {}, part.name),
        el("span", { class: "version" }, version),
        el("small", {}, part.detail && part.state !== "up" ? part.detail : about.filter(Boolean).join(" · ")),
      );
    }),
  );
}

/** The parts cannot be looked at, and why. */
export function showNoParts(trouble) {
  byId("overall").textContent = trouble.title.toLowerCase();
  byId("overall-dot").className = "dot down";
  byId("parts").replaceChildren(el("li", { class: "empty" }, trouble.detail));
}
