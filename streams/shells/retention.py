"""How long a state folder keeps what: every table is bounded by age and by rows."""

from __future__ import annotations

from msgspec import Struct

from streams.model import DAY_S
from streams.shells.store import Store


class Retention(Struct, frozen=True):
    """Bounds of each table. Journals go only up to a snapshot whose outputs are in the sinks."""

    journal_age_s: int = 90 * DAY_S
    counts_rows_max: int = 2_000_000
    findings_rows_max: int = 5_000_000
    transitions_rows_max: int = 1_000_000
    finished_alerts_age_s: int = 90 * DAY_S
    rejected_rows_max: int = 100_000
    snapshots_max: int = 14
    digests_per_raw: int = 2_000_000


def prune(store: Store, now_s: int, keep: Retention) -> int:
    """Drop what is old in every table; returns how many rows went. To be called after a snapshot was kept."""
    snapshot = store.newest_snapshot()
    if snapshot is None:
        return 0
    before_s = now_s - keep.journal_age_s
    counts = min(snapshot.counts_seq, max(store.first_since("counts", before_s) - 1, store.newest("counts") - keep.counts_rows_max))
    findings = min(
        snapshot.findings_seq, max(store.first_since("findings", before_s) - 1, store.newest("findings") - keep.findings_rows_max)
    )
    with store.transaction():
        gone = store.delete("DELETE FROM counts WHERE seq > 1 AND seq <= ?", (counts,))  # 1 is the configuration
        gone += store.delete("DELETE FROM findings WHERE seq > 1 AND seq <= ?", (findings,))
        gone += _prune_snapshots(store, keep)
        gone += store.delete(
            "DELETE FROM alerts WHERE stored_s < ? OR seq <= ?", (before_s, store.newest("alerts") - keep.transitions_rows_max)
        )
        gone += store.delete("DELETE FROM alerts_now WHERE finished AND stored_s < ?", (now_s - keep.finished_alerts_age_s,))
        gone += store.delete(
            "DELETE FROM rejected WHERE seq <= ?", (min(snapshot.rejected_seq, store.newest("rejected") - keep.rejected_rows_max),)
        )
        for raw, end in store.digest_ends():
            gone += store.delete(
                "DELETE FROM digests WHERE raw = ? AND from_offset + length(digests) / 8 <= ?", (raw, end - keep.digests_per_raw)
            )
    return gone


def _prune_snapshots(store: Store, keep: Retention) -> int:
    """Keep the newest, and the last one of each day that the journals still reach back to."""
    gone = store.delete(
        "DELETE FROM snapshots WHERE seq < (SELECT max(seq) FROM snapshots) AND seq NOT IN"
        " (SELECT max(seq) FROM snapshots GROUP BY stored_s / 86400)"
    )
    gone += store.delete(
        "DELETE FROM snapshots WHERE seq < (SELECT max(seq) FROM snapshots) AND"
        " (counts_seq < (SELECT min(seq) - 1 FROM counts WHERE seq > 1) OR findings_seq < (SELECT min(seq) - 1 FROM findings WHERE seq > 1))"
    )
    gone += store.delete(
        "DELETE FROM snapshots WHERE seq NOT IN (SELECT seq FROM snapshots ORDER BY seq DESC LIMIT ?)", (keep.snapshots_max,)
    )
    return gone
