// Something a page has asked the server for, and how that stands. Kept while the network is gone.

import { read, Refused } from "./api";

export class Asked<T> {
  value = $state.raw<T | null>(null);
  state = $state<"asking" | "waiting" | "away" | "there" | "absent" | "refused">("asking");
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
    read<T>(path, stop.signal, (why) => {
      if (!stop.signal.aborted) this.state = why.status === 503 ? "away" : "waiting";
    }).then(
      (value) => {
        if (stop.signal.aborted) return;
        this.value = value;
        this.state = "there";
      },
      (error: unknown) => {
        if (stop.signal.aborted || !(error instanceof Refused)) return;
        // What is not there any more, or not for this reader, is not shown as if it were.
        if (error.absent) this.value = null;
        this.state = error.absent ? "absent" : "refused";
        this.detail = error.message;
      },
    );
  }

  stop(): void {
    this.#stop.abort();
  }
}
