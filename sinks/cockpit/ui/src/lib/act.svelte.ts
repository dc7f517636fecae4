// Which dialog is open, and about what. The alert is the one on the page, or the row that has the focus.

import { commands } from "./commands.svelte";
import { feed } from "./feed.svelte";
import { router } from "./router.svelte";
import { session } from "./session.svelte";
import type { Summary } from "./types";

export type Subject = Pick<Summary, "id" | "area" | "area_path" | "signals" | "signal_titles" | "owner" | "label">;
export type Dialog = "assign" | "hand" | "comment" | "resolve" | "label" | "dissent" | "silence";

class Act {
  dialog = $state<Dialog | null>(null);
  subject = $state.raw<Subject | null>(null);
  /** The alert that the page of one alert shows; it may have ended long ago. */
  shown = $state.raw<Subject | null>(null);

  current(): Subject | undefined {
    if (router.page === "alert") return this.shown ?? undefined;
    const row = document.activeElement?.closest<HTMLElement>("[data-row]")?.dataset.row;
    return row === undefined ? undefined : feed.get(row);
  }

  open(dialog: Dialog, subject: Subject): void {
    if (!session.acts) return;
    this.subject = subject;
    this.dialog = dialog;
  }

  close(): void {
    this.dialog = null;
  }

  acknowledge(subject: Subject): void {
    if (session.acts && !commands.pending(subject.id)) commands.send("acknowledge", { alert: subject.id });
  }

  label(subject: Subject, label: string): void {
    if (session.acts) commands.send("label", { alert: subject.id, label });
  }
}

export const act = new Act();
