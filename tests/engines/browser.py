"""A real browser: Debian's Chromium, driven by Playwright. A machine without one fails the test that asks for it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Page, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
]  # fmt: skip


def executable() -> str:
    """Where it is. Raises AssertionError that says how to have one."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    assert found, "no Chromium here: `apt-get install chromium`, or run the tests that are not long"
    return found


@asynccontextmanager
async def browser_page(*, scripts: bool = True) -> AsyncIterator[Page]:
    """A page of a fresh profile."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable(), args=FLAGS)
        try:
            yield await (await browser.new_context(java_script_enabled=scripts)).new_page()
        finally:
            await browser.close()
