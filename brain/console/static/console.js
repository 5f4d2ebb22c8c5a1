// The page: chooses a coin, keeps its forecast and the parts fresh, shows trouble and goes on trying.

import { ask } from "./api.js";
import { markRow, showAge, showAnswer, showNoParts, showOld, showParts } from "./cards.js";
import { draw } from "./chart.js";
import { byId, el } from "./dom.js";
import { watchFraud } from "./fraud.js";
import { describe, show } from "./readout.js";
import { watchTheme } from "./theme.js";

const FORECAST_SECONDS = 30;
const STATUS_SECONDS = 5;
const LONGEST_PAUSE_SECONDS = 30;
const SPANS = [24, 48, 96, 168];

const { timeframe, mlflow } = document.body.dataset;
const state = { symbol: "", bars: window.innerWidth < 700 ? 48 : 96, answer: null, picture: null, bar: null, failures: 0, asked: 0, timer: 0 };

function choices(field, name, values, label, chosen, choose) {
  const nodes = values.map((value) => {
    const input = el("input", { type: "radio", name, value, checked: value === chosen });
    input.addEventListener("change", () => choose(value));
    return el("label", {}, input, el("span", {}, label(value)));
  });
  field.replaceChildren(field.querySelector("legend"), ...nodes);
}

async function chooseCoins() {
  const { timeframes } = await ask("/api/v1/crypto/symbols");
  const symbols = timeframes.find((offer) => offer.timeframe === timeframe)?.symbols ?? [];
  const wanted = decodeURIComponent(window.location.hash.slice(1)).toUpperCase();
  const first = ["BTC", "ETH"].find((symbol) => symbols.includes(symbol)) ?? symbols[0];
  state.symbol = symbols.includes(wanted) ? wanted : first;
  choices(byId("coins"), "coin", symbols, String, state.symbol, (symbol) => {
    state.symbol = symbol;
    window.history.replaceState(null, "", `#${symbol}`);
    state.bar = null;
    refresh();
  });
}

async function refresh() {
  window.clearTimeout(state.timer);
  const turn = (state.asked += 1);
  byId("overall-dot").classList.add("pulse");
  let pause = FORECAST_SECONDS;
  try {
    if (!state.symbol) await chooseCoins();
    const body = { symbol: state.symbol, timeframe, prediction_horizon: 24, history_bars: state.bars };
    const answer = await ask("/api/v1/crypto/predict", body);
    if (turn !== state.asked) return; // another coin was chosen meanwhile
    state.answer = answer;
    state.failures = 0;
    byId("trouble").hidden = true;
    byId("board").classList.remove("old");
    showAnswer(answer, mlflow);
    redraw();
  } catch (trouble) {
    if (turn !== state.asked) return;
    if (trouble.title === undefined) throw trouble;
    state.failures += 1;
    pause = Math.min(LONGEST_PAUSE_SECONDS, Math.max(trouble.retryAfterSeconds ?? 2, 2 ** Math.min(state.failures, 5)));
    showTrouble(trouble, pause);
  }
  state.timer = window.setTimeout(refresh, pause * 1000);
}

function showTrouble(trouble, pause) {
  byId("trouble-title").textContent = trouble.title;
  byId("trouble-detail").textContent = trouble.detail;
  byId("trouble-again").textContent = `Trying again in ${pause} s${state.answer ? `; below is the last answer, for ${state.answer.symbol}` : ""}.`;
  byId("trouble").hidden = false;
  byId("waiting").textContent = state.answer ? "" : "No forecast yet.";
  if (state.answer) showOld();
}

function redraw() {
  const { answer } = state;
  if (!answer || answer.history.length === 0) return;
  const chart = byId("chart");
  byId("waiting").hidden = true;
  chart.dataset.symbol = answer.symbol;
  const plot = byId("plot");
  state.picture = draw(plot, answer, { width: plot.clientWidth, height: plot.clientHeight });
  point(state.bar);
}

/** Move the cursor to a bar; null leaves, and the read-out tells the last step. */
function point(bar) {
  const { answer, picture } = state;
  if (!picture) return;
  state.bar = bar === null ? null : Math.min(picture.bars - 1, Math.max(0, bar));
  picture.mark(state.bar);
  const shown = state.bar ?? picture.bars - 1;
  show(byId("readout"), describe(answer, shown));
  markRow(state.bar === null ? null : state.bar - answer.history.length + 1);
}

function watchChart() {
  const chart = byId("chart");
  chart.addEventListener("pointermove", (event) => {
    if (state.picture) point(state.picture.at(event.clientX - chart.getBoundingClientRect().left));
  });
  chart.addEventListener("pointerleave", () => point(null));
  chart.addEventListener("blur", () => point(null));
  chart.addEventListener("keydown", (event) => {
    if (!state.picture) return;
    const from = state.bar ?? state.answer.history.length - 1;
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: state.picture.bars - 1 }[event.key];
    if (event.key === "Escape") point(null);
    if (to === undefined) return;
    event.preventDefault();
    point(to);
  });
  new ResizeObserver(redraw).observe(chart);
}

async function watchParts() {
  try {
    showParts(await ask("/status"));
  } catch (trouble) {
    if (trouble.title === undefined) throw trouble;
    showNoParts(trouble);
  }
  window.setTimeout(watchParts, STATUS_SECONDS * 1000);
}

watchTheme(byId("theme"));
watchChart();
choices(byId("spans"), "span", SPANS, (bars) => (bars < 48 ? `${bars} h` : `${bars / 24} d`), state.bars, (bars) => {
  state.bars = bars;
  refresh();
});
refresh();
watchParts();
watchFraud();
window.setInterval(() => state.answer && showAge(state.answer), 1000);
