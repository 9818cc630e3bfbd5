"""Webhooks of Togai at an even pace, whatever the answers: as a vendor sends them.

    python -m benchmarks.load_togai URL PER_SECOND SECONDS

Each tells of a new account. Prints one JSON object: by account, when it was sent and answered, in epoch seconds.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time

import aiohttp


async def send(url: str, per_second: float, seconds: float) -> dict[str, list[float]]:
    """Send for so long. Raises SystemExit if one was refused."""
    run, found = secrets.token_hex(4), {}
    async with aiohttp.ClientSession() as http:

        async def one(account: str) -> None:
            sent = time.time()
            body = {"payload": {"id": account, "customerId": f"c-{account}", "invoiceCurrency": "USD"}}
            async with http.post(url, json=body) as answer:
                if answer.status != 200:
                    raise SystemExit(f"refused: {answer.status} {await answer.text()}")
            found[account] = [sent, time.time()]

        async with asyncio.TaskGroup() as tasks:
            begin, number = time.monotonic(), 0
            while (due := begin + number / per_second) < begin + seconds:
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                tasks.create_task(one(f"b-{run}-{number}"))
                number += 1
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(send(sys.argv[1], float(sys.argv[2]), float(sys.argv[3])))))
