"""Secrets from files: `NAME_FILE` names the file that holds the secret NAME, as container platforms mount them.

pydantic-settings' own `secrets_dir` takes every file of one folder by its name; here each secret says its file, as the
official images of databases have it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import AliasChoices
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsError,
)

LARGEST = 64 * 1024
"""Bytes of a secret's file: a log that is named by mistake is refused."""


def variable(settings: type[BaseSettings], field: str) -> str:
    """The environment variable that sets a field."""
    alias = settings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return f"{settings.model_config['env_prefix']}{field}".upper()


def secret_fields(settings: type[BaseSettings]) -> dict[str, bool]:
    """The fields that hold secrets, and whether a list of them."""
    kinds = {name: str(info.annotation) for name, info in settings.model_fields.items()}
    return {name: "list" in kind for name, kind in kinds.items() if "SecretStr" in kind}


def file_variable(settings: type[BaseSettings], field: str) -> str:
    """The environment variable that names the file of a secret."""
    return f"{variable(settings, field)}_FILE"


def named_files(settings: type[BaseSettings], env_file: str) -> dict[str, str]:
    """The files that are named now, by variable: in the environment, or in the file `env_file`."""
    sources = (DotEnvSettingsSource(settings, env_file=env_file or None), EnvSettingsSource(settings))
    given = _set_in(*sources)
    names = (file_variable(settings, field) for field in secret_fields(settings))
    return {name: given[name] for name in names if name in given}


class SecretFiles(PydanticBaseSettingsSource):
    """Reads the named files. `given` are the sources in which the names stand, the one that wins last."""

    def __init__(self, settings_cls: type[BaseSettings], *given: PydanticBaseSettingsSource) -> None:
        super().__init__(settings_cls)
        self._set = _set_in(*given)

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # all at once, below

    def __call__(self) -> dict[str, Any]:
        """Raises SettingsError that names every file which cannot be used."""
        found: dict[str, Any] = {}
        wrong: list[str] = []
        for field, several in secret_fields(self.settings_cls).items():
            name, by_file = variable(self.settings_cls, field), file_variable(self.settings_cls, field)
            if by_file not in self._set:
                continue
            if name in self._set:
                wrong.append(f"{name} and {by_file} are both set: take out one of the two")
                continue
            try:
                text = _read(Path(self._set[by_file]))
            except ValueError as error:
                wrong.append(f"{by_file}: {error}")
            else:
                # By the name in the environment, which is the alias of some fields.
                found[name if self._has_alias(field) else field] = ",".join(text.split()) if several else text
        if wrong:
            raise SettingsError("; ".join(wrong))
        return found

    def _has_alias(self, field: str) -> bool:
        return self.settings_cls.model_fields[field].validation_alias is not None


def _set_in(*sources: PydanticBaseSettingsSource) -> dict[str, str]:
    """Variables with a value; those of a later source win."""
    given: dict[str, str] = {}
    for source in sources:
        if isinstance(source, EnvSettingsSource):  # which the one of `.env` is too
            filled = {name.upper(): value for name, value in source.env_vars.items() if value and value.strip()}
            given |= filled
    return given


def _read(file: Path) -> str:
    """Without the end of the last line. Raises ValueError with what to do."""
    try:
        with file.open("rb") as handle:
            content = handle.read(LARGEST + 1)
        text = content.decode().rstrip("\r\n")
    except OSError as error:
        said = f"{file} cannot be read ({error.strerror}): give Tandem's user the right, or correct the path"
        raise ValueError(said) from error
    except UnicodeDecodeError:
        raise ValueError(f"{file} holds no text: write the secret alone into it") from None
    if len(content) > LARGEST:
        raise ValueError(f"{file} is larger than {LARGEST // 1024} kB and no secret: correct the path")
    if not text.strip():
        raise ValueError(f"{file} is empty: write the secret into it, or take the setting out")
    return text
