// Who is here. "open": this server has no users; "none": somebody has to sign in first.

import { call, Refused } from "./api";
import type { Session } from "./types";

const ACTS = ["operator", "expert", "commander", "admin"];

class Here {
  kind = $state<"asking" | "open" | "in" | "none">("asking");
  told = $state.raw<Session | null>(null);

  get csrf(): string {
    return this.told?.csrf ?? "";
  }
  get role(): string {
    return this.told?.role ?? "viewer";
  }
  get acts(): boolean {
    return this.kind === "in" && ACTS.includes(this.role);
  }
  get dissents(): boolean {
    return this.acts && this.role !== "operator";
  }
  get audits(): boolean {
    return this.kind === "in" && ["commander", "admin"].includes(this.role);
  }

  async ask(): Promise<void> {
    try {
      this.told = await call<Session>("/api/session");
      this.kind = "in";
    } catch (error) {
      if (error instanceof Refused && error.status === 401) this.ended();
      else if (error instanceof Refused && error.absent) this.kind = "open";
      else setTimeout(() => void this.ask(), 3000);
    }
  }

  async enter(user: string, password: string): Promise<void> {
    this.told = await call<Session>("/api/session", "POST", { user, password });
    this.kind = "in";
  }

  async leave(): Promise<void> {
    await call("/api/session", "DELETE").catch(() => undefined);
    this.ended();
  }

  ended(): void {
    this.told = null;
    this.kind = "none";
  }
}

export const session = new Here();
