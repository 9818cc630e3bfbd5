"""A question about asyncio tasks that more than one loop must ask."""

from __future__ import annotations

import asyncio


def was_cancelled() -> bool:
    """Whether the running task was really cancelled.

    aiokafka lets the cancellation of its own inner futures out when a broker dies: seen from `end_offsets`, it ended
    the task that had asked, without a word.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
