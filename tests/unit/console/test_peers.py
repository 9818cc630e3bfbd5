"""Whose program is at the other end of a connection."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest
from console.api.peers import user_of


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_kernel_tells_whose_a_connection_is(host: str) -> None:
    """Of this machine's: by both its ends."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        here = server.getsockname()
        with socket.create_connection(here[:2]):
            taken, caller = server.accept()
            with taken:
                assert user_of(caller, here) == os.getuid()
                assert user_of([caller[0], str(caller[1])], [here[0], str(here[1])]) == os.getuid()


@pytest.mark.parametrize("ends", [(None, None), (("testclient", 1), ("x", 2)), (("127.0.0.1", 1), ("127.0.0.1", None))])
def test_who_is_not_known_is_nobody(ends: tuple[Any, Any]) -> None:
    """Whatever a server says of the ends of a connection."""
    assert user_of(*ends) is None
