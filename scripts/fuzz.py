"""Fuzz the webhook door with atheris, guided by coverage of ingress's own code.

The properties are those of `tests/unit/ingress/test_hostile_input.py`; atheris draws the bytes instead of Hypothesis.
It is no part of `make test`, and not locked with it:
`uv run --with atheris==3.0.0 python scripts/fuzz.py -max_total_time=600`.
Further options are those of libFuzzer. What breaks a property is written as `crash-…`, and repeated by naming it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris  # type: ignore[import-untyped]

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
with atheris.instrument_imports(include=["ingress", "shared.events", "shared.apps", "shared.identity"]):
    from tests.unit.ingress import test_hostile_input as hostile

PROPERTIES = (
    hostile.test_any_request_gets_an_honest_answer,
    hostile.test_any_signed_body_is_taken_as_it_is_or_refused,
    hostile.test_any_body_at_togais_address_is_kept,
    hostile.test_one_bit_makes_a_forgery,
    hostile.test_no_other_token_opens_togais_address,
)
KEPT = 10_000
"""Records that the log in memory keeps at most: hours of fuzzing must fit."""


def one(data: bytes) -> None:
    """The first byte chooses the property, the rest is what it is tried with."""
    if not data:
        return
    PROPERTIES[data[0] % len(PROPERTIES)].hypothesis.fuzz_one_input(data[1:])  # type: ignore[attr-defined]
    if len(hostile.INGRESS.log.written) > KEPT:
        hostile.INGRESS.log.written.clear()


if __name__ == "__main__":
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()
