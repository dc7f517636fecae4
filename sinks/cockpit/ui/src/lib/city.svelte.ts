// What is known of the city: its areas, signals, sources. Asked for once, areas again when the list has changed.

import { call, read } from "./api";
import { feed } from "./feed.svelte";
import { session } from "./session.svelte";
import { clock } from "./time.svelte";
import type { AreaRow, Band, City, Department, SignalRow, SourceRow } from "./types";
import { titled, word } from "./words";

const SOURCES_MS = 30_000;
/** A past is played faster than it was. */
const SOURCES_PAST_MS = 5000;
const SILENT_S = 6 * 3600;

/** What is open in an area and all below it. */
export interface Standing {
  band: Band;
  risk: number;
  alerts: number;
}

const CALM: Standing = { band: "none", risk: 0, alerts: 0 };

function grouped(areas: AreaRow[]): Map<string | null, AreaRow[]> {
  const found = new Map<string | null, AreaRow[]>();
  const known = new Set(areas.map((area) => area.code));
  for (const area of areas) {
    // Whoever sees a part of the city has roots of their own.
    const parent = area.parent !== null && known.has(area.parent) ? area.parent : null;
    const siblings = found.get(parent);
    if (siblings) siblings.push(area);
    else found.set(parent, [area]);
  }
  return found;
}

class Town {
  city = $state.raw<City | null>(null);
  areas = $state.raw<AreaRow[]>([]);
  sources = $state.raw<SourceRow[] | null>(null);
  #byCode = $derived(new Map(this.areas.map((area) => [area.code, area])));
  #children = $derived(grouped(this.areas));
  // An alert counts where it is placed: one of the whole city would paint every part of it.
  #standings = $derived.by(() => {
    const found = new Map<string, Standing>();
    for (const alert of feed.open) {
      for (const area of this.lineage(alert.area)) {
        const known = found.get(area.code);
        if (!known) found.set(area.code, { band: alert.band, risk: alert.risk, alerts: 1 });
        else found.set(area.code, { ...(alert.risk > known.risk ? { band: alert.band, risk: alert.risk } : known), alerts: known.alerts + 1 });
      }
    }
    return found;
  });
  #signals = $derived(new Map((this.city?.signals ?? []).map((signal) => [signal.name, signal])));

  start(): () => void {
    const stop = new AbortController();
    void read<City>("/api/city", stop.signal).then((city) => {
      this.city = city;
      clock.zone = city.timezone;
    }, () => undefined);
    void this.#askAreas();
    void this.#askSources();
    let asked = Date.now();
    const timer = setInterval(() => {
      if (!clock.past && Date.now() - asked < SOURCES_MS) return;
      asked = Date.now();
      void this.#askSources();
    }, SOURCES_PAST_MS);
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }

  async #askAreas(): Promise<void> {
    const answer = await call<{ areas: AreaRow[] }>("/api/areas").catch(() => null);
    if (answer) this.areas = answer.areas;
  }

  async #askSources(): Promise<void> {
    const answer = await call<{ sources: SourceRow[] }>("/api/sources").catch(() => null);
    if (answer) this.sources = answer.sources;
    for (const source of answer?.sources ?? []) if (source.newest_s) clock.heard(source.newest_s);
  }

  get root(): AreaRow | undefined {
    return this.#children.get(null)?.[0];
  }
  area(code: string): AreaRow | undefined {
    return this.#byCode.get(code);
  }
  standing(code: string): Standing {
    return this.#standings.get(code) ?? CALM;
  }
  children(code: string): AreaRow[] {
    return this.#children.get(code) ?? [];
  }
  /** The area and its ancestors, the city first. */
  lineage(code: string): AreaRow[] {
    const found: AreaRow[] = [];
    for (let at = this.area(code); at && found.length < 10; at = at.parent === null ? undefined : this.area(at.parent)) found.unshift(at);
    return found;
  }
  /** Of the area and its ancestors those that lie in the reader's scope, the smallest first. */
  within(code: string): AreaRow[] {
    const scope = session.told?.scope ?? [];
    const line = this.lineage(code);
    const from = scope.includes("*") ? 0 : line.findIndex((area) => scope.includes(area.code));
    return from < 0 ? [] : line.slice(from).toReversed();
  }
  signal(name: string): SignalRow | undefined {
    return this.#signals.get(name);
  }
  signalTitle(name: string, otherwise = name): string {
    const known = this.#signals.get(name);
    return known ? titled(known) : otherwise;
  }
  titles(alert: { signals: string[]; signal_titles?: string[] }): string[] {
    return alert.signals.map((name, place) => this.signalTitle(name, alert.signal_titles?.[place]));
  }
  department(name: string): string {
    const known = this.city?.departments.find((one: Department) => one.name === name);
    return known ? titled(known) : name;
  }
  levelName(level: number): string {
    return word("level", this.city?.levels[level] ?? ["city", "district", "street", "community"][level] ?? String(level));
  }
  /** How far a source is behind the clock; in a past that is played, behind the newest record, as the server said with it. */
  behind(source: SourceRow): number | null {
    if (source.newest_s === null) return null;
    return clock.past ? source.lag_s : Math.max(0, clock.now - source.newest_s);
  }
  /** Detection has said so, where the source has a heartbeat; else nothing has come for long. */
  silent(source: SourceRow): boolean {
    const told = feed.open.some((alert) => alert.signals.includes(`feed.${source.source}`));
    const behind = this.behind(source);
    return told || (behind !== null && behind > Math.max(SILENT_S, 3 * source.late_s_allowed));
  }
}

export const town = new Town();
