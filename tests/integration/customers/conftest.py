"""One sandbox process for the folder; every test has accounts and a worker of its own inside its own process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.contract.sandbox.conftest import control as control
from tests.contract.sandbox.conftest import process as process
from tests.contract.sandbox.tools import Control
from tests.stack.console import Console
from tests.stack.in_process import InProcess, in_process


class Make(Protocol):
    async def __call__(self, *more_stripe: str, **settings: Any) -> InProcess: ...


@pytest.fixture
async def make(control: Control) -> AsyncIterator[Make]:
    """Workers with settings of their own."""
    async with AsyncExitStack() as stack:

        async def made(*more_stripe: str, **settings: Any) -> InProcess:
            return await stack.enter_async_context(in_process(control, *more_stripe, **settings))

        yield made


@pytest.fixture
async def tandem(make: Make) -> InProcess:
    """A worker as it comes."""
    return await make(default_currency="USD", synced_metadata=["VATN"])


@pytest.fixture
def console(tandem: InProcess, tmp_path: Path) -> Iterator[Console]:
    """A console that shows what the worker of `tandem` wrote."""
    made = Console(tandem, tmp_path)
    yield made
    made.close()
