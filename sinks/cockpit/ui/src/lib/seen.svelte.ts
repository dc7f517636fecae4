// What has changed since you last looked: ids, bands and steps of the alerts that were open then, kept in this browser.

import { recall, remember } from "./prefs.svelte";
import type { Band, Summary } from "./types";

const KEPT_MAX = 1000;
const RANK: Record<Band, number> = { none: 0, grey: 1, blue: 2, yellow: 3, orange: 4, red: 5 };

interface Look {
  at_s: number;
  bands: Record<string, Band>;
}

export interface Difference {
  fresh: Set<string>;
  worse: Set<string>;
  ended: number;
}

class Seen {
  look = $state.raw<Look | null>(recall<Look | null>("look", null));

  now(open: Summary[]): void {
    const bands = Object.fromEntries(open.slice(0, KEPT_MAX).map((alert) => [alert.id, alert.band]));
    this.look = { at_s: Math.floor(Date.now() / 1000), bands };
    remember("look", this.look);
  }

  difference(open: Summary[]): Difference {
    const known = this.look?.bands ?? {};
    const fresh = new Set<string>();
    const worse = new Set<string>();
    let still = 0;
    for (const alert of open) {
      const band = known[alert.id];
      if (band === undefined) fresh.add(alert.id);
      else {
        still++;
        if (RANK[alert.band] > RANK[band]) worse.add(alert.id);
      }
    }
    return { fresh, worse, ended: Object.keys(known).length - still };
  }
}

export const seen = new Seen();
