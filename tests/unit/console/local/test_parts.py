"""The parts as data."""

from __future__ import annotations

import pytest
from console.local.errors import LocalError
from console.local.parts import parse_workers, reachable, worker_parts
from console.local.up import Step, plan
from pydantic import SecretStr
from shared.domains import services
from shared.settings import Settings

NOTHING = Step("nothing", lambda: _nothing())


async def _nothing() -> None: ...


def test_workers_know_the_whole_quotas() -> None:
    """Nothing is divided among them: they lease from one allocator."""
    workers = worker_parts(Settings(stripe_quota=30, togai_quota=6), {"customer-sync": 3})
    given = [
        {name for name in worker.env if "QUOTA" in name and worker.env[name] in ("10.0", "2.0")} for worker in workers
    ]

    assert given == [set()] * 3


def test_workers_have_names_and_ports_of_their_own() -> None:
    """A worker keeps its id over restarts, and no two share a port."""
    workers = worker_parts(Settings(), {"customer-sync": 2})

    assert [worker.env["TANDEM_WORKER_ID"] for worker in workers] == ["customer-sync-1", "customer-sync-2"]
    assert len({worker.env["TANDEM_WORKER_PORT"] for worker in workers}) == 2


def test_number_of_workers() -> None:
    """A worker that is not named runs once."""
    once = dict.fromkeys(services(), 1)

    assert parse_workers([]) == once
    assert parse_workers(["customer-sync=3"]) == once | {"customer-sync": 3}


@pytest.mark.parametrize("wanted", ["customer-sync", "customer-sync=0", "customer-sync=x", "nobody=2", "=1"])
def test_impossible_workers(wanted: str) -> None:
    """What cannot be meant is refused with the form that is."""
    with pytest.raises(LocalError, match="NAME=NUMBER with one of: customer-sync"):
        parse_workers([wanted])


def test_the_sandbox_runs_only_without_keys() -> None:
    """With both keys the plan has no sandbox; without any it stands before the set-up."""
    both = Settings(stripe_api_key=SecretStr("sk_test_1"), togai_api_token=SecretStr("t"))
    none = Settings(stripe_api_key=SecretStr(""), togai_api_token=SecretStr(""))
    with_keys = plan(both, {"customer-sync": 1}, NOTHING, NOTHING)
    without = plan(none, {"customer-sync": 1}, NOTHING, NOTHING)

    assert [[item.name for item in group] for group in with_keys] == [
        ["nothing"],
        ["nothing"],
        ["ingress", "customer-sync-1", "console"],
    ]
    assert [item.name for item in without[0]] == ["nothing", "sandbox"]


@pytest.mark.parametrize(("host", "address"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("10.1.2.3", "10.1.2.3")])
def test_reachable(host: str, address: str) -> None:
    """What listens everywhere is asked on loopback."""
    assert reachable(host) == address
