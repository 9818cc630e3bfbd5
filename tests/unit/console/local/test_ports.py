"""Free ports."""

from __future__ import annotations

from console.local.ports import free_port


def test_no_port_is_given_twice_though_nobody_listens_yet() -> None:
    """Who asked for one listens only some seconds later: the next to ask must not get it too."""
    ports = [free_port(in_a_row=2) for _ in range(500)]

    assert len({*ports, *(port + 1 for port in ports)}) == 1_000
