"""Polling that ended begins again: soon where that helps, seldom where it would only read the index again."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn, cast

import pytest
from aiokafka.errors import KafkaError
from ingress.polling.scheduler import AGAIN_AFTER, SELDOM_AFTER, PollScheduler


class Failing(PollScheduler):
    """Serves nothing: it fails with one error after the other, and waits when they are used up."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__(cast(Any, None))
        self.errors = list(errors)
        self.paused: list[tuple[str, float]] = []
        self.used_up = asyncio.Event()

    async def _serve(self) -> NoReturn:
        if not self.errors:
            self.used_up.set()
            await asyncio.Event().wait()
        raise self.errors.pop(0)

    def _failed(self, error: Exception) -> float:
        pause = super()._failed(error)
        self.paused.append((self.problem, pause))
        return 0.0


async def test_what_ends_polling_is_reported_and_tried_again() -> None:
    """A record that cannot be read stays so; a broker comes back."""
    scheduler = Failing(KafkaError("away"), ValueError("unreadable"), RuntimeError())
    task = asyncio.create_task(scheduler.run())
    await asyncio.wait_for(scheduler.used_up.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert scheduler.paused == [
        (str(KafkaError("away")), AGAIN_AFTER), ("unreadable", SELDOM_AFTER), ("RuntimeError()", SELDOM_AFTER),
    ]  # fmt: skip
    assert AGAIN_AFTER < SELDOM_AFTER
