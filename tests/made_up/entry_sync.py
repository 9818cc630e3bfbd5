"""`python -m tests.made_up.entry_sync` runs one worker of the made-up domain: all that a service's `__main__` has."""

from __future__ import annotations

from shared.runtime.worker import run_service

from tests.made_up.entries import DOMAIN, IMPLEMENTATIONS

if __name__ == "__main__":
    run_service(DOMAIN, IMPLEMENTATIONS)
