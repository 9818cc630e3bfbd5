"""Every app that Tandem talks to. To add one, write its package and name it here."""

from __future__ import annotations

from shared.apps.model import App
from shared.apps.stripe.app import Stripe
from shared.apps.togai.app import Togai
from shared.ratelimit import quotas
from shared.scrub import APP_FORMS

APPS: dict[str, App] = {}
"""By name."""


def register(app: App) -> None:
    """Add an app. Raises ValueError if its name is taken."""
    if app.name in APPS:
        raise ValueError(f"app {app.name} is there already")
    APP_FORMS[app.name] = app.secret_forms
    APPS[app.name] = app
    quotas.SOURCES[app.name] = app.quota


def unregister(app: App) -> None:
    """Take an app out again: for tests that bring one of their own."""
    del APPS[app.name], quotas.SOURCES[app.name], APP_FORMS[app.name]


for _app in (Stripe(), Togai()):
    register(_app)

__all__ = ["APPS", "App", "register", "unregister"]
