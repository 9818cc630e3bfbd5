"""What Togai's rate cards ask for: add-ons, usage meters and features, as far as price plans name them.

Source: Togai OpenAPI spec. A plan that names an unknown one is refused; what a person names in Togai's own pages, as by
the control API, is there already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from sandbox.answers import Answer
from sandbox.clock import rfc3339
from sandbox.identifiers import togai_id
from sandbox.store import Document
from sandbox.togai_api import pages
from sandbox.togai_api.calls import Call
from sandbox.togai_api.errors import TogaiError, not_found
from sandbox.togai_api.models import Body, read, sent

Json = dict[str, Any]
ADDON, METER, FEATURE = "addon", "usage_meter", "feature"
NOUNS = {ADDON: "Addon", METER: "Usage meter", FEATURE: "Feature"}
CARDS = {
    "usageRateCards": ("usageMeterId", METER), "fixedFeeRateCards": ("id", ADDON), "licenseRateCards": ("id", ADDON),
    "creditGrantRateCards": ("id", ADDON), "billingEntitlementRateCards": ("featureId", FEATURE),
    "entitlementOverageRateCards": ("featureId", FEATURE),
}  # fmt: skip
"""By which field each kind of rate card names what it asks for."""
TYPES = {"licenseRateCards": "LICENSE", "creditGrantRateCards": "CREDIT_GRANT"}
Label = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Plain = Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=r"^[\sa-zA-Z0-9_-]*$")]


class NewAddon(Body):
    """A fee, a license or a grant that can be priced."""

    name: Label
    type: Literal["LICENSE", "FIXED_FEE", "CREDIT_GRANT", "NAMED_LICENSE"]
    billableName: Label | None = None


class MeterFilter(Body):
    """Which events a meter counts."""

    field: str
    value: str


class Computation(Body):
    """What a meter adds up."""

    computation: Annotated[str, StringConstraints(max_length=500)]
    order: int
    id: Annotated[str, StringConstraints(max_length=50)] | None = None
    matcher: Annotated[str, StringConstraints(max_length=1500)] | None = None


class NewMeter(Body):
    """Usage that can be priced."""

    name: Plain
    type: Literal["COUNTER"]
    aggregation: Literal["COUNT", "SUM"]
    billableName: Label | None = None
    description: Annotated[str, StringConstraints(max_length=255)] | None = None
    filters: list[MeterFilter] | None = None
    computations: list[Computation] | None = None
    eventSchemaName: str | None = None


class FeatureSchema(Body):
    """Which events use a feature up."""

    schemaName: Annotated[str, StringConstraints(pattern=r"^[\sa-zA-Z0-9_-]*$")]
    attributeName: str


class NewFeature(Body):
    """An entitlement that can be priced."""

    name: Label
    schemaAssociations: Annotated[list[FeatureSchema], Field(max_length=50)]
    billableName: Label | None = None


def create_addon(call: Call) -> Answer:
    """POST /addons."""
    return Answer.json(200, _add(call, ADDON, togai_id("addon"), sent(read(NewAddon, call.body))))


def create_meter(call: Call) -> Answer:
    """POST /usage_meters: its name is its own; the schema of its events is not kept here."""
    new = sent(read(NewMeter, call.body))
    new.pop("eventSchemaName", None)
    if call.world.store.select(call.scope, METER, "lookup=?", [new["name"]]):
        raise TogaiError(400, f"name: a usage meter {new['name']} exists already")
    return Answer.json(201, _add(call, METER, togai_id("um"), new))


def create_feature(call: Call) -> Answer:
    """POST /features."""
    return Answer.json(200, _add(call, FEATURE, togai_id("feature"), sent(read(NewFeature, call.body))))


def _add(call: Call, kind: str, id: str, new: Json) -> Json:
    clock, now = call.world.clock, rfc3339(call.world.clock.now())
    body = {"id": id, **new, "displayName": new.get("billableName", new["name"]), "createdAt": now}
    body |= {"status": "ACTIVE"} if kind != FEATURE else {}
    body |= {"updatedAt": now} if kind != ADDON else {}
    call.world.store.insert(
        call.scope, kind, body, id=id, created=int(clock.now()), changed=clock.micros(), lookup=new["name"]
    )
    return body


def retrieve(kind: str) -> Callable[[Call], Answer]:
    """GET of one of a kind."""

    def run(call: Call) -> Answer:
        found = call.world.store.get(call.scope, kind, call.id)
        if found is None:
            raise not_found(NOUNS[kind], call.id)
        return Answer.json(200, found.body)

    return run


def listed(kind: str) -> Callable[[Call], Answer]:
    """GET of all of a kind, by status, of meters by aggregation too."""
    names = {ADDON: ("status",), METER: ("status", "aggregations"), FEATURE: ()}[kind]
    columns = {name: f"json_extract(body, '$.{name.removesuffix('s') if name == 'aggregations' else name}')"
               for name in names}  # fmt: skip
    allowed = [frozenset({name}) for name in names] + ([frozenset(names)] if len(names) > 1 else [])

    def run(call: Call) -> Answer:
        return pages.listed(call, kind, _in_list, columns=columns, allowed=allowed)

    return run


def _in_list(document: Document) -> Json:
    """A feature in a list has the number of its schemas alone."""
    body = document.body
    if "schemaAssociations" not in body:
        return body
    rest = {name: value for name, value in body.items() if name != "schemaAssociations"}
    return {**rest, "schemaCount": len(body["schemaAssociations"])}


def check(call: Call, details: Json) -> None:
    """Raises 400 for rate cards that ask for what is not there."""
    for place, kind, id in _named(details):
        if call.world.store.get(call.scope, kind, id) is None:
            raise TogaiError(400, f"pricePlanDetails.{place}: {NOUNS[kind]} with id {id} not found")


def keep_named(call: Call, details: Json) -> None:
    """What a person's plan names is there: in Togai's pages it is chosen from a list."""
    for place, kind, id in _named(details):
        if call.world.store.get(call.scope, kind, id) is None:
            add_by_hand(call, kind, id, TYPES.get(place, "FIXED_FEE"))


def add_by_hand(call: Call, kind: str, id: str, type: str = "FIXED_FEE") -> Json:
    """One under an id of the caller's own."""
    more: dict[str, Json] = {
        ADDON: {"type": type}, METER: {"type": "COUNTER", "aggregation": "COUNT"}, FEATURE: {"schemaAssociations": []},
    }  # fmt: skip
    return _add(call, kind, id, {"name": id, **more[kind]})


def _named(details: Json) -> Iterator[tuple[str, str, str]]:
    for place, (field, kind) in CARDS.items():
        for card in details.get(place) or ():
            yield place, kind, str(card[field])
