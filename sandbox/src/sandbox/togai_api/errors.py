"""Togai's error body: a message and nothing else (source: Togai OpenAPI spec, ErrorResponse)."""

from __future__ import annotations

LONGEST_MESSAGE = 500


class TogaiError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message[:LONGEST_MESSAGE]

    def body(self) -> dict[str, str]:
        """The error body."""
        return {"message": self.message}


def not_found(noun: str, id: str) -> TogaiError:
    """The answer for an id that is not there."""
    return TogaiError(404, f"{noun} with id {id} not found")
