"""One request at either vendor, from its coming to its line in the call log."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from starlette.requests import Request

from sandbox.faults import Rule
from sandbox.tenants import Access


@dataclass
class Visit:
    """What is known of a request so far. `id` is the vendor's name for it, empty where it gives none."""

    request: Request
    body: bytes
    path: str
    id: str = ""
    operation: str = "unknown"
    access: Access | None = None
    rule: Rule | None = None
    began: float = field(default_factory=time.time)

    @property
    def key(self) -> str | None:
        """The idempotency key; it counts for POST only (source: Stripe docs, idempotent requests). Togai has none."""
        return self.request.headers.get("idempotency-key") if self.request.method == "POST" else None

    @property
    def cut(self) -> bool:
        """Whether the caller gets no answer, for the connection is cut."""
        return self.rule is not None and self.rule.kind in ("cut_before", "cut_after")

    def facts(self, object_id: str) -> dict[str, str]:
        """What a fault's `match` can ask for."""
        return {
            "account": self.access.tenant.scope if self.access else "",
            "method": self.request.method,
            "path": self.path,
            "operation": self.operation,
            "object": object_id,
            "caller": self.access.key if self.access else "",
        }
