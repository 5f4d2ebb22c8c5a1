// The forecast as a picture: candles and a fan of intervals above, RSI and MACD below, one time axis for all.
//
// Positions along time are in bars: bar i of n past ones covers [i, i + 1], so that the last close stands at n and the
// close of the step h bars ahead at n + h.

import { svg } from "./dom.js";
import { clock, day, decimalsOf, price } from "./format.js";
import { extent, linear, ticks } from "./scale.js";

const RIGHT = 74;
const BOTTOM = 24;
const GAP = 22;
const TOP = 26;
const NARROW = 560;
const TAG_HEIGHT = 19;

/**
 * Draw an answer of `/api/v1/crypto/predict` and return how to find bars in the picture.
 *
 * @param {SVGElement} root where to draw; emptied first
 * @param {object} answer the gateway's
 * @param {{width: number, height: number}} size in pixels
 */
export function draw(root, answer, size) {
  const frame = layout(answer, size);
  root.replaceChildren();
  root.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
  root.append(...timeAxis(answer, frame), ...pricePanel(answer, frame), ...rsiPanel(answer, frame), ...macdPanel(answer, frame));
  const cross = svg("g", { class: "cursor" });
  root.append(cross);
  return {
    bars: frame.past + frame.ahead,
    /** Which bar is under a pixel: below `past` a past one, from there on steps ahead. */
    at: (pixel) => {
      const place = frame.x.invert(pixel);
      const found = place < frame.past ? Math.floor(place) : frame.past + Math.round(place - frame.past) - 1;
      return Math.min(frame.past + frame.ahead - 1, Math.max(0, found));
    },
    /** Mark a bar, or none. */
    mark: (bar) => cross.replaceChildren(...(bar === null ? [] : cursor(answer, frame, bar))),
  };
}

function layout(answer, { width, height }) {
  const right = width < NARROW ? 62 : RIGHT;
  const past = answer.history.length;
  const ahead = answer.forecast.length;
  const usable = height - TOP - BOTTOM - 2 * GAP;
  const small = Math.round(usable * 0.17);
  const panels = [
    { top: TOP, bottom: TOP + usable - 2 * small },
    { top: TOP + usable - 2 * small + GAP, bottom: TOP + usable - small + GAP },
    { top: TOP + usable - small + 2 * GAP, bottom: TOP + usable + 2 * GAP },
  ];
  return { past, ahead, panels, left: 2, right: width - right, width, height, x: linear([0, past + ahead], [2, width - right]) };
}

function timeAxis(answer, frame) {
  const start = new Date(answer.history[0]?.time ?? answer.as_of);
  const stepMilliseconds = new Date(answer.forecast[0].time) - new Date(answer.as_of);
  const pixelsPerBar = (frame.right - frame.left) / (frame.past + frame.ahead);
  const every = [3, 6, 12, 24, 48].find((bars) => bars * pixelsPerBar >= 64) ?? 96;
  const nodes = [
    svg("rect", { class: "future", x: frame.x(frame.past), y: 0, width: frame.right - frame.x(frame.past), height: frame.panels[2].bottom }),
  ];
  for (let bar = 0; bar <= frame.past + frame.ahead; bar += 1) {
    const time = new Date(start.getTime() + bar * stepMilliseconds);
    const hours = Math.round(time.getTime() / stepMilliseconds);
    if (hours % every !== 0) continue;
    const midnight = time.getUTCHours() === 0;
    const x = frame.x(bar);
    nodes.push(svg("line", { class: "grid soft", x1: x, x2: x, y1: TOP, y2: frame.panels[2].bottom }));
    if (x > 18 && x < frame.right - 10) {
      const label = midnight ? day(time) : clock(time);
      nodes.push(svg("text", { class: midnight ? "tick day" : "tick", x, y: frame.height - 6, "text-anchor": "middle" }, label));
    }
  }
  const now = frame.x(frame.past);
  nodes.push(svg("line", { class: "now", x1: now, x2: now, y1: TOP, y2: frame.panels[2].bottom }));
  return nodes;
}

function horizontal(frame, panel, scale, values, label, taken = []) {
  return values.flatMap((value) => {
    const y = scale(value);
    if (y < panel.top - 1 || y > panel.bottom + 1) return [];
    const line = svg("line", { class: "grid", x1: frame.left, x2: frame.right, y1: y, y2: y });
    if (taken.some((other) => Math.abs(other - y) < TAG_HEIGHT)) return [line];
    return [line, svg("text", { class: "tick", x: frame.right + 8, y: y + 4 }, label(value))];
  });
}

function pricePanel(answer, frame) {
  const panel = frame.panels[0];
  const widest = answer.forecast.map((step) => step.intervals["95"]);
  const [low, high] = extent([...answer.history.flatMap((bar) => [bar.low, bar.high]), ...widest.flat(), answer.last_price], 0.05);
  const y = linear([low, high], [panel.bottom, panel.top]);
  frame.y = y;
  const decimals = Math.min(decimalsOf(answer.last_price), high - low > 50 ? 0 : 8);
  const lastY = y(answer.last_price);
  const finalMedian = answer.forecast.at(-1).median;
  const apart = Math.abs(y(finalMedian) - lastY) > TAG_HEIGHT;
  const values = ticks(low, high, Math.max(3, (panel.bottom - panel.top) / 62));
  const nodes = horizontal(frame, panel, y, values, (v) => price(v, decimals), apart ? [lastY, y(finalMedian)] : [lastY]);
  nodes.push(...["95", "80", "50"].map((level) => fan(answer, frame, y, level)));
  nodes.push(...candles(answer, frame, y));
  nodes.push(svg("line", { class: "last", x1: frame.left, x2: frame.right, y1: lastY, y2: lastY }));
  nodes.push(svg("path", { class: "median", d: path([[frame.past, answer.last_price], ...answer.forecast.map((s) => [frame.past + s.step, s.median])], frame.x, y) }));
  if (apart) nodes.push(tag(frame, y(finalMedian), price(finalMedian, decimals), "tag ahead"));
  nodes.push(tag(frame, lastY, price(answer.last_price, decimals), "tag"));
  return nodes;
}

function fan(answer, frame, y, level) {
  const start = [frame.past, answer.last_price];
  const upper = answer.forecast.map((step) => [frame.past + step.step, step.intervals[level][1]]);
  const lower = answer.forecast.map((step) => [frame.past + step.step, step.intervals[level][0]]);
  return svg("path", { class: `fan fan${level}`, "data-level": level, d: `${path([start, ...upper, ...lower.reverse()], frame.x, y)}Z` });
}

function candles(answer, frame, y) {
  const width = Math.max(1, (frame.x(1) - frame.x(0)) * 0.66);
  return answer.history.map((bar, index) => {
    const middle = Math.round(frame.x(index + 0.5)) + 0.5;
    const top = y(Math.max(bar.open, bar.close));
    const body = Math.max(1, y(Math.min(bar.open, bar.close)) - top);
    const kind = bar.close >= bar.open ? "candle up" : "candle down";
    return svg(
      "g",
      { class: kind },
      svg("line", { x1: middle, x2: middle, y1: y(bar.high), y2: y(bar.low) }),
      svg("rect", { x: middle - width / 2, y: top, width, height: body, stroke: "none" }),
    );
  });
}

function rsiPanel(answer, frame) {
  const panel = frame.panels[1];
  const y = linear([0, 100], [panel.bottom, panel.top]);
  const points = answer.history.map((bar, index) => [index + 1, bar.indicators.rsi_14]);
  return [
    svg("rect", { class: "zone", x: frame.left, y: y(70), width: frame.right - frame.left, height: y(30) - y(70) }),
    ...horizontal(frame, panel, y, [30, 70], (value) => String(value)),
    svg("text", { class: "panel-name", x: frame.left + 4, y: panel.top - 5 }, "RSI 14"),
    svg("path", { class: "line one rsi", d: path(points, frame.x, y) }),
  ];
}

function macdPanel(answer, frame) {
  const panel = frame.panels[2];
  const bars = answer.history.map((bar) => bar.indicators);
  const reach = Math.max(1e-12, ...bars.flatMap((b) => [b.macd, b.macd_signal, b.macd_histogram].map(Math.abs)));
  const y = linear([-reach * 1.08, reach * 1.08], [panel.bottom, panel.top]);
  const width = Math.max(1, (frame.x(1) - frame.x(0)) * 0.66);
  const histogram = bars.map((bar, index) => {
    const value = bar.macd_histogram;
    const top = Math.min(y(0), y(value));
    const attributes = { x: frame.x(index + 0.5) - width / 2, y: top, width, height: Math.max(0.5, Math.abs(y(value) - y(0))) };
    return svg("rect", { class: value >= 0 ? "bar up" : "bar down", ...attributes });
  });
  const line = (name) => path(bars.map((bar, index) => [index + 1, bar[name]]), frame.x, y);
  return [
    ...horizontal(frame, panel, y, [0], () => "0"),
    svg("text", { class: "panel-name", x: frame.left + 4, y: panel.top - 5 }, "MACD 12 26 9"),
    ...histogram,
    svg("path", { class: "line one macd", d: line("macd") }),
    svg("path", { class: "line two", d: line("macd_signal") }),
  ];
}

function cursor(answer, frame, bar) {
  const ahead = bar >= frame.past;
  const x = ahead ? frame.x(bar + 1) : frame.x(bar + 0.5);
  const nodes = [svg("line", { class: "cross", x1: x, x2: x, y1: TOP, y2: frame.panels[2].bottom })];
  if (ahead) nodes.push(svg("circle", { class: "knob", cx: x, cy: frame.y(answer.forecast[bar - frame.past].median), r: 5 }));
  return nodes;
}

function tag(frame, y, text, kind) {
  const width = frame.width - frame.right - 2;
  return svg(
    "g",
    { class: kind },
    svg("rect", { x: frame.right + 2, y: y - 9, width, height: 18, rx: 4 }),
    svg("text", { x: frame.right + 8, y: y + 4 }, text),
  );
}

function path(points, x, y) {
  return points.map(([a, b], index) => `${index ? "L" : "M"}${x(a).toFixed(1)} ${y(b).toFixed(1)}`).join("");
}
