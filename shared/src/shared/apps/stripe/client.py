"""Calls to one Stripe account, through the SDK. Every call passes the gate; no retry happens in here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Literal, TypeVar, cast
from urllib.parse import urlencode

import msgspec
import stripe

from shared.apps.model import Access
from shared.apps.stripe.errors import translate
from shared.apps.stripe.models import StripeCustomer
from shared.errors import Malformed, RateLimited, Unavailable
from shared.identity import LONGEST_ID, is_id, key_fingerprint, update_key

API_VERSION = "2026-10-28.endive"
"""Pinned on every call and on the endpoints that we make: our models were written for it."""

T = TypeVar("T")


class Page(msgspec.Struct, frozen=True):
    """One page of a list, its objects byte for byte."""

    data: list[msgspec.Raw]
    has_more: bool = False


class _Straight(stripe.AIOHTTPClient):
    """Follows no redirect, which aiohttp does by default: Stripe sends none, and a forged one would take a customer's
    data to another host, or turn a create into a read.
    """

    def _get_request_args_kwargs(self, *request: Any) -> tuple[Any, dict[str, Any]]:
        args, kwargs = super()._get_request_args_kwargs(*request)
        return args, {**kwargs, "allow_redirects": False}


def http_client(timeout: float) -> stripe.HTTPClient:
    """One per event loop, shared by every connection. `timeout` in seconds per call; the SDK's own would be 80.
    Redirects are not followed.
    """
    # Telemetry writes a file into the home and sends figures about other calls: nobody asked for it.
    stripe.enable_telemetry = False
    return _Straight(timeout=timeout)


class StripeApp:
    """One connection. Raises the errors of `shared.apps.stripe.errors` only."""

    def __init__(self, access: Access, http: stripe.HTTPClient) -> None:
        self.connection = access.connection
        self.app_account = access.app_account
        self._fingerprint = key_fingerprint(access.key)
        self._gate = access.gate
        self._before = access.before
        self._after = access.after
        api_base = access.api_base
        self._client = stripe.StripeClient(
            access.key,
            stripe_version=API_VERSION,
            # All four, so that nothing can reach another host than the one that was set.
            base_addresses={"api": api_base, "connect": api_base, "files": api_base, "meter_events": api_base},
            max_network_retries=0,
            http_client=http,
        )

    async def account(self) -> str:
        """The account's id. Sources: GET /v1/account; needs no right of a restricted key beyond its existence."""
        found = await self._call("account.retrieve", lambda: self._client.v1.accounts.retrieve_current_async())
        named = getattr(found, "id", None)
        if not is_id(named):
            raise Unavailable("Stripe: GET /v1/account answered with no account")
        return named

    async def create_customer(self, params: Mapping[str, Any], key: str) -> StripeCustomer:
        """POST /v1/customers under the claim's key: sent again it is the same customer."""
        return self._customer(
            await self._call(
                "customers.create",
                lambda: self._client.v1.customers.create_async(cast(Any, dict(params)), {"idempotency_key": key}),
            )
        )

    async def retrieve_customer(self, customer_id: str) -> StripeCustomer:
        """GET /v1/customers/{id}. A deleted one comes back with `deleted`. Raises NotFound."""
        _guard(customer_id)
        return self._customer(
            await self._call("customers.retrieve", lambda: self._client.v1.customers.retrieve_async(customer_id))
        )

    async def update_customer(self, customer_id: str, params: Mapping[str, Any]) -> StripeCustomer:
        """POST /v1/customers/{id} under a new key of ours: the whole customer as it is now. Raises NotFound."""
        _guard(customer_id)
        options: Any = {"idempotency_key": update_key()}
        return self._customer(
            await self._call(
                "customers.update",
                lambda: self._client.v1.customers.update_async(customer_id, cast(Any, dict(params)), options),
            )
        )

    async def create(self, path: str, params: Mapping[str, Any], key: str) -> dict[str, Any]:
        """POST to a collection, as `/v1/products`, under a claim's key: sent again it is the same object."""
        return await self._raw("post", path, f"{_operation(path)}.create", params, {"idempotency_key": key})

    async def update(self, path: str, entity: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """POST to one object of a collection. Raises NotFound."""
        _guard(entity)
        options = {"idempotency_key": update_key()}
        return await self._raw("post", f"{path}/{entity}", f"{_operation(path)}.update", params, options)

    async def act(self, path: str, entity: str, verb: str, params: Mapping[str, Any], key: str = "") -> dict[str, Any]:
        """POST of what is done with one object, as `finalize`; under `key` it is done once. Raises NotFound."""
        _guard(entity)
        options = {"idempotency_key": key or update_key()}
        return await self._raw("post", f"{path}/{entity}/{verb}", f"{_operation(path)}.{verb}", params, options)

    async def retrieve(self, path: str, entity: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """GET of one object of a collection. Raises NotFound."""
        _guard(entity)
        return await self._raw("get", f"{path}/{entity}", f"{_operation(path)}.retrieve", params)

    async def listed(self, path: str, params: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """Every object of a list, page by page, newest first."""
        cursor: dict[str, Any] = {}
        while True:
            page = await self._raw("get", path, f"{_operation(path)}.list", {"limit": 100, **params, **cursor})
            rows = page.get("data")
            if not isinstance(rows, list):
                raise Unavailable(f"Stripe: GET {path} answered with no list")
            for row in rows:
                yield row
            if not page.get("has_more") or not rows:
                return
            cursor = {"starting_after": rows[-1]["id"]}

    async def with_metadata(
        self, path: str, params: Mapping[str, Any], metadata: Mapping[str, str]
    ) -> dict[str, Any] | None:
        """The newest object of a list whose metadata hold all of these; None for none."""
        async for found in self.listed(path, params):
            known = found.get("metadata") or {}
            if all(known.get(name) == value for name, value in metadata.items()):
                return found
        return None

    async def _raw(
        self,
        method: Literal["get", "post"],
        path: str,
        operation: str,
        params: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        sent = {} if method == "get" else {**(params or {})}
        url = f"{path}?{urlencode(params)}" if method == "get" and params else path
        found = await self._call(
            operation, lambda: self._client.raw_request_async(method, url, **sent, **(options or {}))
        )
        try:
            body = msgspec.json.decode(found.body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Unavailable(f"Stripe: {method.upper()} {path} answered with no JSON: {error}") from error
        if not isinstance(body, dict):
            raise Unavailable(f"Stripe: {method.upper()} {path} answered with no object")
        return body

    async def customers_since(self, created: int) -> AsyncIterator[StripeCustomer]:
        """Every customer made at or after `created` (epoch seconds), newest first. Lists do not lag, Search does."""
        cursor = ""
        while True:
            params: Any = {"created": {"gte": created}, "limit": 100} | ({"starting_after": cursor} if cursor else {})
            page = await self._call("customers.list", partial(self._client.v1.customers.list_async, params))
            rows = [self._customer(row) for row in _rows(page)]
            for customer in rows:
                yield customer
            if not page.has_more or not rows:
                return
            cursor = rows[-1].id

    async def events_page(self, created: int, after: str = "") -> Page:
        """GET /v1/events: one page of what happened at or after `created` (epoch seconds), newest first, as it stands.

        `after` is the id of the last event of the page before. Stripe lists 30 days back.
        """
        return await self._page("/v1/events", {"created[gte]": created} | ({"starting_after": after} if after else {}))

    async def customers_page(self, after: str = "") -> Page:
        """GET /v1/customers: one page, newest first, as it stands; `after` is the id of the last one before."""
        return await self._page("/v1/customers", {"starting_after": after} if after else {})

    async def page_of(
        self, path: str, *, created: tuple[int, int], after: str = "", also: Mapping[str, str] | None = None
    ) -> Page:
        """GET of a list: one page of what was made from `created[0]` on and before `created[1]` (epoch seconds), newest
        first, as it stands; `also` are further filters.
        """
        begin, end = created
        bounds: dict[str, Any] = ({"created[gte]": begin} if begin else {}) | {"created[lt]": end, **(also or {})}
        return await self._page(path, bounds | ({"starting_after": after} if after else {}))

    async def _page(self, path: str, params: dict[str, Any]) -> Page:
        query = urlencode({"limit": 100} | params)
        operation = f"{path.removeprefix('/v1/')}.list"
        found = await self._call(operation, lambda: self._client.raw_request_async("get", f"{path}?{query}"))
        try:
            return msgspec.json.decode(found.body, type=Page)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Unavailable(f"Stripe: GET {path} answered with no list: {error}") from error

    async def webhook_endpoints(self) -> list[dict[str, Any]]:
        """The account's endpoints, at most 16 by Stripe's limit, without their secrets."""
        page = await self._call(
            "webhook_endpoints.list", lambda: self._client.v1.webhook_endpoints.list_async({"limit": 100})
        )
        return [endpoint.to_dict() for endpoint in _rows(page)]

    async def create_webhook_endpoint(self, url: str, events: list[str]) -> dict[str, Any]:
        """Make an endpoint pinned to our API version. The only answer that ever holds its `secret`."""
        params: Any = {"url": url, "enabled_events": events, "api_version": API_VERSION, "description": "Tandem"}
        made = await self._call(
            "webhook_endpoints.create", lambda: self._client.v1.webhook_endpoints.create_async(params)
        )
        return made.to_dict()

    async def delete_webhook_endpoint(self, endpoint: str) -> None:
        """Remove an endpoint that we made ourselves and whose secret nobody knows any more."""
        await self._call("webhook_endpoints.delete", lambda: self._client.v1.webhook_endpoints.delete_async(endpoint))

    def _customer(self, found: stripe.Customer) -> StripeCustomer:
        try:
            return StripeCustomer.model_validate(found.to_dict())
        except ValueError as error:
            raise Malformed(f"Stripe's answer is no customer: {error}") from error

    async def _call(self, operation: str, request: Callable[[], Awaitable[T]]) -> T:
        try:
            async with self._gate.call(self.app_account, operation):
                self._before(operation)
                found = await self._answer(operation, request)
        except RateLimited as error:
            self._gate.refused(self.app_account, operation, error)
            raise
        await self._after(operation)
        return found

    async def _answer(self, operation: str, request: Callable[[], Awaitable[T]]) -> T:
        try:
            found = await request()
        except stripe.StripeError as error:
            raise translate(error, self.connection, operation, self._fingerprint) from error
        except (OSError, TimeoutError, ValueError) as error:
            # The SDK lets some transport and parse errors of the HTTP library through as they are.
            raise Unavailable(f"Stripe: {type(error).__name__}: {error}") from error
        if not isinstance(found, stripe.StripeObject | stripe.StripeResponse):
            # JSON, but not Stripe's, from a proxy say: what Stripe did is not known.
            raise Unavailable(f"Stripe: {operation} answered with no object")
        return found


def _rows(page: stripe.ListObject[Any]) -> list[Any]:
    rows = getattr(page, "data", None)
    if not isinstance(rows, list) or not all(isinstance(row, stripe.StripeObject) for row in rows):
        raise Unavailable("Stripe: a list was answered that is none")
    return rows


def _operation(path: str) -> str:
    """The collection's name in operations, as `payment_links`, without the id of the object that it belongs to."""
    parts = path.removeprefix("/v1/").replace("billing/", "billing_").replace("tax/", "tax_").split("/")
    return ".".join(parts[:1] + parts[2:])


def _guard(entity: str) -> None:
    # With an empty id, and with "." which HTTP libraries cut from a path, GET is a list and POST makes a customer.
    if not is_id(entity):
        raise Malformed(f"{entity[:LONGEST_ID]!r} is no id of a Stripe object")
