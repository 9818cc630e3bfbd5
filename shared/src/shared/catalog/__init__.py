"""Every app, trigger and action as data: what flows are made of. Pure; services implement the actions that they own."""

from __future__ import annotations

from shared.catalog import stripe, togai
from shared.catalog.model import Action, App, Trigger

APPS: dict[str, App] = {app.name: app for app in (stripe.APP, togai.APP)}
TRIGGERS: dict[str, Trigger] = {trigger.name: trigger for trigger in (*stripe.TRIGGERS, *togai.TRIGGERS)}
ACTIONS: dict[str, Action] = {action.name: action for action in (*stripe.ACTIONS, *togai.ACTIONS)}

__all__ = ["ACTIONS", "APPS", "TRIGGERS", "Action", "App", "Trigger"]
