"""The table of Stripe operations that the sandbox serves; each is also the unit of the per-operation rate limit."""

from __future__ import annotations

import re

from sandbox.stripe_api import account, customers, events, lists, params, webhook_endpoints
from sandbox.stripe_api.calls import Operation

OPERATIONS = (
    Operation(
        "customers.create",
        "POST",
        "/v1/customers",
        "customers",
        "write",
        params.CUSTOMER_CREATE,
        customers.create,
        customers.check,
    ),
    Operation(
        "customers.list",
        "GET",
        "/v1/customers",
        "customers",
        "read",
        params.CUSTOMER_LIST,
        customers.listed,
        lists.check_page,
    ),
    Operation(
        "customers.retrieve",
        "GET",
        "/v1/customers/{id}",
        "customers",
        "read",
        params.CUSTOMER_RETRIEVE,
        customers.retrieve,
    ),
    Operation(
        "customers.update",
        "POST",
        "/v1/customers/{id}",
        "customers",
        "write",
        params.CUSTOMER_UPDATE,
        customers.update,
        customers.check,
    ),
    Operation(
        "customers.delete",
        "DELETE",
        "/v1/customers/{id}",
        "customers",
        "write",
        params.CUSTOMER_DELETE,
        customers.delete,
    ),
    Operation(
        "events.list", "GET", "/v1/events", "events", "read", params.EVENT_LIST, events.listed, events.check_list
    ),
    Operation("events.retrieve", "GET", "/v1/events/{id}", "events", "read", params.EVENT_RETRIEVE, events.retrieve),
    Operation(
        "webhook_endpoints.create",
        "POST",
        "/v1/webhook_endpoints",
        "webhook_endpoints",
        "write",
        params.ENDPOINT_CREATE,
        webhook_endpoints.create,
        webhook_endpoints.check,
    ),
    Operation(
        "webhook_endpoints.list",
        "GET",
        "/v1/webhook_endpoints",
        "webhook_endpoints",
        "read",
        params.ENDPOINT_LIST,
        webhook_endpoints.listed,
        lists.check_page,
    ),
    Operation(
        "webhook_endpoints.retrieve",
        "GET",
        "/v1/webhook_endpoints/{id}",
        "webhook_endpoints",
        "read",
        params.ENDPOINT_RETRIEVE,
        webhook_endpoints.retrieve,
    ),
    Operation(
        "webhook_endpoints.update",
        "POST",
        "/v1/webhook_endpoints/{id}",
        "webhook_endpoints",
        "write",
        params.ENDPOINT_UPDATE,
        webhook_endpoints.update,
        webhook_endpoints.check,
    ),
    Operation(
        "webhook_endpoints.delete",
        "DELETE",
        "/v1/webhook_endpoints/{id}",
        "webhook_endpoints",
        "write",
        params.ENDPOINT_DELETE,
        webhook_endpoints.delete,
    ),
    Operation("account.retrieve", "GET", "/v1/account", "account", "read", params.ACCOUNT_RETRIEVE, account.retrieve),
    Operation(
        "accounts.retrieve", "GET", "/v1/accounts/{id}", "account", "read", params.ACCOUNT_RETRIEVE, account.retrieve
    ),
)
# Sub-paths of Stripe's own that are no ids; the sandbox does not serve them.
_NOT_IDS = frozenset({"search"})
_PATTERNS = [(operation, re.compile(operation.path.replace("{id}", "([^/]+)"))) for operation in OPERATIONS]


def find(method: str, path: str) -> tuple[Operation, str] | None:
    """The operation of a request and the id in its path, or None."""
    for operation, pattern in _PATTERNS:
        found = pattern.fullmatch(path.rstrip("/"))
        if found and operation.method == method:
            id = found.group(1) if found.groups() else ""
            return None if id in _NOT_IDS else (operation, id)
    return None
