"""`python -m customer_sync` runs one worker."""

from __future__ import annotations

from shared.streaming.processor import Service
from shared.streaming.worker import run_service

from customer_sync.actions import IMPLEMENTATIONS

SERVICE = Service(name="customer-sync", noun="customer")

if __name__ == "__main__":
    run_service(SERVICE, IMPLEMENTATIONS)
