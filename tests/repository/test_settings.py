"""Every setting stands in `.env.example` and in the documents, as it is read, and nothing else does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from console.local.environment import variable
from shared.secret_files import file_variable, secret_fields
from shared.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (ROOT / ".env.example").read_text()
NAMES = {variable(field) for field in Settings.model_fields} | {
    file_variable(Settings, field) for field in secret_fields(Settings)
}
ASSIGNED = re.compile(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)


def test_every_setting_is_listed_once_and_nothing_else() -> None:
    """A setting that is missing is never found; one that nothing reads is a promise without effect."""
    found = [name for name, _ in ASSIGNED.findall(EXAMPLE)]

    assert sorted(found) == sorted(NAMES)


def test_nothing_is_set_before_somebody_sets_it() -> None:
    """A copied file changes nothing: every line is a comment."""
    assert [line for line in EXAMPLE.splitlines() if line and not line.startswith("#")] == []


def test_each_setting_is_explained_above_it() -> None:
    """The description of the code stands as the comment before it."""
    for field, info in Settings.model_fields.items():
        assert info.description
        assert re.search(rf"^# {re.escape(info.description)}.*\n#{variable(field)}=", EXAMPLE, re.MULTILINE), field


def test_the_defaults_are_those_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With every line taken at its word the settings are the same as without the file."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / ".env"
    file.write_text("\n".join(f"{name}={value}" for name, value in ASSIGNED.findall(EXAMPLE)))

    assert Settings(_env_file=file) == Settings(_env_file=None)


def test_no_secret_has_a_default() -> None:
    """A default secret is one that everybody knows."""
    secret = re.compile("KEY|TOKEN|SECRET|PASSWORD")
    given = {name: value for name, value in ASSIGNED.findall(EXAMPLE) if secret.search(name) and "FILE" not in name}

    assert set(given.values()) == {""}


@pytest.mark.parametrize("file", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/*/README.md")]))
def test_documents_name_settings_that_exist(file: Path) -> None:
    """Whoever sets what a page names must see an effect. POSTGRES_PASSWORD is compose's own."""
    named = set(re.findall(r"\b(?:TANDEM|STRIPE|TOGAI|KAFKA|DATABASE)_[A-Z0-9_]*[A-Z0-9]\b", file.read_text()))

    assert named - NAMES - {"TANDEM_CONNECTION_KEY"} == set()
