"""`python -m invoice_sync` runs one worker."""

from __future__ import annotations

from shared.domains.invoices import DOMAIN
from shared.runtime.worker import run_service

from invoice_sync.actions import IMPLEMENTATIONS

if __name__ == "__main__":
    run_service(DOMAIN, IMPLEMENTATIONS)
