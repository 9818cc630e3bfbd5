"""A service looks seldom for garbage: whenever it goes through all that it holds, every event waits."""

import subprocess
import sys

OBJECTS = 400_000
"""Several times the 70,000 after which Python by itself looks through all of them."""

PROGRAM = f"""
import gc
from shared.garbage import collect_seldom
collect_seldom()
looks = gc.get_stats()[2]["collections"]
kept = [[number] for number in range({OBJECTS})]
print(gc.get_freeze_count() > 0, gc.get_stats()[2]["collections"] - looks)
"""


def test_what_a_service_holds_is_seldom_looked_through() -> None:
    """The code that was loaded is never looked through again, and what an import makes not at every few thousand."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "0"]
