"""`make up` with keys: the vendors' accounts are somebody's own, a sandbox behind other addresses replaces them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from console.local.ports import free_port

from tests.contract.sandbox.tools import Control, Process
from tests.e2e.home import Place, Up, until

STRIPE, TOGAI = "sk_test_x", "togai_x"
LIVE = "sk_live_x"


@pytest.fixture
def vendors(tmp_path: Path) -> Iterator[Process]:
    """A sandbox that Tandem did not start, with accounts that are not the sandbox's own."""
    running = Process(tmp_path / "vendors", free_port())
    running.start()
    control = Control(running.url)
    control.account("stripe", id="acct_own", key=STRIPE)
    control.account("togai", id="org_own", key=TOGAI)
    yield running
    control.http.close()
    running.stop()


def test_with_keys(tmp_path: Path, vendors: Process, up: Callable[[Place], Up]) -> None:
    """The flows work between the accounts of the keys, and no demo is made."""
    place = Place(tmp_path / "home")
    hook_token = secrets.token_urlsafe(24)
    ingress = f"http://127.0.0.1:{place.ports['ingress']}"
    control = Control(vendors.url)
    stripe = httpx.Client(
        base_url=f"{vendors.url}/stripe", headers={"Authorization": f"Bearer {STRIPE}"}, trust_env=False
    )
    togai = httpx.Client(base_url=f"{vendors.url}/togai", headers={"Authorization": f"Bearer {TOGAI}"}, trust_env=False)
    hook = {"url": f"{ingress}/webhooks/stripe/con_stripe", "enabled_events[0]": "*"}
    secret = stripe.post("/v1/webhook_endpoints", data=hook).raise_for_status().json()["secret"]
    address = f"{ingress}/webhooks/togai/con_togai/account.created/{hook_token}"
    control.call("POST", "/subscriptions", {"account": "org_own", "url": address})
    place.keys = {
        "STRIPE_API_KEY": STRIPE,
        "TOGAI_API_TOKEN": TOGAI,
        "STRIPE_API_BASE": f"{vendors.url}/stripe",
        "TOGAI_API_BASE": f"{vendors.url}/togai",
        "TOGAI_MODE": "test",
        "STRIPE_WEBHOOK_SECRETS": f"whsec_former,{secret}",
        "TOGAI_WEBHOOK_TOKEN": hook_token,
        "TANDEM_DEFAULT_CURRENCY": "USD",
    }

    running = up(place)
    running.runs()
    assert f"Stripe calls {hook['url']}" in running.text
    _links_both_ways(place, stripe, togai)
    state = {account: control.call("GET", "/state", account=account) for account in ("acct_own", "org_own")}
    assert len(state["acct_own"]["customers"]) == len(state["org_own"]["accounts"]) == 2
    assert "sandbox" not in {part["name"] for part in place.api("/status")["parts"]}
    _keeps_secrets(running, secret, hook_token)
    running.ctrl_c()
    assert running.left() == []
    control.http.close()


@pytest.mark.long("the gate sees the refusal in tests/integration/console/test_setup.py")
def test_a_live_key_with_a_test_togai_is_refused(tmp_path: Path, vendors: Process, up: Callable[[Place], Up]) -> None:
    """The start ends, and says which two do not go together."""
    control = Control(vendors.url)
    control.account("stripe", id="acct_own", key=LIVE, live=True)
    control.http.close()
    bases = {f"{app.upper()}_API_BASE": f"{vendors.url}/{app}" for app in ("stripe", "togai")}
    keys = {"STRIPE_API_KEY": LIVE, "TOGAI_API_TOKEN": TOGAI, "TOGAI_MODE": "test"}

    mixed = up(Place(tmp_path / "home", keys | bases))
    assert mixed.left() == []
    assert mixed.process.returncode != 0
    assert "joins the live connection con_stripe with the test connection con_togai" in mixed.text
    assert "Traceback" not in mixed.text


def _links_both_ways(place: Place, stripe: httpx.Client, togai: httpx.Client) -> None:
    made = stripe.post("/v1/customers", data={"name": "Globex", "email": "g@globex.test"}).raise_for_status().json()
    account: dict[str, Any] = {"id": "acme", "name": "Acme", "invoiceCurrency": "EUR"}
    customer = {"id": "c-acme", "name": "Acme", "primaryEmail": "a@acme.test", "address": {"country": "DE"}}
    togai.post("/customers", json=customer | {"account": account}).raise_for_status()

    pairs = until(lambda: len(found := place.linked()) == 2 and found, "both customers linked")
    assert pairs[f"acc_{made['id']}"] == made["id"]
    assert stripe.get(f"/v1/customers/{pairs['acme']}").json()["metadata"]["togai_account_id"] == "acme"


def _keeps_secrets(running: Up, *hidden: str) -> None:
    logs = "\n".join(file.read_text(errors="replace") for file in (running.place.folder / "logs").iterdir())
    api = "\n".join(
        httpx.get(f"http://127.0.0.1:{running.place.ports['console']}/api{path}", trust_env=False, timeout=20).text
        for path in ("/connections", "/status", "/setup")
    )

    assert [s for s in (STRIPE, TOGAI, *hidden) if s in logs or s in api] == []
