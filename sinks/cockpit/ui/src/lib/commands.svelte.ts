// What a person decides, on its way: sent under an id of its own until the journal has it, then followed to its outcome.

import { call, Refused } from "./api";
import { feed } from "./feed.svelte";
import { session } from "./session.svelte";
import { t, word } from "./words";

const RETRY_MS = 3000;
const ASK_MS = 1500;
const ASKS_MAX = 20;
const SENT_MAX = 20;
const SHOWN_MS = 8000;

export interface Sent {
  id: string;
  kind: string;
  alert: string;
  state: "sending" | "waiting" | "taken" | "done" | "refused";
  words: string;
}

/** Random enough to be nobody else's; `crypto.randomUUID` is there in secure contexts only. */
function fresh(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

class Commands {
  sent = $state<Sent[]>([]);
  /** Counts outcomes, so that what hangs on them is asked for again. */
  outcomes = $state(0);

  constructor() {
    feed.onOutcome((id, refusal) => this.#end(id, refusal));
  }

  send(kind: string, body: Record<string, unknown>): void {
    const id = fresh();
    this.sent = [...this.sent, { id, kind, alert: String(body.alert ?? ""), state: "sending" as const, words: "" }].slice(-SENT_MAX);
    void this.#post(id, kind, body);
  }

  pending(alert: string): boolean {
    return this.sent.some((one) => one.alert === alert && one.state !== "done" && one.state !== "refused");
  }

  dismiss(id: string): void {
    this.sent = this.sent.filter((one) => one.id !== id);
  }

  #set(id: string, change: Partial<Sent>): void {
    const one = this.sent.find((each) => each.id === id);
    if (one) Object.assign(one, change);
  }

  async #post(id: string, kind: string, body: Record<string, unknown>): Promise<void> {
    try {
      await call("/api/commands", "POST", { id, kind, body, ...(session.told ? {} : { actor: "cockpit" }) });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.passing && this.sent.some((one) => one.id === id)) {
        // The journal may have it all the same: the same id again does no harm.
        this.#set(id, { state: "waiting" });
        setTimeout(() => void this.#post(id, kind, body), RETRY_MS);
      } else this.#end(id, error.absent ? t("command.absent") : error.message || t("command.refused"));
      return;
    }
    this.#set(id, { state: "taken" });
    void this.#follow(id);
  }

  /** The feed tells an outcome; whoever has missed it asks. */
  async #follow(id: string): Promise<void> {
    for (let asked = 0; asked < ASKS_MAX; asked++) {
      await new Promise((resolve) => setTimeout(resolve, ASK_MS));
      const one = this.sent.find((each) => each.id === id);
      if (one?.state !== "taken") return;
      const outcome = await call<{ refusal: string }>(`/api/commands/${id}`).catch(() => null);
      if (outcome) return this.#end(id, outcome.refusal);
    }
  }

  #end(id: string, refusal: string): void {
    const one = this.sent.find((each) => each.id === id);
    if (!one || one.state === "done" || one.state === "refused") return;
    this.#set(id, refusal ? { state: "refused", words: word("refusal", refusal) } : { state: "done" });
    this.outcomes++;
    if (!refusal) setTimeout(() => this.dismiss(id), SHOWN_MS);
  }
}

export const commands = new Commands();
