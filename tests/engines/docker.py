"""Whether this machine has a Docker engine, and the images that replace the embedded engines."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

COMPOSE = Path(__file__).parents[2] / "docker-compose.yml"
KAFKA_IMAGE, POSTGRES_IMAGE = (
    str(yaml.safe_load(COMPOSE.read_text())["services"][name]["image"]) for name in ("kafka", "postgres")
)
"""Those of Compose: where there is a Docker engine, the tests run what Compose starts."""


@cache
def engine_answers() -> bool:
    """Whether a Docker engine really answers; a `docker` client alone says nothing."""
    import docker  # type: ignore[import-untyped]

    try:
        client = docker.from_env(timeout=5)
    except docker.errors.DockerException:
        return False
    try:
        return bool(client.ping())
    except (docker.errors.DockerException, OSError):
        return False
    finally:
        client.close()
