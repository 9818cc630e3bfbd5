"""Cancellation beside aiokafka.

It lets the cancellation of its own inner futures out when a broker dies: seen from `end_offsets`, that ended the task
that had asked, without a word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from aiokafka.errors import KafkaError

T = TypeVar("T")


class GaveUp(KafkaError):  # type: ignore[misc]
    """The Kafka client broke off a call that nobody had cancelled."""


def was_cancelled() -> bool:
    """Whether the running task was really cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def unless_cancelled(work: Awaitable[T]) -> T:
    """What the work gives. Raises GaveUp for a cancellation that nobody asked of the running task."""
    try:
        return await work
    except asyncio.CancelledError as error:
        if was_cancelled():
            raise
        raise GaveUp("the Kafka client gave up a call") from error
