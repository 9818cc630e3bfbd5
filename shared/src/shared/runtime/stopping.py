"""The end of a process that may not go on."""

from __future__ import annotations

import os

from shared.log import get_logger

log = get_logger(__name__)

STOPPED_EXIT = 70
"""Exit status of a worker that stopped itself; the supervisor starts it again."""


def stop_now(reason: str) -> None:
    """End the process at once: nothing that is in hand gets acknowledged, and nothing more is sent."""
    log.critical("worker.stopped", reason=reason)
    os._exit(STOPPED_EXIT)
