"""The services by their folders, and every package of the product: a list of its own in a test misses the next one."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVICES = tuple(sorted(file.parent.name for file in ROOT.glob("services/*/pyproject.toml")))
PACKAGE_OF = {service: service.replace("-", "_") for service in SERVICES}
PACKAGES = ("shared", *PACKAGE_OF.values())
"""As they are imported; the sandbox is none of them."""
