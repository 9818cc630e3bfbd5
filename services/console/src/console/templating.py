"""How templates are rendered, those of the console and the public ones: escaped, and nothing unknown stays blank."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jinja2


def environment(folders: Sequence[Path]) -> jinja2.Environment:
    """The templates of some folders; of one name the first has it."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
