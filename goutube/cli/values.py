"""What a user may type as a value: byte counts, places in a stream, stream names, addresses."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Literal, TypeVar

import click

from goutube.errors import InvalidArgumentError
from goutube.limits import KIB, MIB
from goutube.names import check_stream_name
from goutube.routing import Start, parse_addresses

_UNITS: Final = {"": 1, "B": 1, "KIB": KIB, "MIB": MIB, "GIB": 1024 * MIB, "TIB": 1024**2 * MIB}
_COUNT: Final = re.compile(r"([0-9][0-9_]*)\s*([A-Za-z]*)")
_OFFSET_MAX: Final = (1 << 64) - 1
_MILLISECONDS_FROM: Final = 100_000_000_000
"""A Unix time from here on is in milliseconds: as seconds it would lie beyond the year 5000."""

_Value = TypeVar("_Value")
Bound = int | Literal["default"] | None
"""Of retention: ``default`` is the node's own."""


def parse_bytes(text: str) -> int:
    """Read a count of bytes: digits, then optionally KiB, MiB, GiB or TiB in any case.

    Raises:
        ValueError: saying what is understood.
    """
    match = _COUNT.fullmatch(text.strip())
    unit = _UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None:
        raise ValueError(f"{text!r} is no number of bytes; write 1048576, 1024KiB or 1MiB")
    count = int(match[1]) * unit
    if count > _OFFSET_MAX:
        raise ValueError(f"{text!r} is more than 64 bits hold")
    return count


def parse_time(text: str) -> int:
    """Read a moment as Unix milliseconds: Unix seconds, Unix milliseconds or ISO 8601.

    A moment without a zone is UTC, so that a command means the same on every machine.

    Raises:
        ValueError: saying what is understood.
    """
    try:
        if re.fullmatch(r"[0-9]+", text):
            number = int(text)
            moment_ms = number if number >= _MILLISECONDS_FROM else number * 1000
        elif re.fullmatch(r"[0-9]+\.[0-9]+", text):
            moment_ms = round(float(text) * 1000)
        else:
            moment = datetime.fromisoformat(text)
            zoned = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            moment_ms = round(zoned.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is no time; write Unix seconds, Unix milliseconds or 2026-11-23T16:00:00Z"
        ) from None
    if not 0 <= moment_ms <= _OFFSET_MAX:
        raise ValueError(f"{text!r} is before 1970 or too far ahead")
    return moment_ms


def parse_start(text: str) -> Start:
    """Read where to begin: ``N``, ``-N`` (bytes before the end), a word, or ``@TIME``.

    Raises:
        ValueError: saying what is understood.
    """
    if text.lower() == "earliest":
        return Start("earliest")
    if text.lower() == "latest":
        return Start("latest")
    if text.startswith("@"):
        return Start("timestamp_ms", parse_time(text[1:]))
    try:
        if text.startswith("-"):
            return Start("last_bytes", parse_bytes(text[1:]))
        return Start("offset", parse_bytes(text))
    except ValueError:
        raise ValueError(
            f"{text!r} is no place in a stream; write an offset in bytes, -N for the last N bytes,"
            " earliest, latest or @TIME"
        ) from None


def parsed(read: Callable[[str], _Value]) -> Callable[[str], _Value]:
    """Make ``read`` the type of a parameter: its ``ValueError`` becomes wrong usage."""

    def convert(text: str) -> _Value:
        try:
            return read(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None

    return convert


def _stream_name(text: str) -> str:
    try:
        return check_stream_name(text)
    except InvalidArgumentError as error:
        raise ValueError(error.message) from None


def _addresses(text: str) -> tuple[str, ...]:
    try:
        return parse_addresses([text])
    except InvalidArgumentError as error:
        raise ValueError(error.message) from None


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise ValueError(f"{text!r} is no pair; write KEY=VALUE")
    return key, value


def _age(text: str) -> int:
    from goutube.config import parse_age  # noqa: PLC0415 - a fifth of a command's start

    value = parse_age(text)
    assert isinstance(value, int)
    return value


def _default_or(read: Callable[[str], int]) -> Callable[[str], int | Literal["default"]]:
    """Read a bound of retention, or the word for the node's own."""
    return lambda text: "default" if text == "default" else read(text)


BYTES: Final = parsed(parse_bytes)
START: Final = parsed(parse_start)
STREAM: Final = parsed(_stream_name)
ADDRESSES: Final = parsed(_addresses)
PAIR: Final = parsed(_pair)
BOUND_BYTES: Final = parsed(_default_or(parse_bytes))
BOUND_AGE: Final = parsed(_default_or(_age))
