"""Files that only their owner reads: what Tandem keeps holds keys and customers' data."""

from __future__ import annotations

import os
import stat
from pathlib import Path

FOLDER, FILE = 0o700, 0o600
OTHERS = stat.S_IRWXG | stat.S_IRWXO


def keep_private() -> None:
    """From now on nothing that this process, or one that it starts, makes can be read by others. For entry points."""
    os.umask(OTHERS)


def private_folder(folder: Path) -> None:
    """Make the folder, or close one of ours that is there. A shared one (sticky, as /tmp) stays as it is.

    Raises OSError if it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=FOLDER)
    found = folder.stat()
    if found.st_mode & OTHERS and found.st_uid == os.geteuid() and not found.st_mode & stat.S_ISVTX:
        folder.chmod(FOLDER)


def private_file(file: Path) -> None:
    """Make an empty file, or close one of ours that is there. Raises OSError if it cannot be made."""
    os.close(os.open(file, os.O_CREAT | os.O_RDONLY, FILE))
    found = file.stat()
    if found.st_mode & OTHERS and found.st_uid == os.geteuid():
        file.chmod(FILE)
