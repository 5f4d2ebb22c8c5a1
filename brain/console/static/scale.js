// From values to pixels, and which values deserve a line.

/** A linear map; `invert` goes back. */
export function linear([d0, d1], [r0, r1]) {
  const slope = (r1 - r0) / (d1 - d0 || 1);
  const map = (value) => r0 + (value - d0) * slope;
  map.invert = (pixel) => d0 + (pixel - r0) / slope;
  return map;
}

/** Round values between two bounds, about `count` of them. */
export function ticks(low, high, count) {
  const raw = (high - low) / Math.max(1, count);
  if (!(raw > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= raw);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) found.push(value);
  return found;
}

/** Smallest and largest of many values, widened by a share of their distance. */
export function extent(values, margin = 0) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const room = (high - low || Math.abs(high) || 1) * margin;
  return [low - room, high + room];
}
