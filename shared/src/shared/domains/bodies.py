"""Reading an event's body as a model: what does not fit is Malformed, and ends as a dead letter with the reason."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from shared.errors import Malformed

Body = TypeVar("Body", bound=BaseModel)


def read_event(model: type[Body], body: Any, lacks: str) -> Body:
    """The body of an event that may come from outside: nothing of it is repeated. `lacks` is as "offers no plan".

    Raises Malformed.
    """
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise Malformed(f"the event {lacks}: {error.error_count()} fields do not fit") from error


def read_request(model: type[Body], body: Any, what: str) -> Body:
    """What a person asked for in the console, with what is wrong of it. `what` is as "the request for a link".

    Raises Malformed.
    """
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise Malformed(f"{what} does not fit: {error}") from error
