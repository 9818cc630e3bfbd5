"""Random identifiers in the vendors' own shapes."""

from __future__ import annotations

import secrets
import string

_ALPHABET = string.ascii_letters + string.digits
_LENGTHS = {"cus": 14, "req": 14, "evt": 24, "we": 24, "whsec": 32, "acct": 16, "txi": 24, "rk_test": 24, "rk_live": 24}


def random_text(length: int) -> str:
    """Letters and digits from the system's random source."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def stripe_id(prefix: str) -> str:
    """An id such as `cus_NffrFeUfNV2Hib`."""
    return f"{prefix}_{random_text(_LENGTHS.get(prefix, 24))}"


def togai_id(noun: str) -> str:
    """An id such as `customer.20sidL2HJ7o.vvzDT`."""
    return f"{noun}.{random_text(11)}.{random_text(5)}"
