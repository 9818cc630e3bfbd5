"""Every app that Tandem talks to."""

from __future__ import annotations

from shared.apps.model import App

APPS: dict[str, App] = {app.name: app for app in (App("stripe", "Stripe"), App("togai", "Togai"))}
