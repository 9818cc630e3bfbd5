"""`python -m plan_sync` runs one worker."""

from __future__ import annotations

from shared.domains.plans import DOMAIN
from shared.runtime.worker import run_service

from plan_sync.actions import IMPLEMENTATIONS

if __name__ == "__main__":
    run_service(DOMAIN, IMPLEMENTATIONS)
