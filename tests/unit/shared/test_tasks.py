"""One idiom for tasks: begun again after a failure, and stopped for certain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaError
from shared.tasks import Repeated, ended, forever, of_kafka, restarted
from structlog.testing import capture_logs


def at_once(_error: Exception) -> float:
    return 0.0


def failing(*errors: BaseException, then: Callable[[], None]) -> Callable[[], object]:
    """Work that raises one error after the other, and afterwards calls `then` and waits."""
    left = list(errors)

    async def work() -> None:
        if left:
            raise left.pop(0)
        then()
        await asyncio.Event().wait()

    return work


@pytest.mark.parametrize(
    "error",
    [KafkaConnectionError(), ValueError("a bug"), ExceptionGroup("tasks", [KafkaError()]), asyncio.CancelledError()],
)
async def test_work_begins_again_after_any_failure(error: BaseException) -> None:
    """Also after a cancellation that came from inside the Kafka client."""
    reached = asyncio.Event()
    task = asyncio.create_task(forever(failing(error, then=reached.set), at_once))  # type: ignore[arg-type]

    async with asyncio.timeout(5):
        await reached.wait()
    await ended(task)

    assert task.cancelled()


@pytest.mark.parametrize(
    ("error", "level"),
    [
        (KafkaError(), "warning"),
        (TimeoutError(), "warning"),
        (ExceptionGroup("tasks", [KafkaError(), TimeoutError()]), "warning"),
        (ExceptionGroup("tasks", [KafkaError(), ValueError()]), "error"),
        (ValueError(), "error"),
    ],
)
def test_kafka_away_is_a_warning_and_anything_else_an_error(error: Exception, level: str) -> None:
    """The members of a task group count as the errors themselves."""
    with capture_logs() as logged:
        pause = restarted("leases", 3.0)(error)

    assert (pause, [(line["event"], line["log_level"]) for line in logged]) == (3.0, [("leases.restarted", level)])
    assert of_kafka(error) is (level == "warning")


async def test_a_fatal_error_ends_the_task_and_is_kept() -> None:
    """An error of Kafka does not: the work begins again."""
    done = asyncio.Event()

    async def on_end() -> None:
        done.set()

    bug = ValueError("unknown version")
    work = failing(KafkaError(), bug, then=done.set)
    async with Repeated("replica", work, fatal=True, on_end=on_end, restart_after=0.0) as repeated:  # type: ignore[arg-type]
        async with asyncio.timeout(5):
            await done.wait()

    assert repeated.failed is bug


async def test_a_swallowed_cancellation_is_sent_again() -> None:
    """A task that loses its first cancellation is cancelled until it has ended, beside one that ends at once."""
    cancelled = 0

    async def stubborn() -> None:
        nonlocal cancelled
        while cancelled < 2:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled += 1

    tasks = [asyncio.create_task(stubborn()), asyncio.create_task(asyncio.Event().wait())]
    await asyncio.sleep(0)
    await ended(*tasks, None)

    assert (cancelled, [task.done() for task in tasks]) == (2, [True, True])


async def test_work_ends_although_its_cancellation_was_swallowed() -> None:
    """`forever` asks at every turn whether it was cancelled."""
    turns = 0

    async def work() -> None:
        nonlocal turns
        turns += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    task = asyncio.create_task(forever(work, at_once, 0.0))
    await asyncio.sleep(0)
    await ended(task)

    assert (turns, task.cancelled()) == (1, True)
