"""A flow: its triggers, conditions, ordered actions with input templates; `shared.domains` checks that it fits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict, Field

from shared.model import Model

Operator = Literal["equals", "not_equals", "in", "not_in", "contains", "greater", "less", "exists", "absent"]


class Condition(Model):
    """One question about the trigger, as `{"path": "customer.address.country", "operator": "in", "value": ["DE"]}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(description="JMESPath into the trigger's output")
    operator: Operator
    value: Any = None


class FlowStep(Model):
    """One action of a flow. `input` holds literals and templates such as `{{ steps.account.email }}`; `connections` are
    the aliases of the flow link's connections to use, by app, where they are not the app's name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern="^[a-z][a-z0-9_]*$")
    action: str
    input: dict[str, Any] = Field(default_factory=dict)
    connections: dict[str, str] = Field(default_factory=dict)


class FlowOption(Model):
    """A choice that each flow link of a flow makes: one of `values`, the first unless a person sets another."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern="^[a-z][a-z_]*$")
    title: str
    values: tuple[str, ...] = Field(min_length=2)


class Flow(Model):
    """If one of these triggers, then these actions. A private one is a record, the built-in are in the catalog."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern="^[a-z0-9][a-z0-9-]*$")
    version: int = Field(1, ge=1)
    title: str
    description: str = ""
    direction: Literal["inbound", "outbound"]
    visibility: Literal["built-in", "private"] = "private"
    trigger: str
    more_triggers: tuple[str, ...] = Field(
        (), description="further triggers that start it: of the same app, and with the same output"
    )
    trigger_connection: str = Field(
        "", description="alias of the connection whose events start it; else its app's name"
    )
    makes: str = Field("", description="relation in which it makes the other side of its subject; an echo ends it")
    moves_money: bool = Field(False, description="bills, charges or pays: it changes what somebody owes or gets")
    sends_email: bool = Field(False, description="the vendor writes to a customer because of it")
    opt_in: bool = Field(False, description="a person switches it on, in the sandbox too: it changes what others do")
    conditions: tuple[Condition, ...] = ()
    options: tuple[FlowOption, ...] = ()
    steps: tuple[FlowStep, ...] = Field(min_length=1)
    schemaversion: str = "1.0"

    @property
    def triggers(self) -> tuple[str, ...]:
        """Every trigger that starts it."""
        return (self.trigger, *self.more_triggers)

    def chosen(self, options: Mapping[str, str]) -> dict[str, str]:
        """What a flow link with these options has chosen, by the name of each option of the flow."""
        return {option.name: options.get(option.name, option.values[0]) for option in self.options}

    def fault_of(self, options: Mapping[str, str]) -> str:
        """What does not fit of options that are to be set; empty for nothing."""
        known = {option.name: option.values for option in self.options}
        for name, value in options.items():
            if name not in known:
                return f"flow {self.id} has no option {name[:50]!r}; it has: {', '.join(known) or 'none'}"
            if value not in known[name]:
                return f"{name} cannot be {value[:50]!r}; it can be: {', '.join(known[name])}"
        return ""

    @property
    def starts_off(self) -> bool:
        """Whether only a person may switch it on: what it does to customers cannot be taken back."""
        return self.moves_money or self.sends_email
