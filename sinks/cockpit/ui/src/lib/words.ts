// Words in two languages. A key is looked up in the reader's; numbers and spans of time come from the browser's own tables.

import en from "../words/en.json";
import zh from "../words/zh.json";
import { prefs } from "./prefs.svelte";

export type Key = keyof typeof en;
type Values = Record<string, string | number>;

const DICTIONARIES: Record<"en" | "zh", Record<string, string>> = { en, zh };

export function t(key: Key, values: Values = {}): string {
  return filled(DICTIONARIES[prefs.language][key] ?? key, values);
}

/** A word out of a closed list that the server uses, such as a reason; one that is not known is shown as it is. */
export function word(list: string, name: string): string {
  return DICTIONARIES[prefs.language][`${list}.${name}`] ?? name.replaceAll("_", " ");
}

function filled(text: string, values: Values): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}

/** The sentence in the reader's language, where the server has said it in both. */
export function said(english: string, chinese?: string): string {
  return prefs.language === "zh" && chinese ? chinese : english;
}

/** A sentence without the part before its colon, where that only repeats the place that stands beside it. */
export function brief(sentence: string, place: string): string {
  const [, head = "", rest = ""] = /^([^:：]+)[:：]\s*(.+)$/s.exec(sentence) ?? [];
  return rest && head.includes(place) ? rest : sentence;
}

export function titled(item: { title: string; title_zh?: string }): string {
  return said(item.title, item.title_zh);
}
