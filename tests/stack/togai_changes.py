"""What changed in a Togai organization of the sandbox, as the poller of a worker finds it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from shared.apps.togai.readers.rows import Change, account_entity, customer_entity, events
from shared.apps.togai.readers.settings import setting_entity
from shared.connections import Connection
from shared.events.envelope import Envelope
from shared.identity import Ref
from shared.linking.index import Entity

from tests.contract.sandbox.tools import Control


class TogaiChanges:
    """Of one organization, since it was asked last. Where nothing of an account moved, its lists are not read: a month
    of invoices would make them long.
    """

    def __init__(self, control: Control, account: str, setting: str) -> None:
        self._control = control
        self._account = account
        self._setting = setting
        self._known: dict[str, Entity] = {}
        self._mark = 0

    def poll(self, connection: Connection) -> tuple[list[tuple[Entity, list[Envelope]]], list[Entity]]:
        """Accounts that changed with their events, and the settings that there are."""
        if not self._moved():
            return [], []
        state = self._control.call("GET", "/state", account=self._account, lists="customers,accounts,settings")
        customers = {row["id"]: row for row in state["customers"]}
        changes = [self._change(connection.app_account, row, customers[row["customerId"]]) for row in state["accounts"]]
        found = [(each.entity, list(events(each, connection, datetime.now(UTC)))) for each in changes if each]
        settings = [setting_entity(connection.app_account, self._setting, row) for row in state["settings"]]
        return found, [setting for setting in settings if setting]

    def _moved(self) -> bool:
        moved = False
        while True:
            found = self._control.call("GET", "/history", account=self._account, since=str(self._mark))
            self._mark = found["mark"]
            if not found["versions"]:
                return moved
            moved |= any(_is_of_account(row) for row in found["versions"])

    def _change(self, app_account: str, row: dict[str, Any], customer: dict[str, Any]) -> Change | None:
        ref = str(Ref(app_account, "account", row["id"]))
        known = self._known.get(ref)
        found = account_entity(app_account, row, customer_entity(app_account, customer), known)
        if found is None:
            return None
        self._known[ref] = found
        made = known is None or known.state != "active"
        return Change(found, row, customer, made=made and found.state == "active")


def _is_of_account(version: dict[str, Any]) -> bool:
    return version["kind"] in ("customer", "account") or version["body"].get("entityType") == "ACCOUNT"
