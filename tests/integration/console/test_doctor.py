"""The doctor on a Tandem that runs."""

from __future__ import annotations

import json

from cryptography.fernet import Fernet

from tests.integration.console.test_manage import command
from tests.stack.tenants import Tenant


async def test_what_an_older_key_seals_is_found_and_counted_in_the_status(tenant: Tenant) -> None:
    """A rotation that nobody ended: the new key is first, and every connection is still sealed by the former one."""
    env = tenant.stack.environment()
    former = env.get("TANDEM_ENCRYPTION_KEYS") or (tenant.stack.settings().home / "secrets/encryption.key").read_text()
    rotated = {"TANDEM_ENCRYPTION_KEYS": f"{Fernet.generate_key().decode()},{former.strip()}"}
    mine = f"con_s{tenant.name}"

    def about_mine(output: str) -> list[str]:
        return [one["code"] for one in json.loads(output)["findings"] if mine in one["what"]]

    code, before = await command(tenant, "doctor", "--json")
    assert about_mine(before) == []
    assert json.loads(before)["safe"] is (code == 0)

    code, after = await command(tenant, "doctor", "--json", **rotated)
    assert (code, about_mine(after)) == (1, ["sealed_by_older_key"])
    assert former.strip() not in after

    _, output = await command(tenant, "status", **rotated)
    assert "unsafe: " in output
    assert "see `tandem doctor`" in output
