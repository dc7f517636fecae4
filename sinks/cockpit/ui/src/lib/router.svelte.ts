// Where we are: "#/alert/5c1f", so that every page has an address that can be sent to somebody.

export const PAGES = ["watch", "alert", "area", "quality", "silences", "handover", "index", "audit"] as const;
export type Page = (typeof PAGES)[number];

class Router {
  page = $state<Page>("watch");
  argument = $state("");

  start(): () => void {
    const look = () => this.#look();
    look();
    addEventListener("hashchange", look);
    return () => removeEventListener("hashchange", look);
  }

  #look(): void {
    const [, page = "", argument = ""] = /^#\/(\w+)(?:\/(.+))?$/.exec(location.hash) ?? [];
    this.page = PAGES.find((known) => known === page) ?? "watch";
    try {
      this.argument = decodeURIComponent(argument);
    } catch {
      this.argument = "";
    }
  }

  go(page: Page, argument = ""): void {
    location.hash = to(page, argument);
  }
}

export function to(page: Page, argument = ""): string {
  return argument ? `#/${page}/${encodeURIComponent(argument)}` : `#/${page}`;
}

export const router = new Router();
