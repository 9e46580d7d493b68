"""The settings as a list, from which commands make their options and documents their tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from goutube.config.schema import DEFAULT_NODE_NAME, Config, Facts

ENV_PREFIX: Final = "GOUTUBE_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as users meet it.

    Attributes:
        name: the key in a file.
        flag: with its dashes.
        env: the environment variable.
        default: as text, empty for none.
        help: meaning, unit, bounds and reason, in sentences.
        aliases: other names of the flag, with their dashes.
        file_aliases: other spellings of the key in a file.
        switch: a yes or no, whose flag needs no value.
        built: False: only the default is taken in this release.
        secret: never printed.
    """

    name: str
    flag: str
    env: str
    default: str
    help: str
    aliases: tuple[str, ...]
    file_aliases: tuple[str, ...]
    switch: bool
    built: bool
    secret: bool


def shown(value: object) -> str:
    """A setting's value as text, as it could be written in a flag."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case dict():
            return ",".join(f"{key}={text}" for key, text in value.items())
        case tuple():
            return ",".join(map(shown, value))
        case SecretStr():
            return "(secret)"
        case _:
            return str(value)


def _facts(field: FieldInfo) -> Facts:
    extra: Any = field.json_schema_extra
    return Facts(**extra)


def _help(field: FieldInfo, facts: Facts) -> str:
    sentences = [field.description or ""]
    low = next((part.ge for part in field.metadata if hasattr(part, "ge")), None)
    high = next((part.le for part in field.metadata if hasattr(part, "le")), None)
    if low is not None and high is not None:
        sentences.append(f"{low} to {high} {facts.unit}".rstrip() + ".")
    if get_args(field.annotation) and isinstance(field.default, str) and field.default:
        options = [option for option in get_args(field.annotation) if isinstance(option, str)]
        sentences.append(f"One of: {', '.join(options)}.")
    if facts.why:
        sentences.append(facts.why)
    if not facts.built:
        rest = "Only the default is" if field.default else "Not"
        sentences.append(f"{rest} built yet in this release.")
    return " ".join(sentences)


def _settings() -> tuple[Setting, ...]:
    found = []
    for name, field in Config.model_fields.items():
        facts = _facts(field)
        default = "the host's name" if field.default == DEFAULT_NODE_NAME else shown(field.default)
        found.append(
            Setting(
                name=name,
                flag="--" + name.replace("_", "-"),
                env=ENV_PREFIX + name.upper(),
                default=default,
                help=_help(field, facts),
                aliases=tuple("--" + alias for alias in facts.aliases),
                file_aliases=facts.file_aliases,
                switch=field.annotation is bool,
                built=facts.built,
                secret="SecretStr" in repr(field.annotation),
            )
        )
    return tuple(found)


FIELDS: Final = _settings()
