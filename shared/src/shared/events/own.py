"""Types of the events that Tandem itself writes. No flow starts on them, and no webhook brings them."""

from __future__ import annotations

RECHECK_REQUESTED = "tandem.recheck.requested"
"""There is news of an entity: what waits for it looks again."""
HANDED_OVER = "tandem.run.handed_over"
"""A run goes on in another service."""
