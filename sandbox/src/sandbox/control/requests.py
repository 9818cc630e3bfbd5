"""How a request of the control API is read and answered."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.store import Json, dump, load
from sandbox.stripe_api.errors import StripeError
from sandbox.tenants import Tenant
from sandbox.togai_api.errors import TogaiError
from sandbox.world import World

B = TypeVar("B", bound=BaseModel)
Run = Callable[[Request], Awaitable[Any]]


class ControlError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def tenant_of(world: World, name: str, app: str | None = None) -> Tenant:
    """The account that a request names; raises for one that is not there, or not at this app."""
    tenant = world.tenants.find(name)
    if tenant is None or (app and tenant.app != app):
        raise ControlError(404, f"no {app or ''} account {name!r}")
    return tenant


async def json_of(request: Request, loads: Callable[[str], Any] = json.loads) -> Json:
    """The body of a request, an object."""
    try:
        given = loads((await request.body() or b"{}").decode())
    except ValueError as error:
        raise ControlError(400, "the body is not JSON") from error
    if not isinstance(given, dict):
        raise ControlError(400, "the body is not an object")
    return given


async def read(request: Request, model: type[B]) -> B:
    """The body of a request as its model; amounts in it stay exact."""
    return model.model_validate(await json_of(request, load))


def answering(run: Callable[[Request], Awaitable[Any]]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return Response(dump(await run(request)), media_type="application/json")
        except (ControlError, StripeError, TogaiError) as error:
            return JSONResponse({"error": str(error)}, error.status)
        except ValidationError as error:
            shown = error.errors(include_url=False, include_context=False, include_input=False)
            return JSONResponse({"error": "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in shown)}, 400)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 409)

    return endpoint
