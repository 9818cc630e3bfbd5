"""Claims, written before a create and replaced by the mapping after it: what makes two workers make one thing.

A worker writes its claim, reads its replica up to that record, and goes on only if no earlier open claim or mapping
names the same source, target or match value. Whoever gets the event again finds the claim and resumes it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from shared.errors import Conflict, NotReady
from shared.events.envelope import timestamp
from shared.events.topics import Topics
from shared.identity import create_key, hold_id, link_id, unlink_id
from shared.kafka.log import Log
from shared.kafka.replica import Replica
from shared.linking import mappings
from shared.linking.dry_run import end_if_dry, is_dry
from shared.linking.mapping_index import LinkIndex, RelationIndex
from shared.linking.mappings import ACTIVE, MAKING_RULES, Claim, Mapping, Rule, app_of

CLOCK_SKEW = 300
"""Seconds by which a vendor's clock may be behind ours when a list is asked for what was made since a claim."""


def now() -> datetime:
    """The wall clock, in one place so that tests can pass another."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Match:
    """A value that a claim must be the only one of, and the id of the pair that was linked under it last when the
    claimant looked: one linked since is a rival that it has not seen.
    """

    value: str = ""
    last_seen_link: str = ""


NO_MATCH = Match()


@dataclass(frozen=True)
class Links:
    """The links of all relations: what is known of them, and where new ones are written."""

    log: Log
    replica: Replica
    index: LinkIndex
    topics: Topics
    clock: Callable[[], datetime] = now

    def of(self, relation: str) -> Claims:
        """Those of one relation."""
        return Claims(self, relation)


class Claims:
    """Writes claims and mappings of one relation, and waits until this worker's replica shows them."""

    def __init__(self, links: Links, relation: str) -> None:
        self._links = links
        self._relation = relation
        self._index = links.index.of(relation)
        self._clock = links.clock

    @property
    def index(self) -> RelationIndex:
        """What this worker knows of the relation's links."""
        return self._index

    def match(self, value: str) -> Match:
        """A match value as it is known now: ask before looking at what the claim will rest on."""
        known = self._index.recently_linked(value) if value else None
        return Match(value, known.id if known else "")

    async def claim(
        self,
        source: str,
        *,
        action: str,
        app_account: str,
        body: dict[str, Any],
        run: str,
        target: str = "",
        match: Match = NO_MATCH,
    ) -> Mapping:
        """Claim the other side of `source`, or find the claim or mapping that is there.

        Raises NotReady if another was first (look again), Conflict if a mapping holds the source or target already in
        another pair.
        """
        pair = self._index.pair(source)
        if pair:
            return pair
        if is_dry.get():
            self._end_dry(source, target, body)
        held = self._index.claim_of(source, app_account)
        if held is None or held.state not in ACTIVE:
            # A person's decision outlasts a claim that comes to nothing: `withdraw` gives it back.
            rule: Rule = "manual" if held and held.state == "separate" else ""
            reason = held.reason if held and rule else ""
            opened = timestamp(self._clock())
            # The vendor may still answer a former create's key with what a person has unlinked since.
            attempt = 1 + len(self._index.unlinked(source))
            claim = Claim(
                action=action,
                key=create_key(app_account, action, source, attempt),
                body=body,
                attempt=attempt,
                opened_at=opened,
                run=run,
                match=match.value,
                last_seen_link=match.last_seen_link,
            )
            held = await self._write(
                Mapping(
                    id=link_id(source, self._relation, app_account),
                    relation=self._relation,
                    state="claimed",
                    source=source,
                    target=target,
                    at=opened,
                    run=run,
                    claim=claim,
                    rule=rule,
                    reason=reason,
                )
            )
        if held.state == "claimed":
            await self._give_way(held)
        return held

    def _end_dry(self, source: str, target: str, body: dict[str, Any]) -> None:
        """What a claim would lead to. Raises WouldWrite, or Conflict where another pair holds the target."""
        for rival in self._index.holders_of(target) if target else ():
            if source in rival.refs:
                continue
            if rival.state == "claimed":
                raise NotReady(f"run {rival.run} is about to link {rival.source}: looking again", code="claimed")
            raise _lost_to(rival)
        if body:
            end_if_dry("new", "its other side would be made", source)
        end_if_dry("linked", f"{target} would be linked to it", source, target)

    async def is_winning_claim(self, source: str) -> bool:
        """Whether an entity's own claim is open and no other was first: it has to be brought to its end.

        A later one, which a worker left behind when it died, is withdrawn: nothing was called under it.
        """
        held = self._index.open_claim(source)
        return held is not None and await self._withdrawn_for(held) is None

    async def _withdrawn_for(self, held: Mapping) -> Mapping | None:
        """Who was first, if it was not this claim: it is withdrawn then."""
        rival = self._index.rival(held)
        if rival:
            await self.withdraw(held, f"{rival.id} was first")
        return rival

    async def _give_way(self, held: Mapping) -> None:
        rival = await self._withdrawn_for(held)
        if rival is None:
            return
        if rival.state == "claimed":
            raise NotReady(f"run {rival.run} is about to link {rival.source}: looking again", code="claimed")
        if not set(rival.refs) & set(held.refs):
            raise NotReady(f"run {rival.run} has just linked {rival.source}: looking again", code="claimed")
        raise _lost_to(rival)

    async def link(
        self, held: Mapping, target: str, rule: Rule, *, also: tuple[str, ...] = (), reason: str = ""
    ) -> Mapping:
        """The pair is made: replace the claim by the mapping, confirmed by the broker."""
        origin = app_of(held.source) if rule in MAKING_RULES else self._former_origin(held.source, target)
        return await self._write(
            Mapping(
                id=held.id,
                relation=self._relation,
                state="linked",
                source=held.source,
                target=target,
                at=timestamp(self._clock()),
                run=held.run,
                rule=rule,
                also=list(also),
                match=held.claim.match if held.claim else "",
                reason=reason,
                origin_app=origin,
            )
        )

    def _former_origin(self, source: str, target: str) -> str:
        """Where the customer of two that were linked before was first: an unlink keeps it."""
        decided = (m for m in self._index.unlinked(source) if set(m.refs) == {source, target})
        return next((mapping.origin_app for mapping in decided), "")

    async def explain(self, pair: Mapping, reason: str) -> Mapping:
        """What is said of a pair that stays as it is."""
        return await self._write(msgspec.structs.replace(pair, reason=reason))

    async def mark_deleted(self, pair: Mapping, reason: str) -> Mapping:
        """One side is gone: a state of the pair, so that no event makes it again."""
        return await self._write(
            msgspec.structs.replace(
                pair, state="deleted", reason=reason, at=timestamp(self._clock()), claim=None, match=""
            )
        )

    async def withdraw(self, held: Mapping, reason: str, refused: str = "") -> Mapping:
        """Nothing was made and nothing will be under this claim; or a person took the link back. `refused` is the
        parameter that the vendor refused a create for, if it named one.

        An entity that a person declared separate is so again.
        """
        if held.is_create and held.rule == "manual":
            return await self._separate(held.id, held.source, held.run, held.reason)
        # What was to be sent, and the address that it was matched by, are a customer's: they end with the claim.
        return await self._write(
            msgspec.structs.replace(
                held,
                state="withdrawn",
                reason=reason,
                refused=refused,
                at=timestamp(self._clock()),
                claim=None,
                match="",
            )
        )

    async def unlink(self, pair: Mapping, run: str, reason: str) -> Mapping:
        """A person decided that these two are not one: remember it for good, then take the link back."""
        decided = Mapping(
            id=unlink_id(self._relation, pair.refs),
            relation=self._relation,
            state="unlinked",
            source=pair.source,
            target=pair.target,
            at=timestamp(self._clock()),
            run=run,
            rule="manual",
            reason=reason,
            origin_app=pair.origin_app,
        )
        await self._write(decided)
        return await self.withdraw(pair, f"unlinked by hand: {reason}")

    async def allow(self, pair: Mapping, reason: str) -> None:
        """A person linked two that had been unlinked: the former decision holds no more."""
        for decided in self._index.unlinked(pair.source):
            if set(decided.refs) == set(pair.refs):
                await self.withdraw(decided, reason)

    async def hold(self, entity: str, run: str, reason: str) -> Mapping:
        """A person decided that nothing more is made for an entity: remember it until a person releases it."""
        return await self._write(
            Mapping(
                id=hold_id(self._relation, entity),
                relation=self._relation,
                state="held",
                source=entity,
                at=timestamp(self._clock()),
                run=run,
                rule="manual",
                reason=reason,
            )
        )

    async def release(self, held: Mapping, run: str, reason: str) -> None:
        """A person lets it go on: the decision to hold it is no more."""
        await self.withdraw(msgspec.structs.replace(held, run=run), f"released by hand: {reason}")

    async def give_up_link(self, source: str, reason: str) -> None:
        """Withdraw an entity's own open claim for a link, if there is one: nothing was made under it. A create's claim
        stays, for nobody knows what was.
        """
        held = self._index.open_claim(source)
        if held and not held.is_create:
            await self.withdraw(held, reason)

    async def separate(self, entity: str, app_account: str, run: str, reason: str) -> Mapping:
        """A person decided that the entity matches none that is at an app account: a create makes its other side."""
        return await self._separate(link_id(entity, self._relation, app_account), entity, run, reason)

    async def _separate(self, id_: str, entity: str, run: str, reason: str) -> Mapping:
        return await self._write(
            Mapping(
                id=id_,
                relation=self._relation,
                state="separate",
                source=entity,
                at=timestamp(self._clock()),
                run=run,
                rule="manual",
                reason=reason,
            )
        )

    async def next_attempt(self, held: Mapping, app_account: str) -> Mapping:
        """A new key for the same create. Only after its absence was proved (design law 2)."""
        assert held.claim
        attempt = held.claim.attempt + 1
        claim = msgspec.structs.replace(
            held.claim,
            attempt=attempt,
            key=create_key(app_account, held.claim.action, held.source, attempt),
            opened_at=timestamp(self._clock()),
            first_offset=self._links.index.order(held),
        )
        return await self._write(msgspec.structs.replace(held, claim=claim, at=claim.opened_at))

    def is_older(self, held: Mapping, age: timedelta) -> bool:
        """Whether a claim was opened, or given its present key, longer ago than this."""
        assert held.claim
        return self._clock() - datetime.fromisoformat(held.claim.opened_at) > age

    async def _write(self, mapping: Mapping) -> Mapping:
        end_if_dry("changed", f"record {mapping.id} would be {mapping.state}", *mapping.refs)
        links, topic = self._links, self._links.topics.mappings
        place = await links.log.append(topic, mapping.id, mappings.encode(mapping))
        await links.replica.wait_for(topic, place.offset)
        # What the index holds, not what was written: another worker's first claim of this attempt wins.
        present = links.index.present(mapping) or mapping
        if links.index.refused(place.offset):
            # Compaction keeps the last record of an id only: it must be the one that holds.
            await links.log.append(topic, present.id, mappings.encode(present))
        return present


def _lost_to(rival: Mapping) -> Conflict:
    return Conflict(
        f"{rival.source} and {rival.target or 'another'} are linked already ({rival.id})",
        code="linked_otherwise",
        candidates=rival.refs,
    )
