"""The table of Stripe operations that the sandbox serves; each is also the unit of the per-operation rate limit."""

from __future__ import annotations

import re

from sandbox.stripe_api import account, customers, events, lists, prices, products, webhook_endpoints
from sandbox.stripe_api.calls import Operation

_ENDPOINT = "/v1/webhook_endpoints"

OPERATIONS = (
    Operation("customers.create", "POST", "/v1/customers", "CustomerCreateParams", customers.create, "customer",
              customers.check),
    Operation("customers.list", "GET", "/v1/customers", "CustomerListParams", customers.listed, "list:customer",
              lists.check_page),
    Operation("customers.retrieve", "GET", "/v1/customers/{id}", "CustomerRetrieveParams", customers.retrieve,
              "customer"),
    Operation("customers.update", "POST", "/v1/customers/{id}", "CustomerUpdateParams", customers.update, "customer",
              customers.check),
    Operation("customers.delete", "DELETE", "/v1/customers/{id}", "CustomerDeleteParams", customers.delete),
    Operation("events.list", "GET", "/v1/events", "EventListParams", events.listed, "", events.check_list),
    Operation("events.retrieve", "GET", "/v1/events/{id}", "EventRetrieveParams", events.retrieve),
    Operation("webhook_endpoints.create", "POST", _ENDPOINT, "WebhookEndpointCreateParams", webhook_endpoints.create,
              "", webhook_endpoints.check),
    Operation("webhook_endpoints.list", "GET", _ENDPOINT, "WebhookEndpointListParams", webhook_endpoints.listed, "",
              lists.check_page),
    Operation("webhook_endpoints.retrieve", "GET", f"{_ENDPOINT}/{{id}}", "WebhookEndpointRetrieveParams",
              webhook_endpoints.retrieve),
    Operation("webhook_endpoints.update", "POST", f"{_ENDPOINT}/{{id}}", "WebhookEndpointUpdateParams",
              webhook_endpoints.update, "", webhook_endpoints.check),
    Operation("webhook_endpoints.delete", "DELETE", f"{_ENDPOINT}/{{id}}", "WebhookEndpointDeleteParams",
              webhook_endpoints.delete),
    Operation("products.create", "POST", "/v1/products", "ProductCreateParams", products.create, "product",
              products.check),
    Operation("products.list", "GET", "/v1/products", "ProductListParams", products.listed, "list:product",
              lists.check_page),
    Operation("products.retrieve", "GET", "/v1/products/{id}", "ProductRetrieveParams", products.retrieve, "product"),
    Operation("products.update", "POST", "/v1/products/{id}", "ProductUpdateParams", products.update, "product",
              products.check),
    Operation("products.delete", "DELETE", "/v1/products/{id}", "ProductDeleteParams", products.delete),
    Operation("prices.create", "POST", "/v1/prices", "PriceCreateParams", prices.create, "price", prices.check_create),
    Operation("prices.list", "GET", "/v1/prices", "PriceListParams", prices.listed, "list:price", prices.check_list),
    Operation("prices.retrieve", "GET", "/v1/prices/{id}", "PriceRetrieveParams", prices.retrieve, "price"),
    Operation("prices.update", "POST", "/v1/prices/{id}", "PriceUpdateParams", prices.update, "price", prices.check),
    Operation("account.retrieve", "GET", "/v1/account", "AccountRetrieveCurrentParams", account.retrieve),
    Operation("accounts.retrieve", "GET", "/v1/accounts/{id}", "AccountRetrieveCurrentParams", account.retrieve,
              right_on="account"),
)  # fmt: skip
# Sub-paths of Stripe's own that are no ids; the sandbox does not serve them.
_NOT_IDS = frozenset({"search", "create_preview", "preview"})
_PATTERNS = [(operation, re.compile(operation.path.replace("{id}", "([^/]+)"))) for operation in OPERATIONS]


def find(method: str, path: str) -> tuple[Operation, str] | None:
    """The operation of a request and the id in its path, or None."""
    for operation, pattern in _PATTERNS:
        found = pattern.fullmatch(path.rstrip("/"))
        if found and operation.method == method:
            id = found.group(1) if found.groups() else ""
            return None if id in _NOT_IDS else (operation, id)
    return None
