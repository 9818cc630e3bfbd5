"""Bulk imports: what an app holds becomes events of origin `backfill` on the replay topic of its noun."""
