"""Claims and mappings: "I am about to make the other side of this" and "these two are one": one record.

The mapping topic has one partition, so its order decides: `mapping_index` folds the records and says who is first,
`claims` writes and waits.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from shared.events.envelope import SCHEMA_VERSION, check_version

MappingState = Literal["claimed", "linked", "deleted", "withdrawn", "separate", "unlinked", "held"]
Rule = Literal["", "created", "setting", "metadata", "natural-id", "email", "manual"]
MAKING_RULES: frozenset[Rule] = frozenset({"created", "natural-id"})
"""Rules of pairs whose target Tandem made."""
ACTIVE: frozenset[str] = frozenset({"claimed", "linked", "deleted"})
"""States that hold their entities: no other record may name them."""
NEXT: dict[MappingState, frozenset[MappingState]] = {
    "claimed": frozenset({"claimed", "linked", "withdrawn", "separate"}),
    "linked": frozenset({"linked", "deleted", "withdrawn"}),
    "deleted": frozenset({"deleted", "withdrawn"}),
    "withdrawn": frozenset({"withdrawn", "claimed", "separate", "unlinked", "held"}),
    "separate": frozenset({"separate", "claimed", "withdrawn"}),
    "unlinked": frozenset({"unlinked", "withdrawn"}),
    "held": frozenset({"held", "withdrawn"}),
}
"""The states that may follow each state of one record. `follows` says when."""


class Claim(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True, gc=False):
    """What is about to be called, complete enough for anybody to call it again.

    `first_offset` is the offset of the claim's first record, known only when it is written again (attempt 2 and later):
    order between claims is by that offset. `match` is the uniqueness key besides the refs, empty for none, and
    `last_seen_link` the last link seen under it: a newer link means that this claim lost the race.
    Records keep the names of the first version.
    """

    action: str
    key: str
    body: dict[str, Any]
    attempt: int
    opened_at: str
    run: str
    match: str = ""
    last_seen_link: str = msgspec.field(default="", name="knew")
    first_offset: int = msgspec.field(default=-1, name="since")


class Mapping(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True, gc=False):
    """One link of a relation, from the claim on. `source` is where it began, `target` the other side as soon as it is
    known. `also` are further refs of the pair, as the Togai customer above the account.
    `match` is the address that the pair was made or linked under, while the index may not know both sides yet.
    `origin_app` is the app where the customer was first, if Tandem made the other side: it outlasts an unlink.
    A `separate` record says that a person decided: its source matches none of those that have its address. An
    `unlinked` one is a person's decision too, a record of its own: these two are not one, no rule links them again.
    So is a `held` one: nothing more is made for its source until a person releases it.
    `refused` is the parameter, by the vendor's own name, that a create was refused for and its claim withdrawn.
    """

    id: str
    relation: str
    state: MappingState
    source: str
    at: str
    run: str
    target: str = ""
    also: list[str] = []
    rule: Rule = ""
    claim: Claim | None = None
    match: str = ""
    reason: str = ""
    refused: str = ""
    origin_app: str = ""
    schemaversion: str = SCHEMA_VERSION

    @property
    def refs(self) -> tuple[str, ...]:
        """The two sides, without what is not known yet."""
        if not self.target:
            return (self.source,) if self.source else ()
        return (self.source, self.target) if self.source else (self.target,)

    @property
    def began_at(self) -> str:
        """The app where the customer was first; of two that were there, the one whose event or person linked them."""
        return self.origin_app or app_of(self.source)

    @property
    def is_made(self) -> bool:
        """Whether Tandem made the target when it made this link."""
        return self.rule in MAKING_RULES

    @property
    def is_create(self) -> bool:
        """Whether this is the claim of a create, under which something may have been made; a link's has no body."""
        return self.claim is not None and bool(self.claim.body)


def follows(known: Mapping, new: Mapping) -> bool:
    """Whether a record may replace the one that is known under its id. Everybody who folds the topic asks this.

    A late write of a worker that was replaced does not undo what came after it: a state of a pair is only ended for
    that very pair, and a claim only by an answer to it.
    """
    if new.state not in NEXT[known.state]:
        return False
    if known.state == new.state == "claimed":
        return bool(known.claim and new.claim and new.claim.attempt > known.claim.attempt)
    if known.state == "claimed":
        return new.run == known.run
    if known.state in ACTIVE:
        return new.run == known.run and new.refs == known.refs
    return True


def app_of(ref: str) -> str:
    """The app of a ref."""
    return ref.partition(":")[0]


_decoder = msgspec.json.Decoder(Mapping)
encode = msgspec.json.Encoder().encode


def decode(value: bytes) -> Mapping:
    """Raises msgspec.DecodeError, and StopWorker for another major schema version."""
    mapping = _decoder.decode(value)
    check_version(mapping.schemaversion)
    return mapping
