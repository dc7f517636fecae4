// Counts of small areas as they may be told: "40 to 44", "fewer than 5", or not at all. The server says which in English.

import { number } from "./time.svelte";
import type { Evidence } from "./types";
import { t } from "./words";

export function observed(evidence: Evidence, form: "long" | "short" = "long"): string {
  const text = evidence.observed_text ?? "";
  const [, least, most] = /^(\d+) to (\d+)$/.exec(text) ?? [];
  if (least && most) return t("between", { least: number(Number(least)), most: number(Number(most)) });
  const [, floor] = /^fewer than (\d+)$/.exec(text) ?? [];
  if (floor) return form === "short" ? t("fewer.short", { n: floor }) : t("fewer", { n: floor });
  return evidence.observed === null ? t("unshown") : number(evidence.observed);
}
