// Talks to the gateway that served this page, and to nothing else.

/** What went wrong, in the gateway's own words where it has some. */
export class Trouble extends Error {
  constructor(title, detail, retryAfterSeconds) {
    super(detail);
    this.title = title;
    this.detail = detail;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

const PATIENCE_MILLISECONDS = 15_000;

/** Ask, and return the parsed answer; throws Trouble. A session that ended leads back to the log-in page. */
export async function ask(path, body, { method, headers = {} } = {}) {
  const options = { headers: { Accept: "application/json", ...headers }, signal: AbortSignal.timeout(PATIENCE_MILLISECONDS) };
  if (method !== undefined) options.method = method;
  if (body !== undefined) {
    options.method = "POST";
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    const late = error.name === "TimeoutError";
    throw new Trouble(late ? "The gateway is slow" : "The gateway does not answer", "It may be restarting.", undefined);
  }
  if (answer.status === 401) {
    window.location.assign("/login");
    throw new Trouble("Logged out", "Your session has ended.", undefined);
  }
  const document = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const wait = Number(answer.headers.get("Retry-After"));
    throw new Trouble(document.title ?? `Error ${answer.status}`, document.detail ?? "", wait > 0 ? wait : undefined);
  }
  return document;
}
