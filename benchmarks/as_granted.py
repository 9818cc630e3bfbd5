"""A Tandem as people run it, where tests hurry and have no quotas: its settings for benchmarks."""

from __future__ import annotations

from collections.abc import Mapping

TEST_MODE = {"stripe": 25, "togai": 10}
"""Calls a second that the vendors grant in test mode."""
PATIENT = {"TANDEM_DELAY_SCALE": "1", "TANDEM_CALL_TIMEOUT": "15", "TANDEM_TOPIC_PARTITIONS": "8"}
"""Delays and partitions as they are, where tests have shorter and fewer ones."""
NO_POLLS = {"TANDEM_POLLING": "false"}
"""Webhooks bring everything: what a poll finds again would be counted for something else."""


def at(quotas: Mapping[str, int]) -> dict[str, str]:
    """The settings of quotas, by app."""
    return {f"TANDEM_{app.upper()}_QUOTA": str(quota) for app, quota in quotas.items()}
