// What is known of the city: its areas, signals, sources. Asked for once, areas again when the list has changed.

import { call, read } from "./api";
import { clock } from "./time.svelte";
import type { AreaRow, City, Department, SignalRow, SourceRow } from "./types";
import { titled, word } from "./words";

const SOURCES_MS = 30_000;

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
  #signals = $derived(new Map((this.city?.signals ?? []).map((signal) => [signal.name, signal])));

  start(): () => void {
    const stop = new AbortController();
    void read<City>("/api/city", stop.signal).then((city) => {
      this.city = city;
      clock.zone = city.timezone;
    }, () => undefined);
    void this.askAreas();
    void this.#askSources();
    const timer = setInterval(() => void this.#askSources(), SOURCES_MS);
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }

  async askAreas(): Promise<void> {
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
  children(code: string): AreaRow[] {
    return this.#children.get(code) ?? [];
  }
  /** The area and its ancestors, the city first. */
  lineage(code: string): AreaRow[] {
    const found: AreaRow[] = [];
    for (let at = this.area(code); at && found.length < 10; at = at.parent === null ? undefined : this.area(at.parent)) found.unshift(at);
    return found;
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
  silent(source: SourceRow): boolean {
    return source.newest_s !== null && clock.now - source.newest_s > Math.max(900, 3 * source.late_s_allowed);
  }
}

export const town = new Town();
