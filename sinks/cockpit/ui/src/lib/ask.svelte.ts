// Something a page has asked the server for, and how that stands. Kept while the network is gone.

import { read, Refused } from "./api";

export class Asked<T> {
  value = $state.raw<T | null>(null);
  state = $state<"asking" | "waiting" | "there" | "absent" | "refused">("asking");
  detail = $state("");
  #stop = new AbortController();
  #path = "";

  /** Ask for `path`; an answer that comes after another was asked for is dropped. */
  ask(path: string): void {
    this.#stop.abort();
    const stop = (this.#stop = new AbortController());
    if (path !== this.#path) {
      this.value = null;
      this.state = "asking";
    }
    this.#path = path;
    read<T>(path, stop.signal, () => {
      if (!stop.signal.aborted) this.state = "waiting";
    }).then(
      (value) => {
        if (stop.signal.aborted) return;
        this.value = value;
        this.state = "there";
      },
      (error: unknown) => {
        if (stop.signal.aborted || !(error instanceof Refused)) return;
        this.state = error.absent || error.status === 503 ? "absent" : "refused";
        this.detail = error.message;
      },
    );
  }

  stop(): void {
    this.#stop.abort();
  }
}
