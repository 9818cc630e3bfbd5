"""Whether this machine has a Docker engine, and the images that replace the embedded engines."""

from __future__ import annotations

from functools import cache

from console.local import jars

KAFKA_IMAGE = f"apache/kafka:{jars.kafka_version()}"
POSTGRES_IMAGE = "postgres:18"


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
