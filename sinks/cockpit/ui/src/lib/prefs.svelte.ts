// What this browser remembers of its reader: language, look, shortcuts. Nothing of an alert but ids.

export function recall<T>(name: string, otherwise: T): T {
  try {
    const text = localStorage.getItem(`tocsin.${name}`);
    return text === null ? otherwise : (JSON.parse(text) as T);
  } catch {
    return otherwise;
  }
}

export function remember(name: string, value: unknown): void {
  try {
    localStorage.setItem(`tocsin.${name}`, JSON.stringify(value));
  } catch {
    // A browser that keeps nothing shows all the same.
  }
}

export type Theme = "system" | "light" | "dark";
export type Language = "en" | "zh";

class Prefs {
  language = $state<Language>(recall("language", navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en"));
  theme = $state<Theme>(recall("theme", "system"));
  shortcuts = $state<boolean>(recall("shortcuts", true));
  /** Counts changes of the look, so that what is drawn on a canvas is drawn again. */
  look = $state(0);

  constructor() {
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.look++);
  }

  apply(): void {
    const root = document.documentElement;
    root.lang = this.language === "zh" ? "zh-CN" : "en";
    if (this.theme === "system") root.removeAttribute("data-theme");
    else root.dataset.theme = this.theme;
    remember("language", this.language);
    remember("theme", this.theme);
    remember("shortcuts", this.shortcuts);
    this.look++;
  }
}

export const prefs = new Prefs();
