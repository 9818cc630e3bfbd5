"""The way of a Stripe request: key, limits, faults, right, idempotency, validation, execution, answer."""

from __future__ import annotations

import logging
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sandbox.answers import Answer, CutResponse, hold_before, spoiled
from sandbox.faults import Rule
from sandbox.identifiers import stripe_id
from sandbox.store import caller, dump
from sandbox.stripe_api import browser, expansions, forms, idempotency
from sandbox.stripe_api.authentication import authenticate, authorize
from sandbox.stripe_api.calls import API_VERSION, Call, Operation
from sandbox.stripe_api.errors import (
    Declined,
    StripeError,
    api_error,
    lock_timeout,
    rate_limited,
    unknown_url,
    wrong_key,
)
from sandbox.stripe_api.operations import find
from sandbox.stripe_api.params import API_VERSIONS
from sandbox.tenants import Access
from sandbox.visits import Visit
from sandbox.world import World

log = logging.getLogger(__name__)
_FORM = "application/x-www-form-urlencoded"


class StripeApi:
    """Answers everything below `/stripe`."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def answer(self, request: Request) -> Response:
        """Answers one request and writes it to the call log."""
        visit = Visit(request, await request.body(), "/" + request.path_params["path"], stripe_id("req"))
        answer: Answer | None
        try:
            answer = await self._steps(visit)
        except StripeError as error:
            answer = Answer.json(error.status, error.body(), error.headers)
        except Exception:
            log.exception("the sandbox failed on %s %s", request.method, visit.path)
            answer = Answer.json(500, api_error().body())
        self._world.note_call("stripe", visit, None if visit.cut else answer)
        if answer is None:
            return CutResponse()
        self._add_headers(visit, answer)
        return await spoiled(answer, visit.rule, self._world.stopping)

    async def _steps(self, visit: Visit) -> Answer | None:
        """All steps in Stripe's order; None when the connection is to be cut before anything ran."""
        headers = visit.request.headers
        found = find(visit.request.method, visit.path)
        visit.access = browser.access(self._world, visit, found) or authenticate(self._world.tenants, headers)
        caller.set(visit.access.key)
        visit.operation = found[0].name if found else "unknown"
        self._limit(visit.access, visit.operation)
        visit.rule = self._world.faults.call("stripe", visit.facts(found[1] if found else ""))
        if visit.rule and visit.rule.kind in ("rate_limited", "lock_timeout", "unauthorized"):
            raise _fault_error(visit.rule, visit.access.key)
        if found is None:
            raise unknown_url(visit.request.method, visit.path)
        operation, id = found
        authorize(visit.access, operation)
        version = headers.get("stripe-version")
        if version and version not in API_VERSIONS:
            raise StripeError(400, f"Invalid Stripe API version: {version}")
        idempotency.check_key(visit.key)
        params = self._params(visit)
        if browser.is_public(visit.access):
            params = browser.without_names(params)
        if visit.key is not None:
            kept = idempotency.replay(self._world, visit.access.tenant.scope, visit.key, visit.path, params)
            if kept:
                return Answer(kept.status, kept.body.encode(), _replay_headers(kept))
        base = self._world.address(visit.request)
        call = Call(self._world, visit.access.tenant, {}, id, visit.id, visit.key, base)
        call.params = operation.shape.read(params, ())
        expansions.check(call, operation.answers)
        operation.check(call)
        return await self._execute(visit, operation, call, params)

    async def _execute(self, visit: Visit, operation: Operation, call: Call, raw: dict[str, Any]) -> Answer | None:
        mark = (call.scope, visit.key) if visit.key is not None else None
        if mark:
            self._world.in_flight.add(mark)
        try:
            if await hold_before(visit.rule, self._world.stopping):
                return None
            return self._commit(visit, operation, call, raw)
        finally:
            if mark:
                self._world.in_flight.discard(mark)

    def _commit(self, visit: Visit, operation: Operation, call: Call, raw: dict[str, Any]) -> Answer:
        """Runs the operation and keeps its answer in one transaction; what is refused half way leaves nothing."""
        rule = visit.rule if visit.rule and visit.rule.kind in ("error_before", "error_after") else None
        with self._world.store.transaction():
            try:
                if rule and rule.kind == "error_before":
                    raise _fault_error(rule)
                with self._world.store.savepoint():
                    status, body = _done(operation, call)
                if status == 200 and browser.is_public(visit.access):
                    body = browser.shown(body)
                if rule:
                    raise _fault_error(rule)
            except StripeError as error:
                status, body = error.status, error.body()
            text = dump(body)
            if visit.key is not None and (rule is None or rule.stored):
                kept = idempotency.Kept(status, text, visit.id)
                idempotency.keep(self._world, call.scope, visit.key, visit.path, raw, kept)
        headers = _should_retry(rule) if rule else {}
        return Answer(status, text.encode(), {"content-type": "application/json", **headers})

    def _params(self, visit: Visit) -> dict[str, Any]:
        """The parameters of query and body together: a typo in the address must not go unseen beside a body."""
        body = visit.body if visit.request.method != "GET" else b""
        kind = visit.request.headers.get("content-type", _FORM).partition(";")[0].strip().lower()
        if body and kind != _FORM:
            raise StripeError(
                400,
                f"Invalid request (check that your POST content type is {_FORM}). If you have any questions, "
                "we can help at https://support.stripe.com/.",
            )
        try:
            return forms.parse("&".join(part for part in (visit.request.url.query, body.decode()) if part))
        except (UnicodeDecodeError, ValueError) as error:
            raise StripeError(400, "Invalid request body: it is not form encoded UTF-8.") from error

    def _limit(self, access: Access, operation: str) -> None:
        """Counts the request; the operation's limit goes first, so that both reasons can be seen in live mode."""
        settings, scope, second = self._world.settings, access.tenant.scope, self._world.second
        names = f"{scope} {operation}", scope
        if second.full(names[0], settings.stripe_operation_rate):
            raise rate_limited("endpoint-rate")
        if second.full(names[1], settings.stripe_live_rate if access.tenant.live else settings.stripe_test_rate):
            raise rate_limited("global-rate")
        for name in names:
            second.add(name)

    def _add_headers(self, visit: Visit, answer: Answer) -> None:
        answer.headers["Request-Id"] = visit.id
        # A page of another host calls as Stripe.js does.
        answer.headers["Access-Control-Allow-Origin"] = "*"
        answer.headers["Stripe-Version"] = visit.request.headers.get("stripe-version") or API_VERSION
        if visit.key is not None:
            answer.headers["Idempotency-Key"] = visit.key
            answer.headers.setdefault("Original-Request", visit.id)


def _done(operation: Operation, call: Call) -> tuple[int, dict[str, Any]]:
    """What an operation answers; a charge that fails is an answer too, for it leaves something."""
    try:
        return 200, expansions.expanded(call, operation.answers, operation.run(call))
    except Declined as error:
        return error.status, error.body()


def _replay_headers(kept: idempotency.Kept) -> dict[str, str]:
    return {"content-type": "application/json", "Idempotent-Replayed": "true", "Original-Request": kept.request}


def _fault_error(rule: Rule, key: str = "") -> StripeError:
    if rule.kind == "rate_limited":
        error = rate_limited("global-rate" if rule.reason is None else rule.reason or None)
    elif rule.kind == "lock_timeout":
        error = lock_timeout(rule.status or 429)
    elif rule.kind == "unauthorized":
        error = wrong_key(key)
    else:
        error = api_error(rule.status or 500)
    error.headers |= _should_retry(rule)
    return error


def _should_retry(rule: Rule) -> dict[str, str]:
    headers = {} if rule.should_retry is None else {"Stripe-Should-Retry": str(rule.should_retry).lower()}
    return headers if rule.retry_after is None else {**headers, "Retry-After": str(rule.retry_after)}
