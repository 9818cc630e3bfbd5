"""Every app that Tandem talks to. To add one, write its package and name it here."""

from __future__ import annotations

import re

from shared.apps.model import App
from shared.apps.stripe.app import Stripe
from shared.apps.togai.app import Togai
from shared.ratelimit import quotas
from shared.scrub import APP_FORMS

NAME = re.compile(r"[a-z][a-z0-9_-]*")
APPS: dict[str, App] = {}
"""By name."""


def register(app: App) -> None:
    """Add an app. Raises ValueError if its name is taken or none, or it does not say how its secrets look."""
    if app.name in APPS:
        raise ValueError(f"app {app.name} is there already")
    if not NAME.fullmatch(app.name):
        raise ValueError(f"app {app.name!r}: a name is of small letters, digits, - and _, and begins with a letter")
    forms = getattr(app, "secret_forms", None)
    if forms is None or not all(form.groups for form in forms):
        raise ValueError(
            f"app {app.name}: say in `secret_forms` how its secrets look, with a first group that is shown"
        )
    APP_FORMS[app.name] = app.secret_forms
    APPS[app.name] = app
    quotas.SOURCES[app.name] = app.quota


def unregister(app: App) -> None:
    """Take an app out again: for tests that bring one of their own."""
    del APPS[app.name], quotas.SOURCES[app.name], APP_FORMS[app.name]


for _app in (Stripe(), Togai()):
    register(_app)

__all__ = ["APPS", "App", "register", "unregister"]
