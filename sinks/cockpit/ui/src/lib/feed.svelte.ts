// The live list. Events are taken as they come and shown at most every FLUSH_MS; what was missed is asked for by the last event's id.

import { call, Refused } from "./api";
import { session } from "./session.svelte";
import { clock } from "./time.svelte";
import type { Summary, Transition } from "./types";
import { word } from "./words";

const FINISHED = ["cleared", "withdrawn"];
const FLUSH_MS = 200;
const NEWS_MAX = 300;
const RETRY_MS = 3000;
const ENDED_MAX = 10;
/** A stream that has died without a word looks like a calm city, so the server is asked in between whether it is there. */
const HEARTBEAT_MS = 20_000;
const BEAT_ANSWER_MS = 5000;

export type Connection = "connecting" | "live" | "lost";

function worseFirst(a: Summary, b: Summary): number {
  return b.risk - a.risk || b.recurrence_s - a.recurrence_s || (a.id < b.id ? 1 : -1);
}

class Feed {
  connection = $state<Connection>("connecting");
  lostSince = $state(0);
  open = $state.raw<Summary[]>([]);
  ended = $state.raw<Summary[]>([]);
  /** The newest transitions first; what an open page needs to know that it is out of date. */
  news = $state.raw<Transition[]>([]);
  leftOff = $state(0);
  loaded = $state(false);
  /** The last thing to be read aloud. */
  spoken = $state("");
  lastId = "";
  #held = new Map<string, Summary>();
  #fresh: Transition[] = [];
  #source: EventSource | null = null;
  #flushing = 0;
  #retry = 0;
  #beating = 0;
  #listeners = new Set<(id: string, refusal: string) => void>();

  start(): () => void {
    this.#connect();
    const beat = setInterval(() => void this.#beat(), HEARTBEAT_MS);
    const gone = () => void this.#beat();
    const back = () => this.#connect();
    addEventListener("offline", gone);
    addEventListener("online", back);
    return () => {
      clearInterval(beat);
      removeEventListener("offline", gone);
      removeEventListener("online", back);
      this.stop();
    };
  }

  stop(): void {
    clearTimeout(this.#retry);
    clearTimeout(this.#beating);
    this.#source?.close();
    this.#source = null;
  }

  onOutcome(listener: (id: string, refusal: string) => void): void {
    this.#listeners.add(listener);
  }

  get(id: string): Summary | undefined {
    return this.open.find((alert) => alert.id === id);
  }

  #connect(): void {
    this.stop();
    const source = new EventSource(this.lastId ? `/api/stream?last_event_id=${this.lastId}` : "/api/stream");
    this.#source = source;
    const on = (kind: string, take: (data: never) => void) =>
      source.addEventListener(kind, (event) => {
        if (event.lastEventId) this.lastId = event.lastEventId;
        take(JSON.parse(event.data as string) as never);
        this.#soon();
      });
    source.addEventListener("open", () => {
      this.connection = "live";
      this.lostSince = 0;
    });
    source.addEventListener("error", () => {
      this.#lost();
      if (source.readyState === EventSource.CLOSED) void this.#again();
    });
    on("snapshot", (data: { alerts: Summary[]; left_off: number }) => {
      this.#held = new Map(data.alerts.map((alert) => [alert.id, alert]));
      this.leftOff = data.left_off;
      this.loaded = true;
      void this.#askEnded();
    });
    on("transition", (data: { transition: Transition; alert: Summary | null }) => {
      this.#fresh.push(data.transition);
      clock.heard(data.transition.at_s);
      if (data.alert) this.#put(data.alert);
      else if (FINISHED.includes(data.transition.to)) this.#held.delete(data.transition.alert_id);
    });
    on("gone", (data: { id: string }) => this.#held.delete(data.id));
    on("update", (data: { alert: Summary }) => this.#put(data.alert));
    on("outcome", (data: { id: string; refusal: string }) => this.#listeners.forEach((listener) => listener(data.id, data.refusal)));
  }

  #put(alert: Summary): void {
    const known = this.#held.get(alert.id);
    if (known && (known.seq > alert.seq || (known.seq === alert.seq && known.updated_s > alert.updated_s))) return;
    if (FINISHED.includes(alert.state)) {
      this.#held.delete(alert.id);
      this.ended = [alert, ...this.ended.filter((other) => other.id !== alert.id)].slice(0, ENDED_MAX);
    } else this.#held.set(alert.id, alert);
  }

  #soon(): void {
    if (!this.#flushing) this.#flushing = window.setTimeout(() => this.#flush(), FLUSH_MS);
  }

  #flush(): void {
    this.#flushing = 0;
    this.open = [...this.#held.values()].sort(worseFirst);
    for (const alert of this.open) clock.heard(alert.updated_s);
    if (!this.#fresh.length) return;
    this.news = [...this.#fresh.reverse(), ...this.news].slice(0, NEWS_MAX);
    const told = this.#fresh.find((step) => step.notify);
    this.#fresh = [];
    if (told) this.spoken = [word("band", told.band), told.signal_titles.join(", "), told.area_path.at(-1), word("reason", told.reason)].join(", ");
  }

  #lost(): void {
    if (this.connection !== "lost") this.lostSince = Math.floor(Date.now() / 1000);
    this.connection = "lost";
  }

  /** The browser has given up: somebody who is not signed in is sent to the door, everybody else comes again. */
  async #again(): Promise<void> {
    clearTimeout(this.#retry);
    this.#retry = window.setTimeout(() => this.#connect(), RETRY_MS);
    if (session.kind === "in") {
      await call("/api/session").catch((error: unknown) => {
        if (error instanceof Refused && error.status === 401) session.ended();
      });
    }
  }

  /** A connection may be dead without a word: what cannot be asked is not live. */
  async #beat(): Promise<void> {
    clearTimeout(this.#beating);
    try {
      await call("/live", "GET", undefined, BEAT_ANSWER_MS);
      if (this.#source === null || this.#source.readyState === EventSource.CLOSED) this.#connect();
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 0) return;
      this.stop();
      this.#lost();
      this.#beating = window.setTimeout(() => void this.#beat(), RETRY_MS);
    }
  }

  async #askEnded(): Promise<void> {
    const answer = await call<{ alerts: Summary[] }>(`/api/alerts?state=cleared&limit=${ENDED_MAX}`).catch(() => null);
    if (answer) this.ended = answer.alerts;
  }
}

export const feed = new Feed();
