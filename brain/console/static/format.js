// Numbers and times as people read them. Times are UTC, as the exchange counts its bars.

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Decimals that tell neighbouring prices of this size apart. */
export function decimalsOf(price) {
  const size = Math.abs(price);
  if (size >= 1000) return 2;
  if (size >= 100) return 3;
  if (size >= 1) return 4;
  return size >= 0.01 ? 5 : 8;
}

export function price(value, decimals = decimalsOf(value)) {
  return value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

export function percent(share, decimals = 2) {
  const sign = share > 0 ? "+" : share < 0 ? "−" : "";
  return `${sign}${Math.abs(share * 100).toFixed(decimals)} %`;
}

export function plainPercent(share, decimals = 0) {
  return `${(share * 100).toFixed(decimals)} %`;
}

export function clock(date) {
  return `${String(date.getUTCHours()).padStart(2, "0")}:${String(date.getUTCMinutes()).padStart(2, "0")}`;
}

export function day(date) {
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
}

export function moment(date) {
  return `${day(date)} ${clock(date)}`;
}

/** `3 min`, `2 h 05 min`, `41 days`. */
export function span(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${Math.floor(hours / 24).toLocaleString("en-US")} days`;
}
