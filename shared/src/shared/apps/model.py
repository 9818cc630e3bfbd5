"""What an app is, as data. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class App:
    """A system that we talk to."""

    name: str
    title: str
