"""What the API answers when it cannot do what was asked: one handler, and every body says what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import Field
from shared.errors import Misconfigured, NotReady, Permanent, Retryable, SyncError
from shared.log import get_logger
from shared.model import Model
from sqlalchemy.exc import DataError, SQLAlchemyError
from starlette.exceptions import HTTPException

NO_SNIFFING = {"X-Content-Type-Options": "nosniff"}
"""JSON with a customer's name in it is never read as a page or a script."""

log = get_logger(__name__)


class ErrorInfo(Model):
    """What went wrong and what to do about it."""

    code: str = Field(description="short and stable, for programs", examples=["not_found"])
    message: str = Field(description="for people", examples=["there is no run run_1f2e"])
    what_to_do: str = Field(description="the next step", examples=["find it with `tandem runs list --id` and any id"])


class ErrorBody(Model):
    """The body of every answer of 400 and above."""

    error: ErrorInfo


class ApiError(Exception):
    """An answer that is not a success. `what_to_do` is the next step of whoever asked, `code` a narrower one."""

    status = 500
    code = "internal"

    def __init__(self, message: str, what_to_do: str, *, code: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.what_to_do = what_to_do
        self.code = code or self.code


class BadRequest(ApiError):
    """The request itself is wrong."""

    status = 400
    code = "bad_request"


class Unknown(ApiError):
    """No such record in the tables."""

    status = 404
    code = "not_found"


class NotNow(ApiError):
    """The record is in a state in which this cannot be done."""

    status = 409
    code = "wrong_state"


def only_one(found: Iterable[str], text: str, noun: str, command: str) -> str:
    """The full ref of the one entity to which an id leads; `command` lists them. Raises Unknown, NotNow."""
    refs = sorted(found)
    if len(refs) == 1:
        return refs[0]
    if not refs:
        raise Unknown(f"no {noun} {text[:100]} is known here", f"`{command}` shows those that Tandem has seen")
    raise NotNow(f"{text[:100]} leads to several {noun}s: {', '.join(refs[:10])}", "name one by its full ref")


HTTP_CODES = {404: "not_found", 413: "too_large"}


def error_body(code: str, message: str, what_to_do: str) -> dict[str, Any]:
    """The one form of an error."""
    return {"error": {"code": code, "message": message, "what_to_do": what_to_do}}


def describe(error: Exception) -> tuple[int, str, str, str]:
    """Status, code, message and what to do. 5xx means "send it again", 4xx "do not"."""
    if isinstance(error, ApiError):
        return error.status, error.code, error.message, error.what_to_do
    if isinstance(error, RequestValidationError):
        fault = error.errors()[0]
        where = " ".join(str(part) for part in fault["loc"])
        return (
            422,
            "invalid",
            f"{where}: {fault['msg'].removeprefix('Value error, ')}",
            "correct it; /docs lists every parameter",
        )
    if isinstance(error, HTTPException):
        status = error.status_code
        return status, HTTP_CODES.get(status, "http"), str(error.detail), "see /docs for what there is"
    if isinstance(error, NotReady):
        return 503, "not_ready", error.message, "ask again in a few seconds"
    if isinstance(error, Retryable):
        return 503, "unavailable", error.message, "nothing was changed; see `tandem status`, then try again"
    if isinstance(error, Misconfigured):
        return (
            422,
            error.code or "misconfigured",
            error.message,
            "correct the setting or the connection, then try again",
        )
    if isinstance(error, Permanent | SyncError):
        return 422, error.code or "refused", error.message, "correct the request"
    if isinstance(error, DataError):
        return 400, "bad_request", "the request holds what no id or text does", "correct it: no NUL and no surrogates"
    if isinstance(error, SQLAlchemyError):
        return 503, "database", "the console's database does not answer", "check DATABASE_URL and the server behind it"
    return 500, "internal", "an unexpected error", "see the console's log for its traceback, and report it"


async def _answer(request: Request, error: Exception) -> JSONResponse:
    status, code, message, what_to_do = describe(error)
    if status >= 500:
        log.error("api.failed", path=request.url.path, code=code, exc_info=error if status == 500 else None)
    # The answer to a bug is sent past every middleware.
    return JSONResponse(error_body(code, message, what_to_do), status_code=status, headers=NO_SNIFFING)


def install(app: FastAPI) -> None:
    """Every error of a route goes through one handler."""
    for kind in (ApiError, RequestValidationError, HTTPException, SyncError, SQLAlchemyError, Exception):
        app.add_exception_handler(kind, _answer)
