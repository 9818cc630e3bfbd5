"""The way of a Togai request: lock, token, limit, faults, operation, answer."""

from __future__ import annotations

import logging

from starlette.requests import Request
from starlette.responses import Response

from sandbox.answers import Answer, CutResponse, hold_before, spoiled
from sandbox.store import caller
from sandbox.tenants import Access
from sandbox.togai_api.calls import Call, Operation
from sandbox.togai_api.errors import TogaiError
from sandbox.togai_api.operations import find
from sandbox.visits import Visit
from sandbox.world import World

log = logging.getLogger(__name__)


class TogaiApi:
    """Answers everything below `/togai`."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def answer(self, request: Request) -> Response:
        """Answers one request and writes it to the call log."""
        raw = request.scope.get("raw_path") or request.url.path.encode()
        path = raw.decode("ascii", "replace").partition("?")[0].removeprefix("/togai")
        visit = Visit(request, await request.body(), path)
        answer: Answer | None
        try:
            answer = await self._steps(visit)
        except TogaiError as error:
            answer = Answer.json(error.status, error.body(), self._retry_after(visit, error.status))
        except Exception:
            log.exception("the sandbox failed on %s %s", request.method, visit.path)
            answer = Answer.json(500, {"message": "Internal server error"})
        self._world.note_call("togai", visit, None if visit.cut else answer)
        return CutResponse() if answer is None else await spoiled(answer, visit.rule, self._world.stopping)

    async def _steps(self, visit: Visit) -> Answer | None:
        """All steps; None when the connection is to be cut before anything ran."""
        visit.access = self._authenticate(visit.request)
        caller.set(visit.access.key)
        found = find(visit.request.method, visit.path)
        visit.operation = found[0].name if found else "unknown"
        self._limit(visit.access)
        visit.rule = self._world.faults.call("togai", visit.facts(found[1] if found else ""))
        if visit.rule and visit.rule.kind == "rate_limited":
            raise TogaiError(429, "Too many requests")
        if visit.rule and visit.rule.kind == "unauthorized":
            raise TogaiError(401, "Unauthorized")
        if visit.rule and visit.rule.kind == "lock_timeout":
            raise TogaiError(visit.rule.status or 409, "The resource is locked")
        if found is None:
            raise TogaiError(404, f"No such API: {visit.request.method} {visit.path}")
        if await hold_before(visit.rule, self._world.stopping):
            return None
        call = Call(self._world, visit.access.tenant, found[1], dict(visit.request.query_params), visit.body)
        return self._run(visit, found[0], call)

    def _run(self, visit: Visit, operation: Operation, call: Call) -> Answer:
        """Runs the operation in one transaction; an error takes back what it wrote."""
        rule = visit.rule
        if rule and rule.kind == "error_before":
            raise TogaiError(rule.status or 500, "Internal server error")
        kind = visit.request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        if visit.body and kind != "application/json":
            raise TogaiError(400, "The body must be application/json")
        with self._world.store.transaction():
            answer = operation.run(call)
        if rule and rule.kind == "error_after":
            raise TogaiError(rule.status or 500, "Internal server error")
        return answer

    def _authenticate(self, request: Request) -> Access:
        """What the token opens.

        Source: Togai docs, quotas and limits: 5 unauthenticated calls in 30 minutes and address, not adjustable. The
        docs do not name the status; 429 is what the spec has for quotas, and the lock holds for good tokens too.
        """
        address, seen = request.client.host if request.client else "", self._world.unauthenticated
        now, limit = self._world.clock.now(), self._world.settings.togai_unauthenticated
        if seen.full(address, limit, now):
            raise TogaiError(429, "Too many unauthenticated requests from this address")
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        access = self._world.tenants.access(token.strip(), "togai") if kind.lower() == "bearer" else None
        if access is None:
            seen.add(address, now)
            raise TogaiError(401, "Unauthorized")
        return access

    def _limit(self, access: Access) -> None:
        if self._world.second.full(access.tenant.scope, self._world.settings.togai_rate):
            raise TogaiError(429, "Too many requests")
        self._world.second.add(access.tenant.scope)

    def _retry_after(self, visit: Visit, status: int) -> dict[str, str]:
        if status != 429:
            return {}
        own = visit.rule.retry_after if visit.rule else None
        seconds = self._world.settings.togai_retry_after if own is None else own
        return {} if seconds is None else {"Retry-After": str(seconds)}
