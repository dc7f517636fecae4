// Shortcuts of single keys. They can be switched off (WCAG 2.1.4), and never act where somebody types or in a dialog.

import { prefs } from "./prefs.svelte";
import { router, type Page } from "./router.svelte";

const GO_MS = 1500;

export const GO: Record<string, Page> = { w: "watch", q: "quality", s: "silences", h: "handover", i: "index", a: "audit" };

export interface Handlers {
  step(by: 1 | -1): void;
  act(kind: "acknowledge" | "assign" | "silence" | "label" | "resolve" | "comment"): void;
  help(): void;
}

const ACTS = { a: "acknowledge", o: "assign", s: "silence", l: "label", r: "resolve", c: "comment" } as const;

export function listen(handlers: Handlers): () => void {
  let goSince = 0;
  const take = (event: KeyboardEvent) => {
    if (!prefs.shortcuts || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const target = event.target as HTMLElement;
    if (target.closest("input:not([type=checkbox]), textarea, select, dialog, [contenteditable]")) return;
    const key = event.key;
    const going = goSince > 0 && event.timeStamp - goSince < GO_MS;
    goSince = 0;
    const page = GO[key];
    if (going && page) router.go(page);
    else if (key === "g") goSince = event.timeStamp;
    else if (key === "j" || key === "ArrowDown") {
      if (key === "ArrowDown" && !target.closest("[data-row]")) return;
      handlers.step(1);
    } else if (key === "k" || key === "ArrowUp") {
      if (key === "ArrowUp" && !target.closest("[data-row]")) return;
      handlers.step(-1);
    } else if (key === "h") router.go("handover");
    else if (key === "?") handlers.help();
    else if (key in ACTS) handlers.act(ACTS[key as keyof typeof ACTS]);
    else return;
    event.preventDefault();
  };
  addEventListener("keydown", take);
  return () => removeEventListener("keydown", take);
}
