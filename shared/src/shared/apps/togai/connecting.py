"""A Togai token as a connection: the mode by the address, the organization, the token in the address that it calls."""

from __future__ import annotations

import secrets as random
from collections.abc import Mapping

import httpx2

from shared.apps.connecting import Connector, Wanted
from shared.connections import Connection, Secrets
from shared.errors import Misconfigured, Unavailable
from shared.identity import AppAccount
from shared.settings import SANDBOX_TOGAI_TOKEN, TOGAI_API, Mode, Settings
from shared.tls import trusted

EVENT = "account.created"
"""The event that a person sets up first, as our address names it."""
SHORTEST_TOKEN = 22
"""Characters of a token in an address: 128 bits in base64."""


class TogaiConnector(Connector):
    """Togai does not always tell the organization of a token, and signs nothing."""

    key_variable, base_variable = "TOGAI_API_TOKEN", "TOGAI_API_BASE"

    def own_key(self, settings: Settings) -> str:
        return settings.togai_api_token.get_secret_value()

    def from_settings(self, settings: Settings) -> Wanted:
        tokens = tuple(token.get_secret_value() for token in settings.togai_webhook_tokens)
        return Wanted(
            id="con_togai",
            app="togai",
            key=self.own_key(settings) or SANDBOX_TOGAI_TOKEN * settings.sandboxed,
            api_base=settings.effective_togai_api_base,
            webhook_token=tokens[0] if tokens else "",
            former_webhook_tokens=tokens[1:],
            organization=settings.togai_organization,
            mode=settings.togai_mode or ("test" if settings.sandboxed else None),
        )

    def default_base(self, settings: Settings) -> str:
        return settings.effective_togai_api_base

    def mode_of(self, wanted: Wanted) -> Mode:
        """By the address; `mode` is for one that is not Togai's own."""
        base, mode = wanted.api_base, wanted.mode
        known: Mode | None = TOGAI_API.get(base.rstrip("/"))  # type: ignore[assignment]
        if known and mode and known != mode:
            raise Misconfigured(f"TOGAI_MODE says {mode}, but {base} is Togai's {known} address: remove TOGAI_MODE")
        if not (found := known or mode):
            raise Misconfigured(f"{base} is not one of Togai's own addresses: say TOGAI_MODE=test or TOGAI_MODE=live")
        return found

    def account_of(self, wanted: Wanted, named: str) -> str:
        if named and wanted.organization and named != wanted.organization:
            raise Misconfigured(
                f"TOGAI_ORGANIZATION says {wanted.organization}, Togai says {named}: correct or remove it"
            )
        if not (found := named or wanted.organization):
            raise Misconfigured(
                "Togai does not tell which organization this token belongs to: set TOGAI_ORGANIZATION to its id, which "
                "two tokens of one organization must share"
            )
        return found

    def secrets_of(self, wanted: Wanted, kept: Secrets) -> Secrets:
        found = super().secrets_of(wanted, kept)
        found.webhook_token = wanted.webhook_token or kept.webhook_token or new_token()
        # Who names the present token names all that hold beside it.
        former = list(wanted.former_webhook_tokens) if wanted.webhook_token else kept.former_webhook_tokens
        found.former_webhook_tokens = former
        if any(len(token) < SHORTEST_TOKEN or "/" in token for token in found.webhook_tokens):
            raise Misconfigured(
                f"TOGAI_WEBHOOK_TOKEN must have {SHORTEST_TOKEN} or more characters and no slash; empty, one is made"
            )
        return found

    def webhook_path(self, secrets: Secrets, event: str = "") -> str:
        return f"/{event or EVENT}/{secrets.webhook_token}"

    def renewed(self, secrets: Secrets, connection: str, settings: Settings, *, finish: bool) -> Secrets:
        if secrets.webhook_token in {token.get_secret_value() for token in settings.togai_webhook_tokens}:
            raise Misconfigured(
                f"the token of {connection} is set by TOGAI_WEBHOOK_TOKEN: write the new one before it with a comma "
                "between and start Tandem again; take the former one out when Togai calls the new address"
            )
        if finish:
            secrets.former_webhook_tokens = []
        else:
            secrets.former_webhook_tokens = secrets.webhook_tokens
            secrets.webhook_token = new_token()
        return secrets

    async def subscribe(self, connection: Connection, settings: Settings, hooks: Mapping[str, str]) -> None:
        """By the sandbox's own pages: Togai has no call for it."""
        account = AppAccount.parse(connection.app_account).account
        url, timeout = settings.sandbox_url, settings.call_timeout
        async with httpx2.AsyncClient(base_url=url, timeout=timeout, verify=trusted()) as http:
            try:
                answer = await http.get("/control/subscriptions", params={"account": account})
                known = {one["url"] for one in answer.json()["subscriptions"]}
                for title, url in hooks.items():
                    if url not in known:
                        body = {"account": account, "event": title, "url": url}
                        (await http.post("/control/subscriptions", json=body)).raise_for_status()
            except httpx2.HTTPError as error:
                raise Unavailable(f"the sandbox at {settings.sandbox_url} does not answer: {error!r}") from error


def new_token() -> str:
    """A token for the webhook address: 192 random bits."""
    return random.token_urlsafe(24)
