// A plan as a picture: tasks as bars, the critical path marked, below it the use of each resource.

import { svg } from "./dom.js";

const [ROW, BAR, PROFILE, GAP, HEAD] = [24, 14, 46, 14, 26];
const LABEL_CHARACTERS = 30;
const STEPS_DAYS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000];
const FEWEST_DAYS = 3;

/** Draw into `node`; `read` is told of the task or use that a person points at, null when they leave. */
export function draw(node, plan, read) {
  const width = Math.max(680, node.parentElement.clientWidth - 36);
  const left = width < 800 ? 150 : 220;
  const hours = Math.max(plan.makespan_hours, 1e-9);
  const day = plan.calendar.hours_per_day;
  const x = (at) => left + (at / hours) * (width - left - 12);
  const tasks = [...plan.tasks].sort((a, b) => a.start_hours - b.start_hours || a.end_hours - b.end_hours);
  const resources = plan.resources.filter((resource) => resource.peak > 0);
  const foot = HEAD + tasks.length * ROW;
  const height = foot + resources.length * (PROFILE + GAP) + 6;
  node.setAttribute("viewBox", `0 0 ${width} ${height}`);
  node.setAttribute("width", width);
  node.setAttribute("height", height);
  node.setAttribute("aria-label", `Schedule of ${tasks.length} tasks over ${duration(hours, day)}; the run that the API shows holds the same`);
  node.replaceChildren(
    ...ticks(hours, day, x, height),
    ...tasks.flatMap((task, place) => bar(task, HEAD + place * ROW, x, left, read)),
    ...resources.flatMap((resource, place) => profile(resource, foot + (place + 1) * (PROFILE + GAP), x, left, hours, read)),
  );
}

/** `6 h`, `3.5 working days`; a day has so many hours of work. */
export function duration(hours, day) {
  return hours < FEWEST_DAYS * day ? `${trimmed(hours)} h` : `${trimmed(hours / day)} working days`;
}

function trimmed(value) {
  return String(Math.round(value * 10) / 10);
}

function ticks(hours, day, x, height) {
  const unit = hours < FEWEST_DAYS * day ? 1 : day;
  const step = unit * (STEPS_DAYS.find((one) => hours / unit / one <= 12) ?? STEPS_DAYS.at(-1));
  const found = [];
  for (let at = 0; at <= hours; at += step) {
    found.push(svg("line", { class: "grid", x1: x(at), x2: x(at), y1: HEAD - 6, y2: height }));
    found.push(svg("text", { class: "tick", x: x(at), y: HEAD - 11, "text-anchor": at ? "middle" : "start" }, unit === 1 ? `${at} h` : `day ${at / day}`));
  }
  return found;
}

function bar(task, y, x, left, read) {
  const label = task.title.length > LABEL_CHARACTERS ? `${task.title.slice(0, LABEL_CHARACTERS - 1)}…` : task.title;
  const box = svg("rect", {
    class: task.critical ? "task critical" : "task",
    "data-task": task.id,
    x: x(task.start_hours),
    y: y + (ROW - BAR) / 2,
    width: Math.max(2, x(task.end_hours) - x(task.start_hours)),
    height: BAR,
    rx: 3,
  });
  const row = svg(
    "g",
    { class: "row" },
    svg("rect", { class: "hit", x: 0, y, width: x(0) + (x(1) - x(0)) * 1e6, height: ROW }),
    svg("text", { class: "name", x: left - 10, y: y + ROW / 2 + 4, "text-anchor": "end" }, label),
    box,
  );
  row.addEventListener("pointerenter", () => read(taskWords(task)));
  row.addEventListener("pointerleave", () => read(""));
  return [row];
}

function taskWords(task) {
  const needs = Object.entries(task.resources).filter(([, amount]) => amount).map(([name, amount]) => `${amount} ${name}`);
  const critical = task.critical ? ", on the critical path" : "";
  const often = task.criticality === undefined || task.criticality === null ? "" : ` (critical in ${Math.round(task.criticality * 100)} % of the simulations)`;
  return `${task.title}: hour ${trimmed(task.start_hours)} to ${trimmed(task.end_hours)}, ${task.mode}${needs.length ? `, ${needs.join(", ")}` : ""}${critical}${often}`;
}

function profile(resource, floor, x, left, hours, read) {
  const unit = PROFILE / Math.max(resource.capacity, resource.peak, 1e-9);
  const steps = resource.profile.filter((step) => step.used > 0).map((step) => {
    const box = svg("rect", {
      class: "used",
      x: x(step.start_hours),
      y: floor - step.used * unit,
      width: Math.max(1, x(step.end_hours) - x(step.start_hours)),
      height: step.used * unit,
    });
    box.addEventListener("pointerenter", () => read(`${resource.name}: ${step.used} of ${resource.capacity}, hour ${trimmed(step.start_hours)} to ${trimmed(step.end_hours)}`));
    box.addEventListener("pointerleave", () => read(""));
    return box;
  });
  const top = floor - resource.capacity * unit;
  return [
    svg("text", { class: "name", x: left - 10, y: floor - 4, "text-anchor": "end" }, `${resource.name} (of ${resource.capacity})`),
    ...steps,
    svg("line", { class: "capacity", x1: x(0), x2: x(hours), y1: top, y2: top }),
    svg("line", { class: "grid", x1: x(0), x2: x(hours), y1: floor, y2: floor }),
  ];
}
