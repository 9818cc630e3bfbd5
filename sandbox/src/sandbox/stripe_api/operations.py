"""The table of Stripe operations that the sandbox serves; each is also the unit of the per-operation rate limit."""

from __future__ import annotations

import re

from sandbox.stripe_api import (
    account,
    customers,
    events,
    invoice_operations,
    lists,
    meters,
    payment_intents,
    payment_links,
    payment_methods,
    payments,
    prices,
    products,
    sessions,
    subscriptions,
    tax,
    webhook_endpoints,
)
from sandbox.stripe_api.calls import Operation

_ENDPOINT, _SESSIONS = "/v1/webhook_endpoints", "/v1/checkout/sessions"

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
    Operation("payment_links.create", "POST", "/v1/payment_links", "PaymentLinkCreateParams", payment_links.create,
              "payment_link", payment_links.check_create),
    Operation("payment_links.list", "GET", "/v1/payment_links", "PaymentLinkListParams", payment_links.listed,
              "list:payment_link", lists.check_page),
    Operation("payment_links.retrieve", "GET", "/v1/payment_links/{id}", "PaymentLinkRetrieveParams",
              payment_links.retrieve, "payment_link"),
    Operation("payment_links.update", "POST", "/v1/payment_links/{id}", "PaymentLinkUpdateParams",
              payment_links.update, "payment_link", payment_links.check),
    Operation("payment_links.list_line_items", "GET", "/v1/payment_links/{id}/line_items",
              "PaymentLinkListLineItemsParams", payment_links.listed_items, "list:item", lists.check_page),
    Operation("checkout_sessions.create", "POST", _SESSIONS, "checkout.SessionCreateParams", sessions.create,
              "checkout.session", sessions.check_create),
    Operation("checkout_sessions.list", "GET", _SESSIONS, "checkout.SessionListParams", sessions.listed,
              "list:checkout.session", lists.check_page),
    Operation("checkout_sessions.retrieve", "GET", f"{_SESSIONS}/{{id}}", "checkout.SessionRetrieveParams",
              sessions.retrieve, "checkout.session"),
    Operation("checkout_sessions.update", "POST", f"{_SESSIONS}/{{id}}", "checkout.SessionUpdateParams",
              sessions.update, "checkout.session", sessions.check),
    Operation("checkout_sessions.expire", "POST", f"{_SESSIONS}/{{id}}/expire", "checkout.SessionExpireParams",
              sessions.expire, "checkout.session"),
    Operation("checkout_sessions.list_line_items", "GET", f"{_SESSIONS}/{{id}}/line_items",
              "checkout.SessionListLineItemsParams", sessions.listed_items, "list:item", lists.check_page),
    Operation("payment_intents.list", "GET", "/v1/payment_intents", "PaymentIntentListParams", payments.list_intents,
              "list:payment_intent", lists.check_page),
    Operation("payment_intents.retrieve", "GET", "/v1/payment_intents/{id}", "PaymentIntentRetrieveParams",
              payments.retrieve_intent, "payment_intent"),
    Operation("payment_intents.create", "POST", "/v1/payment_intents", "PaymentIntentCreateParams",
              payment_intents.create, "payment_intent", payment_intents.check_create),
    Operation("payment_intents.update", "POST", "/v1/payment_intents/{id}", "PaymentIntentUpdateParams",
              payment_intents.update, "payment_intent", payment_intents.check),
    Operation("payment_intents.confirm", "POST", "/v1/payment_intents/{id}/confirm", "PaymentIntentConfirmParams",
              payment_intents.confirm, "payment_intent", payment_intents.check),
    Operation("payment_intents.cancel", "POST", "/v1/payment_intents/{id}/cancel", "PaymentIntentCancelParams",
              payment_intents.cancel, "payment_intent"),
    Operation("payment_methods.attach", "POST", "/v1/payment_methods/{id}/attach", "PaymentMethodAttachParams",
              payment_methods.attach, "payment_method"),
    Operation("payment_methods.retrieve", "GET", "/v1/payment_methods/{id}", "PaymentMethodRetrieveParams",
              payment_methods.retrieve, "payment_method"),
    Operation("charges.list", "GET", "/v1/charges", "ChargeListParams", payments.list_charges, "list:charge",
              lists.check_page),
    Operation("charges.retrieve", "GET", "/v1/charges/{id}", "ChargeRetrieveParams", payments.retrieve_charge,
              "charge"),
    Operation("subscriptions.create", "POST", "/v1/subscriptions", "SubscriptionCreateParams", subscriptions.create,
              "subscription"),
    Operation("subscriptions.update", "POST", "/v1/subscriptions/{id}", "SubscriptionUpdateParams",
              subscriptions.update, "subscription"),
    Operation("subscriptions.cancel", "DELETE", "/v1/subscriptions/{id}", "SubscriptionCancelParams",
              subscriptions.cancel, "subscription"),
    Operation("subscriptions.list", "GET", "/v1/subscriptions", "SubscriptionListParams", subscriptions.listed,
              "list:subscription", lists.check_page),
    Operation("subscriptions.retrieve", "GET", "/v1/subscriptions/{id}", "SubscriptionRetrieveParams",
              subscriptions.retrieve, "subscription"),
    Operation("account.retrieve", "GET", "/v1/account", "AccountRetrieveCurrentParams", account.retrieve),
    Operation("accounts.retrieve", "GET", "/v1/accounts/{id}", "AccountRetrieveCurrentParams", account.retrieve,
              right_on="account"),
    *invoice_operations.OPERATIONS,
    *meters.OPERATIONS,
    *tax.OPERATIONS,
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
