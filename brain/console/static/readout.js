// What stands under the cursor, in words.

import { el } from "./dom.js";
import { clock, day, decimalsOf, moment, percent, plainPercent, price } from "./format.js";

/** Pairs of name and value for one bar of an answer: a past one, or a step ahead from `history.length` on. */
export function describe(answer, bar) {
  const decimals = decimalsOf(answer.last_price);
  const money = (value) => price(value, decimals);
  if (bar < answer.history.length) {
    const found = answer.history[bar];
    const { rsi_14: rsi, macd } = found.indicators;
    return [
      ["", moment(new Date(found.time))],
      ["O", money(found.open)],
      ["H", money(found.high)],
      ["L", money(found.low)],
      ["C", money(found.close)],
      ["RSI", rsi.toFixed(1)],
      ["MACD", macd.toPrecision(4)],
    ];
  }
  const step = answer.forecast[bar - answer.history.length];
  const range = (level) => step.intervals[level].map(money).join(" – ");
  const time = new Date(step.time);
  return [
    ["", `+${step.step} h · ${day(time)} ${clock(time)}`],
    ["median", `${money(step.median)} (${percent(step.median / answer.last_price - 1)})`],
    ["50 %", range("50")],
    ["80 %", range("80")],
    ["95 %", range("95")],
    ["rise", plainPercent(step.probability_up)],
  ];
}

/** Show them. */
export function show(node, pairs) {
  node.replaceChildren(...pairs.map(([name, value]) => el("span", {}, name ? `${name} ` : "", el("b", {}, value))));
}
