"""Waiting until the console has folded the whole log into its tables."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.engines import access
from tests.stack.processes import until


async def folded(bootstrap: str, database: Path) -> None:
    """Return when every position in the tables is the end of its partition."""
    consumer = AIOKafkaConsumer(**access.options(bootstrap), group_id=None)
    await consumer.start()

    async def at_the_end() -> bool:
        positions = _positions(database)
        ends = await consumer.end_offsets([TopicPartition(*p) for p in positions])
        return bool(positions) and all(positions[p.topic, p.partition] == end for p, end in ends.items())

    try:
        await until(at_the_end, "the console has folded the log")
    finally:
        await consumer.stop()


def _positions(database: Path) -> dict[tuple[str, int], int]:
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as connection:
            rows = connection.execute("SELECT topic, partition, next_offset FROM positions").fetchall()
    except sqlite3.OperationalError:
        return {}  # not there yet
    return {(topic, partition): offset for topic, partition, offset in rows}
