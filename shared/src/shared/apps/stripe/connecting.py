"""A Stripe key as a connection: the mode by its prefix, signing secrets, the endpoint."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from shared.apps.connecting import Connector, FullKey, Wanted
from shared.connections import Connection, Secrets
from shared.errors import Misconfigured
from shared.settings import SANDBOX_STRIPE_KEY, Mode, Settings

SIGNING_SECRET = re.compile(r"whsec_[^\s,]+")


class StripeConnector(Connector):
    """Stripe tells the account of a key."""

    key_variable, base_variable = "STRIPE_API_KEY", "STRIPE_API_BASE"

    def own_key(self, settings: Settings) -> str:
        return settings.stripe_api_key.get_secret_value()

    def from_settings(self, settings: Settings) -> Wanted:
        return Wanted(
            id="con_stripe",
            app="stripe",
            key=self.own_key(settings) or SANDBOX_STRIPE_KEY * settings.sandboxed,
            api_base=settings.effective_stripe_api_base,
            webhook_secrets=tuple(secret.get_secret_value() for secret in settings.stripe_webhook_secrets),
        )

    def default_base(self, settings: Settings) -> str:
        return settings.effective_stripe_api_base

    def mode_of(self, wanted: Wanted) -> Mode:
        for prefix in ("sk_", "rk_"):
            for mode in ("test", "live"):
                if wanted.key.startswith(f"{prefix}{mode}_"):
                    return mode
        raise Misconfigured(
            "the key is none of Stripe's that Tandem can use: those begin with sk_test_, rk_test_, sk_live_ or rk_live_"
        )

    def full_key(self, key: str) -> FullKey | None:
        if not key.startswith("sk_live_"):
            return None
        return FullKey(
            "a secret key of Stripe (sk_live_), which may do everything: pay out, refund, delete",
            "make a restricted key (rk_live_) with the rights of docs/connecting.md, and put it in its place",
        )

    def secrets_of(self, wanted: Wanted, kept: Secrets) -> Secrets:
        if any(not SIGNING_SECRET.fullmatch(secret) for secret in wanted.webhook_secrets):
            raise Misconfigured(
                f"a signing secret of {wanted.id} is none of Stripe's: those begin with whsec_ and hold no blank; "
                "separate several by commas",
                connection=wanted.id,
            )
        return super().secrets_of(wanted, kept)

    def check_publishable(self, connection: Connection, key: str) -> None:
        if key and not re.fullmatch(rf"pk_{connection.mode}_[A-Za-z0-9_]{{8,250}}", key):
            raise Misconfigured(
                f"that is no publishable key of {connection.mode} mode: it begins with pk_{connection.mode}_. Copy it "
                "from the Dashboard's page of API keys; a secret key must not stand here",
                connection=connection.id,
            )

    def missing(self, secrets: Secrets) -> str:
        if secrets.webhook_secrets:
            return ""
        return "no signing secret: Stripe's webhooks are refused until STRIPE_WEBHOOK_SECRETS is set (see README)"

    def renewed(self, secrets: Secrets, connection: str, settings: Settings, *, finish: bool) -> Secrets:
        raise Misconfigured(
            f"{connection} is connected to Stripe, whose webhooks are signed: roll the signing secret there, "
            "and give both by STRIPE_WEBHOOK_SECRETS, or to `tandem connections add`, until it has rolled"
        )

    async def register(self, client: Any, secrets: Secrets, url: str, events: Sequence[str]) -> Secrets:
        """Make or adopt an endpoint."""
        same = [endpoint for endpoint in await client.webhook_endpoints() if endpoint["url"] == url]
        if same and secrets.webhook_secrets:
            return secrets
        for endpoint in same:
            await client.delete_webhook_endpoint(endpoint["id"])  # its secret was shown once and nobody kept it
        made = await client.create_webhook_endpoint(url, list(events))
        return Secrets(api_key=secrets.api_key, webhook_secrets=[made["secret"]])
