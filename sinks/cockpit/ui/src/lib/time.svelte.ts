// Times as people read them: in the city's zone, ages against the newest thing heard where a past is being played.

import { prefs } from "./prefs.svelte";
import { t } from "./words";

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86400;
const UNITS: [number, string][] = [
  [365.25 * DAY, "year"],
  [30.44 * DAY, "month"],
  [7 * DAY, "week"],
  [DAY, "day"],
  [HOUR, "hour"],
  [MINUTE, "minute"],
];
const NEVER_S = 1000 * 365.25 * DAY;

class Clock {
  wall = $state(Math.floor(Date.now() / 1000));
  newest = $state(0);
  zone = $state<string | undefined>(undefined);

  start(): () => void {
    const timer = setInterval(() => (this.wall = Math.floor(Date.now() / 1000)), 5000);
    return () => clearInterval(timer);
  }
  heard(at_s: number): void {
    if (at_s > this.newest) this.newest = at_s;
  }
  /** A demo plays the past: there, now is the newest thing heard of. */
  get past(): boolean {
    return this.newest > 0 && this.wall - this.newest > DAY;
  }
  get now(): number {
    return this.past ? this.newest : this.wall;
  }
}

export const clock = new Clock();

const formats = new Map<string, Intl.DateTimeFormat | Intl.NumberFormat>();

function locale(): string {
  return prefs.language === "zh" ? "zh-CN" : "en-GB";
}

function dates(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = locale() + (clock.zone ?? "") + JSON.stringify(options);
  let made = formats.get(key) as Intl.DateTimeFormat | undefined;
  if (!made) formats.set(key, (made = new Intl.DateTimeFormat(locale(), { ...options, timeZone: clock.zone, hourCycle: "h23" })));
  return made;
}

function units(unit: string, display: "long" | "short" | "narrow"): Intl.NumberFormat {
  const key = locale() + unit + display;
  let made = formats.get(key) as Intl.NumberFormat | undefined;
  if (!made) formats.set(key, (made = new Intl.NumberFormat(locale(), { style: "unit", unit, unitDisplay: display, maximumFractionDigits: 0 })));
  return made;
}

export function hour(at_s: number): string {
  return dates({ hour: "2-digit", minute: "2-digit" }).format(at_s * 1000);
}

export function day(at_s: number): string {
  return dates({ day: "numeric", month: "short" }).format(at_s * 1000);
}

/** "14:05" of today, "27 Jan 14:05" of another day, with the year when it is another one. */
export function moment(at_s: number): string {
  const year = dates({ year: "numeric" });
  if (dates({ dateStyle: "short" }).format(at_s * 1000) === dates({ dateStyle: "short" }).format(clock.now * 1000)) return hour(at_s);
  const other = year.format(at_s * 1000) !== year.format(clock.now * 1000);
  return dates({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", ...(other ? { year: "numeric" as const } : {}) }).format(at_s * 1000);
}

/** With its day and year, as on paper and in a past that is played. */
export function dated(at_s: number): string {
  return dates({ day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" }).format(at_s * 1000);
}

/** A sentence of the server's with its times, which are UTC, as people here read them. */
export function local(sentence: string): string {
  return sentence.replace(/\d{4}-\d\d-\d\dT\d\d:\d\dZ/g, (at) => moment(Date.parse(at) / 1000));
}

export function span(seconds: number, display: "long" | "short" | "narrow" = "long"): string {
  const [size, unit] = UNITS.find(([s]) => seconds >= 0.95 * s) ?? [MINUTE, "minute"];
  return units(unit, display).format(Math.max(1, Math.round(seconds / size)));
}

export function age(at_s: number): string {
  const seconds = clock.now - at_s;
  return seconds < MINUTE ? t("age.new") : span(seconds, "short");
}

export function chance(recurrence_s: number): string {
  return recurrence_s >= NEVER_S ? t("chance.never") : t("chance.once", { span: span(recurrence_s) });
}

/** The same in a column whose other words say that it is by chance. */
export function often(recurrence_s: number): string {
  return recurrence_s >= NEVER_S ? t("chance.seldom") : t("chance.in", { span: span(recurrence_s, "short") });
}

export function number(value: number): string {
  const size = Math.abs(value);
  // What is expected of something rare is small, and never nothing.
  const digits = size > 0 && size < 1 ? { maximumSignificantDigits: 2 } : { maximumFractionDigits: size >= 100 ? 0 : 1 };
  return new Intl.NumberFormat(locale(), digits).format(value);
}

export function share(value: number): string {
  return new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: 0 }).format(value);
}
