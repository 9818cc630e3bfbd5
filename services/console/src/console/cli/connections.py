"""`tandem connections`."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer
from rich.text import Text
from shared.apps import APPS
from shared.apps.connecting import Wanted
from shared.connections import Vault, encryption_keys
from shared.settings import Mode

from console import manage
from console.cli import client, tables
from console.cli.errors import settings as read_settings
from console.cli.terminal import say
from console.connect import known_to_set_up, webhook_address
from console.connection_options import limits_shown, shown

app = typer.Typer(help="The keys to your accounts at the apps.", no_args_is_help=True)

COLUMNS = ("Connection", "State", "App account", "Mode", "Address", "Limits", "Says")


def _row(found: dict[str, Any]) -> tuple[object, ...]:
    style = "red" if found["problems"] else "green" if found["state"] == "open" else "dim"
    return (
        found["id"],
        Text(found["state"], style=style),
        found["app_account"],
        found["mode"],
        found["api_base"],
        limits_shown(found["limits"]),
        "\n".join(found["problems"]) or found["reason"],
    )


@app.command("list")
def list_(json: client.AsJson = False) -> None:
    """List connections, removed ones too. Their secrets are never shown."""
    answer = client.call("GET", "/api/connections")
    empty = "No connection yet: set STRIPE_API_KEY and TOGAI_API_TOKEN in .env and run `make up`."
    tables.show_list(answer, COLUMNS, _row, empty, json=json)


@app.command("add")
def add(
    app_name: Annotated[str, typer.Argument(metavar="APP", help=f"{' or '.join(APPS)}.")],
    connection_id: Annotated[str, typer.Argument(metavar="ID", help="A name of your own, as con_stripe_eu.")],
    key: Annotated[
        str, typer.Option(envvar="TANDEM_CONNECTION_KEY", help="Key or token; asked if absent, and better so.")
    ] = "",
    webhook_secret: Annotated[
        list[str] | None,
        typer.Option(
            envvar="TANDEM_CONNECTION_WEBHOOK_SECRETS",
            help="Stripe: the endpoint's signing secret, several by commas; `-` asks for it.",
        ),
    ] = None,
    api_base: Annotated[str, typer.Option(help="Another address than the vendor's own.")] = "",
    organization: Annotated[str, typer.Option(help="Togai: the organization's id, if Togai does not tell it.")] = "",
    mode: Annotated[Mode | None, typer.Option(help="Togai: test or live, for an address of your own.")] = None,
) -> None:
    """Connect a key, or give a connection a new key. The vendor is asked whose it is; the key is never shown again."""
    if app_name not in APPS:
        raise typer.BadParameter(f"connections are to {' or '.join(APPS)}", param_hint="APP")
    settings = read_settings()
    connector = APPS[app_name].connector
    own = known_to_set_up(settings, app_name, connection_id)
    wanted = Wanted(
        id=connection_id,
        app=app_name,
        key=key or (own.key if own else "") or typer.prompt("Key or token", hide_input=True),
        api_base=api_base or connector.default_base(settings),
        webhook_secrets=_secrets(webhook_secret) or (own.webhook_secrets if own else ()),
        organization=organization,
        mode=mode or ("test" if settings.sandboxed else None),
    )
    made, off = asyncio.run(manage.add_connection(settings, wanted))
    say(f"{made.id} is connected to {made.app_account}.")
    vault = Vault(encryption_keys(settings))
    say(f"{APPS[made.app].title} calls {webhook_address(settings, made, vault)}")
    if connector.missing(vault.open(made)):
        later = "; in the sandbox the next start makes one" if settings.sandboxed and own else ""
        say(
            "It has no signing secret, so its webhooks are refused: give it one with `tandem connections add "
            f"{made.app} {made.id} --webhook-secret -`{later}."
        )
    for link in off:
        say(f"Its flow link {link.id} is off; switch it on with `tandem flow-links enable {link.id}`.")
    if not off:
        say("Link flows to it with `tandem flow-links add`.")


def _secrets(given: list[str] | None) -> tuple[str, ...]:
    """Signing secrets, apart: an argument stands in the list of processes and in the shell's history, so `-` asks."""
    texts = [typer.prompt("Signing secret", hide_input=True) if text == "-" else text for text in given or ()]
    # What is blank stays, to be refused: nobody means that.
    return tuple(part.strip() for text in texts for part in text.split(","))


@app.command("renew-webhook")
def renew_webhook(
    connection_id: Annotated[str, typer.Argument(metavar="ID")],
    finish: Annotated[
        bool, typer.Option("--finish", help="Refuse the former address: Togai calls the new one.")
    ] = False,
) -> None:
    """Change the token in the address that Togai calls. The former address is taken too, until you finish."""
    settings = read_settings()
    renewed = asyncio.run(manage.renew_webhook_token(settings, connection_id, finish=finish))
    if finish:
        say(f"{connection_id} takes webhooks at its newest address alone.")
        return
    say(f"Togai calls {webhook_address(settings, renewed, Vault(encryption_keys(settings)))}")
    say(
        "The former address is taken too. When Togai calls the new one alone: tandem connections renew-webhook "
        f"{connection_id} --finish"
    )


@app.command("set")
def set_(
    connection_id: Annotated[str, typer.Argument(metavar="ID")],
    options: Annotated[list[str], typer.Argument(metavar="NAME=VALUE...", help="As publishable_key=pk_live_...")],
) -> None:
    """Set what a connection may do; `NAME=` takes it away. What is set here counts instead of the settings.

    publishable_key: Stripe's, no secret; the pages where customers pay need it. quota: calls a second that the vendor
    allows the account. polling_share: share of them that pollers use at most, as 0.05. background_share: share that
    imports, replays and pollers have together while live events wait.
    """
    changed = asyncio.run(manage.set_options(read_settings(), connection_id, options))
    say(f"{changed.id}: {', '.join(shown(changed))}")


@app.command("remove")
def remove(connection_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Switch a connection off, with every flow link that uses it. Nothing is deleted at the vendor."""
    gone, links = asyncio.run(manage.remove_connection(read_settings(), connection_id))
    say(f"{gone.id} is removed; switched off: {', '.join(links) or 'no flow link'}.")
    say(f"`tandem connections add {gone.app} {gone.id}` connects it again.")
    if links:
        say("If it is to stay away, `tandem flow-links remove` its flow links: then nothing reminds you of it.")


@app.command("rekey")
def rekey() -> None:
    """Seal all secrets again with the newest of TANDEM_ENCRYPTION_KEYS; the former keys can be removed then."""
    number = asyncio.run(manage.rekey(read_settings()))
    say(f"{number} connections are sealed with the newest key.")
