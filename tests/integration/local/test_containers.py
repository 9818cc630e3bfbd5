"""Kafka's own container set-up, which is part of Kafka's jars, reads the settings that the containers get."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from console.local import jars
from console.local.kafka import java

from tests.engines.kafka import container_environment

ROOT = Path(__file__).resolve().parents[3]


def of_compose() -> dict[str, str]:
    environment: dict[str, str] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["kafka"][
        "environment"
    ]
    return environment


@pytest.mark.parametrize(
    "environment", [container_environment("0.0.0.0:19092", "localhost:19092"), of_compose()], ids=["tests", "compose"]
)
def test_the_image_formats_with_these_settings(tmp_path: Path, kafka_jars: None, environment: dict[str, str]) -> None:
    """What the image does before it starts the broker succeeds: settings from the environment, then the format."""
    defaults, mounted, final = (tmp_path / name for name in ("defaults", "mounted", "final"))
    for folder in (defaults, mounted, final):
        folder.mkdir()
    for name in ("server.properties", "log4j2.yaml", "tools-log4j2.yaml"):
        (defaults / name).touch()
    classes = ":".join(str(jars.cache() / jar.name) for jar in jars.locked())
    done = subprocess.run(
        [java(), "-cp", classes, "kafka.docker.KafkaDockerWrapper", "setup"]
        + ["-D", str(defaults), "-M", str(mounted), "-F", str(final)],
        env={**environment, "CLUSTER_ID": "5L6g3nShT-eMCtK--X86sw", "KAFKA_LOG_DIRS": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "data/meta.properties").exists()
