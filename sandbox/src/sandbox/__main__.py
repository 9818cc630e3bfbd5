"""`python -m sandbox`: the local Stripe and Togai."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from sandbox.server import run


def main() -> None:
    """Reads the options and serves. What it keeps is its owner's alone."""
    os.umask(0o077)
    home = Path(os.environ.get("TANDEM_HOME") or ".tandem")
    parser = argparse.ArgumentParser(prog="sandbox", description="A local Stripe and a local Togai.")
    parser.add_argument("--port", type=int, default=int(os.environ.get("TANDEM_SANDBOX_PORT") or 8402))
    mail_port = int(os.environ.get("TANDEM_SANDBOX_MAIL_PORT") or 0)
    parser.add_argument("--mail-port", type=int, default=mail_port, help="of a mail server that sends nothing on")
    parser.add_argument("--state", type=Path, default=home / "sandbox", help="folder that keeps the state")
    parser.add_argument("--host", default="127.0.0.1", help="other than loopback only inside a container")
    options = parser.parse_args()
    run(options.host, options.port, options.mail_port, options.state)


if __name__ == "__main__":
    main()
