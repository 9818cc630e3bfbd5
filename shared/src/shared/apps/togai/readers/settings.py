"""The poll of the Settings of one Togai organization that name a Stripe customer: no list of accounts shows them.

Togai filters by the name of a setting, never by its value: to learn who names a customer, all are listed. A list tells
no times, so every pass is a whole one, spread over polls. A pass that somebody requested is made at once.
"""

from __future__ import annotations

import msgspec

from shared.apps.polling import PollContext, started_poll
from shared.apps.togai.answers import leads_on
from shared.apps.togai.client import TogaiApp
from shared.apps.togai.polls import SETTINGS
from shared.apps.togai.readers.paginator import page_at
from shared.apps.togai.readers.rows import Row
from shared.connections import Connection
from shared.identity import Ref, is_id
from shared.linking.index import Entity
from shared.polls import epoch, rfc3339

SHARE = 8
"""One call of so many that pollers may make goes to the Settings, once all of them have been read."""


class SettingReader:
    """The poll of one organization."""

    def __init__(self, context: PollContext, interval: float) -> None:
        self._account = context.app_account
        self._context = context
        self._interval = interval
        self._began = 0.0  # when the pass in hand began; 0 for one that another process began

    async def poll_once(self, connection: Connection, client: TogaiApp) -> float:
        """One poll, the first one a full pass. Returns the seconds after which the next one is due. Raises the client's
        errors, Unavailable.
        """
        context, name = self._context, self._context.settings.stripe_customer_setting
        poll = await started_poll(context, SETTINGS.kind, connection)
        hurried = epoch(poll.pass_began_at) < (wanted := context.store.polls.poll_requested(self._account))
        token = "" if hurried and self._began < wanted else poll.cursor
        if not token:
            self._began = context.clock()
        seen, ended = poll.seen if token else 0, False
        room = context.budget.calls_in(self._account, self._interval)
        for _ in range(room if hurried or not poll.complete else max(1, room // SHARE)):
            page, token = await page_at(lambda at: client.settings_named(name, at), token)
            await self._take(name, page.rows)
            seen += len(page.rows)
            ended = not leads_on(page.token, page.rows, token)
            token = "" if ended else page.token
            if ended:
                break
        pass_began_at = rfc3339(self._began) if ended and self._began else poll.pass_began_at
        poll = msgspec.structs.replace(
            poll,
            cursor=token,
            seen=seen,
            complete=poll.complete or ended,
            passes=poll.passes + ended,
            pass_began_at=pass_began_at,
            at=rfc3339(context.clock()),
        )
        await context.store.poll(poll)
        return self._interval if poll.complete and (ended or not hurried) else 0.0

    async def _take(self, name: str, rows: list[Row]) -> None:
        index = self._context.store.index
        found = [entity for row in rows if (entity := setting_entity(self._account, name, row))]
        await self._context.store.entities([entity for entity in found if index.get(entity.ref) != entity])


def setting_entity(app_account: str, name: str, row: Row) -> Entity | None:
    """An account's setting of a name as the index keeps it; None for a row that is none: filters are not to be relied
    upon. An empty value names nobody: Togai has no call that removes a setting.
    """
    account, value = row.get("entityId"), row.get("value")
    setting = f"{name}.{account}"
    if (row.get("id"), row.get("entityType")) != (name, "ACCOUNT") or not is_id(account) or not is_id(setting):
        return None
    return Entity(
        ref=str(Ref(app_account, "setting", setting)),
        parent=str(Ref(app_account, "account", account)),
        names=value if is_id(value) else "",
    )
