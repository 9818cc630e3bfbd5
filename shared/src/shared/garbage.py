"""How often a service looks for garbage: objects that hold each other. All others go when nothing holds them."""

from __future__ import annotations

import gc

NEW, YOUNG, OLD = 5_000, 10, 100
"""New objects after which the new ones are looked through, how many such looks make one through the young ones, and how
many of those one through all: 5,000,000 objects. Python's own 700, 10 and 10 had a worker stand still for 40 to 70 ms
every 13 s during an import (`benchmarks.importing`), and each event behind it waited.
"""


def collect_seldom() -> None:
    """Set this process's collector, once its code is loaded: what exists by now stays, and is never looked through."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW, YOUNG, OLD)
