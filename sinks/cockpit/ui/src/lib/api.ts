// Requests: JSON in and out, errors as problems, reads that are asked again while the network is gone.

import { session } from "./session.svelte";

export class Refused extends Error {
  constructor(
    readonly status: number,
    detail: string,
    readonly retryAfterS: number | null = null,
  ) {
    super(detail);
  }
  /** Nothing of what this page asked for is served here. */
  get absent(): boolean {
    return [404, 405, 501].includes(this.status);
  }
  /** It may be there a little later: the network is gone, or the server is busy or starting. */
  get passing(): boolean {
    return [0, 429, 502, 503, 504].includes(this.status);
  }
}

const ANSWER_MS = 20_000;

export async function call<T>(path: string, method = "GET", body?: unknown, answerMs = ANSWER_MS): Promise<T> {
  const headers: Record<string, string> = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "GET" && session.csrf) headers["X-CSRF-Token"] = session.csrf;
  let answer: Response;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? null : JSON.stringify(body), credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(answerMs) });
  } catch {
    throw new Refused(0, "");
  }
  if (answer.ok) return (answer.status === 204 ? undefined : await answer.json().catch(() => undefined)) as T;
  const problem = (await answer.json().catch(() => null)) as { detail?: string } | null;
  const after = Number(answer.headers.get("Retry-After"));
  if (answer.status === 401 && path !== "/api/session") session.ended();
  throw new Refused(answer.status, problem?.detail ?? "", Number.isFinite(after) && after > 0 ? after : null);
}

const PAUSES_S = [1, 2, 5, 10, 20, 30];

function pause(seconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, seconds * 1000);
    addEventListener("online", done, { once: true });
    signal.addEventListener("abort", done, { once: true });
  });
}

/** Ask until there is an answer, or a refusal that waiting does not change. `waiting` hears of each vain try. */
export async function read<T>(path: string, signal: AbortSignal, waiting: (why: Refused) => void = () => {}): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await call<T>(path);
    } catch (error) {
      if (!(error instanceof Refused) || !error.passing || signal.aborted) throw error;
      waiting(error);
      await pause(error.retryAfterS ?? PAUSES_S[Math.min(tries, PAUSES_S.length - 1)] ?? 30, signal);
      if (signal.aborted) throw error;
    }
  }
}
