"""Puts the settings together: defaults, then a file, then the environment, then flags.

Every problem is found before any is told, and each names the setting, its value and where it stood.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from goutube.config.fields import ENV_PREFIX, FIELDS, shown
from goutube.config.schema import Config
from goutube.config.values import NO_ADDRESS, is_loopback
from goutube.crash_points import CRASH_VARIABLE, CrashAt
from goutube.errors import ConfigError

_BY_NAME: Final = {field.name: field for field in FIELDS}
_FILE_KEYS: Final = {
    spelling: field.name for field in FIELDS for spelling in (field.name, *field.file_aliases)
}
_OTHER_VARIABLES: Final = frozenset(
    {"GOUTUBE_SERVER", "GOUTUBE_CONFIG", "GOUTUBE_CPU_PATH", CRASH_VARIABLE}
)
"""Variables that are ours, but no setting of an agent."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and where each one comes from.

    Attributes:
        config: the settings, checked.
        sources: of the settings that are not at their default: ``--flag``, ``GOUTUBE_...`` or the
            file's path.
        warnings: sentences for the log.
        notes: what this release does not do yet with settings that it accepts.
        crash_at: where the agent is to kill itself, which tests ask for; None: nowhere.
    """

    config: Config
    sources: Mapping[str, str]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    crash_at: CrashAt | None = None


@dataclass(frozen=True, slots=True)
class _Layer:
    """Values by setting, and the source of each."""

    values: dict[str, Any]
    sources: dict[str, str]


def load(flags: Mapping[str, str | None], file: Path | None, environ: Mapping[str, str]) -> Loaded:
    """Put the settings together and check them.

    Args:
        flags: by setting, as text; None where a flag was not given.
        file: a TOML file, or None.
        environ: the environment.

    Raises:
        ConfigError: naming everything that is wrong.
    """
    problems: list[str] = []
    warnings: list[str] = []
    layers = [
        _flag_layer(flags),
        _environment_layer(environ, warnings),
        _file_layer(file, problems),
    ]
    config, refused = _build(layers, problems)
    sources = _sources(layers)
    problems += _relations(config, sources, refused)
    if problems:
        raise ConfigError("; ".join(problems), problems=len(problems))
    warnings += _warnings(config)
    crash_at = _crash_at(environ, warnings)
    return Loaded(config, sources, tuple(warnings), _notes(config), crash_at)


def effective(loaded: Loaded) -> list[tuple[str, str, str]]:
    """(name, value, source) of every setting; secrets are not shown."""
    return [
        (
            field.name,
            shown(getattr(loaded.config, field.name)),
            loaded.sources.get(field.name, "default"),
        )
        for field in FIELDS
    ]


def _flag_layer(flags: Mapping[str, str | None]) -> _Layer:
    given = {name: value for name, value in flags.items() if value is not None}
    return _Layer(given, {name: _BY_NAME[name].flag for name in given})


def _environment_layer(environ: Mapping[str, str], warnings: list[str]) -> _Layer:
    layer = _Layer({}, {})
    known = {field.env: field.name for field in FIELDS}
    for variable in sorted(environ):
        value = environ[variable]
        if variable in known:
            if value:
                layer.values[known[variable]] = value
                layer.sources[known[variable]] = variable
        elif variable.startswith(ENV_PREFIX) and variable not in _OTHER_VARIABLES:
            hint = _nearest(variable, list(known))
            warnings.append(f"the environment variable {variable} is no setting{hint}; ignored")
    return layer


def _crash_at(environ: Mapping[str, str], warnings: list[str]) -> CrashAt | None:
    """What a test asks for; nobody else means it."""
    asked = environ.get(CRASH_VARIABLE, "")
    if not asked:
        return None
    warnings.append(f"the agent will kill itself at {asked}, for {CRASH_VARIABLE} asks for it")
    return CrashAt.parse(asked)


def _file_layer(file: Path | None, problems: list[str]) -> _Layer:
    layer = _Layer({}, {})
    if file is None:
        return layer
    try:
        table = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        problems.append(f"the configuration file {file} cannot be read: {error.strerror}")
        return layer
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"the configuration file {file} is not TOML: {error}")
        return layer
    for key, value in table.items():
        name = _FILE_KEYS.get(key)
        if name is None:
            problems.append(f"{file}: unknown setting {key!r}{_nearest(key, list(_FILE_KEYS))}")
        elif name in layer.values:
            problems.append(f"{file}: {key!r} is {name}, which is set already")
        else:
            layer.values[name] = value
            layer.sources[name] = str(file)
    return layer


def _nearest(word: str, known: list[str]) -> str:
    by_folded = {name.casefold().replace("-", "_"): name for name in known}
    near = get_close_matches(word.casefold().replace("-", "_"), by_folded, n=1, cutoff=0.6)
    return f"; did you mean {by_folded[near[0]]!r}?" if near else ""


def _sources(layers: list[_Layer]) -> dict[str, str]:
    return {name: text for layer in reversed(layers) for name, text in layer.sources.items()}


def _values(layers: list[_Layer]) -> dict[str, Any]:
    return {name: value for layer in reversed(layers) for name, value in layer.values.items()}


def _build(layers: list[_Layer], problems: list[str]) -> tuple[Config, frozenset[str]]:
    """Check each setting on its own; those that are refused are left at their defaults."""
    given = _values(layers)
    try:
        return Config(**given), frozenset()
    except ValidationError as error:
        sources = _sources(layers)
        refused = set()
        for detail in error.errors(include_url=False):
            name = str(detail["loc"][0])
            if name not in refused:
                refused.add(name)
                problems.append(_refusal(name, given.get(name), detail["msg"], sources))
    rest = {name: value for name, value in given.items() if name not in refused}
    return Config(**rest), frozenset(refused)


def _refusal(name: str, value: object, message: str, sources: Mapping[str, str]) -> str:
    rule = message.removeprefix("Value error, ").replace("Input should be", "must be")
    given = "" if _BY_NAME[name].secret else f" = {value!r}"
    return f"{name}{given} (from {sources.get(name, 'the default')}) {rule}"


def _relations(config: Config, sources: Mapping[str, str], refused: frozenset[str]) -> list[str]:
    """What is wrong with settings that are right on their own."""
    problems = []
    for field in FIELDS:
        value = getattr(config, field.name)
        if not field.built and value != Config.model_fields[field.name].default:
            given = "" if field.secret else f" = {shown(value)!r}"
            problems.append(
                f"{field.name}{given} (from {sources[field.name]}): "
                f"{field.name} is not built yet in this release; leave it out"
            )
    if not config.insecure and "insecure" not in refused:
        for name in ("rpc_port", "http_port"):
            address = getattr(config, name)
            if address != NO_ADDRESS and not is_loopback(address):
                problems.append(
                    f"{name} = {address!r} (from {sources[name]}) can be reached from other "
                    "machines without TLS; set insecure = true if that is what you want, or use "
                    "127.0.0.1"
                )
    if "seed_addresses" not in refused and not refused & {"rpc_port", "advertise_rpc_addr"}:
        problems += _reachable_rpc(config)
    return problems


def _reachable_rpc(config: Config) -> list[str]:
    """Members elsewhere must be able to reach the RPC address that they are told."""
    told = config.advertise_rpc_addr or config.rpc_port
    if not is_loopback(told):
        return []
    return [
        f"seed_addresses has {seed!r}, which is not on this machine, and the RPC address that its "
        f"members would be told, {told!r}, leads nowhere from there; set rpc_port (with insecure = "
        "true) or advertise_rpc_addr to what they can reach"
        for seed in config.seed_addresses[:1]
        if not is_loopback(seed)
    ]


def _warnings(config: Config) -> list[str]:
    if is_loopback(config.rpc_port):
        return []
    warnings = [
        f"rpc_port = {config.rpc_port} is open to other machines without TLS: whoever reaches it "
        "can read and delete every stream"
    ]
    if not config.encrypt_keys and not is_loopback(config.bind_addr):
        warnings.append(
            f"bind_addr = {config.bind_addr} is open to other machines without encrypt_keys: "
            "whoever reaches it can pretend to be a member"
        )
    return warnings


def _notes(config: Config) -> tuple[str, ...]:
    notes = []
    if config.replication_factor > 1:
        notes.append(
            f"replication_factor {config.replication_factor} is kept as a wish: in this release a "
            "node serves alone and keeps one copy"
        )
    return tuple(notes)
