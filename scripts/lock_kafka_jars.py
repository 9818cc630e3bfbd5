"""Write the lock of the embedded Kafka's jars: coordinates and sha256, no address. A developer runs it.

jgo resolves the set and never verifies it, so it only serves here; `console.local.jars` fetches by this lock and checks
every hash. The download goes into an empty folder: a changed jar in the machine's own Maven cache cannot slip in.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from jgo.maven import MavenContext
from jgo.parse import Coordinate

LOCK = Path(__file__).resolve().parent.parent / "services/console/src/console/local/kafka-jars.lock"
# slf4j-simple 1.7.36 is the binding for the slf4j-api that Kafka brings. A log4j binding instead would make jgo import
# its parent's versions and mix in an older kafka-clients.
WANTED = ("org.apache.kafka:kafka_2.13:4.4.0", "org.slf4j:slf4j-simple:1.7.36")


def resolve(cache: Path) -> list[str]:
    """One line `group:artifact:version sha256` per jar that Kafka needs at run time, sorted."""
    context = MavenContext(repo_cache=cache)
    inputs = [context.create_dependency(replace(Coordinate.parse(wanted), scope="compile")) for wanted in WANTED]
    direct, transitive = context.resolver.resolve(inputs)
    lines = set()
    for found in [*direct, *(d for d in transitive if d.scope in ("compile", "runtime"))]:
        artifact = found.artifact
        digest = hashlib.sha256(artifact.resolve().read_bytes()).hexdigest()
        lines.add(f"{artifact.groupId}:{artifact.artifactId}:{artifact.version} {digest}")
    return sorted(lines)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        lines = resolve(Path(folder))
    LOCK.write_text("\n".join([f"# written by scripts/{Path(__file__).name}", *lines, ""]))
    print(f"{LOCK.name}: {len(lines)} jars")
    return 0


if __name__ == "__main__":
    sys.exit(main())
