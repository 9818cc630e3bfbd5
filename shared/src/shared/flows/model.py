"""A flow: one trigger, conditions, ordered actions with input templates, checked against the catalog when made."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from shared.domains import ACTIONS, TRIGGERS
from shared.model import Model
from shared.templates import paths

Operator = Literal["equals", "not_equals", "in", "not_in", "contains", "greater", "less", "exists", "absent"]


class Condition(Model):
    """One question about the trigger, as `{"path": "customer.address.country", "operator": "in", "value": ["DE"]}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(description="JMESPath into the trigger's output")
    operator: Operator
    value: Any = None


class FlowStep(Model):
    """One action of a flow. `input` holds literals and templates such as `{{ steps.account.email }}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern="^[a-z][a-z0-9_]*$")
    action: str
    input: dict[str, Any] = Field(default_factory=dict)


class Flow(Model):
    """If this trigger, then these actions. A private one is a record keyed by `id`, the built-in are in the catalog."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern="^[a-z0-9][a-z0-9-]*$")
    version: int = Field(1, ge=1)
    title: str
    description: str = ""
    direction: Literal["inbound", "outbound"]
    visibility: Literal["built-in", "private"] = "private"
    trigger: str
    pairs: bool = Field(False, description="makes the other side of its subject: an echo of our own create ends it")
    moves_money: bool = Field(False, description="bills, charges or pays: it changes what somebody owes or gets")
    sends_email: bool = Field(False, description="the vendor writes to a customer because of it")
    conditions: tuple[Condition, ...] = ()
    steps: tuple[FlowStep, ...] = Field(min_length=1)
    schemaversion: str = "1.0"

    @property
    def apps(self) -> set[str]:
        """The apps for which a flow link needs a connection."""
        return {TRIGGERS[self.trigger].app, *(ACTIONS[step.action].app for step in self.steps)}

    @property
    def starts_off(self) -> bool:
        """Whether only a person may switch it on: what it does to customers cannot be taken back."""
        return self.moves_money or self.sends_email

    @model_validator(mode="after")
    def _fits_the_catalog(self) -> Self:
        if self.trigger not in TRIGGERS:
            raise ValueError(f"unknown trigger {self.trigger}; there are: {', '.join(sorted(TRIGGERS))}")
        known: set[str] = set()
        for step in self.steps:
            if step.action not in ACTIONS:
                raise ValueError(f"step {step.id}: unknown action {step.action}")
            if step.id in known:
                raise ValueError(f"two steps are called {step.id}")
            _check_input(step, known)
            known.add(step.id)
        return self


def _check_input(step: FlowStep, earlier: set[str]) -> None:
    fields = ACTIONS[step.action].input.model_fields
    for name in step.input:
        if name not in fields:
            raise ValueError(f"step {step.id}: {step.action} has no input {name}; it has: {', '.join(fields)}")
    for name, field in fields.items():
        if field.is_required() and name not in step.input:
            raise ValueError(f"step {step.id}: {step.action} needs the input {name}")
    for path in paths(step.input):
        root, _, rest = path.partition(".")
        if root == "steps" and rest.partition(".")[0] not in earlier:
            raise ValueError(f"step {step.id}: {{{{ {path} }}}} names a step that does not run before it")
        if root not in ("steps", "trigger"):
            raise ValueError(f"step {step.id}: {{{{ {path} }}}} must begin with trigger. or steps.")
