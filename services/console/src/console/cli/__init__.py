"""The `tandem` command. `python -m console.cli` is the same."""

from __future__ import annotations

from console.cli.frame import main

__all__ = ["main"]
