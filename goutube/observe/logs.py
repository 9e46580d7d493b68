"""Structured logs on stderr: one JSON object a line, or coloured lines on a terminal.

Text that a user sent is data: the JSON encoder escapes it, and on a terminal its control characters
are escaped too, so that no stream name can forge a line or steer a terminal.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, Literal, Protocol, TextIO, cast

from typing_extensions import override


@contextmanager
def _rich_hidden() -> Iterator[None]:
    """Let imports find no rich: a None in ``sys.modules`` means that by Python's own rules.

    structlog imports rich with itself where there is one, for tracebacks that we never draw: a
    tenth of an agent's start. Without it structlog does all that is asked of it here.
    """
    modules = cast("dict[str, object]", sys.modules)
    if "rich" in modules:
        yield  # it is loaded and costs nothing any more
        return
    modules["rich"] = None
    try:
        yield
    finally:
        del modules["rich"]


with _rich_hidden():
    import structlog

FIELD_CHARACTERS_MAX: Final = 1024
"""Longer values are cut: a log line must stay readable whatever a user sends."""
_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}

LogFormat = Literal["auto", "json", "console"]


class LogStream(Protocol):
    """What lines are written to: the part of a text stream that logging needs."""

    def write(self, text: str, /) -> object:
        """Take text."""

    def flush(self) -> object:
        """Hand on what was taken."""

    def isatty(self) -> bool:
        """Whether it is a terminal."""


Log = structlog.typing.FilteringBoundLogger


def set_up_logs(
    level: str = "info",
    log_format: LogFormat = "auto",
    stream: LogStream | None = None,
    fields: Mapping[str, str] | None = None,
) -> None:
    """Set up this process's logs; call it once, before the first line.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
        log_format: ``auto`` is ``console`` on a terminal and ``json`` elsewhere.
        stream: where lines go; standard error when None.
        fields: put on every line, such as the node's name.
    """
    target = stream or sys.stderr
    on_terminal = target.isatty()
    if log_format == "console" or (log_format == "auto" and on_terminal):
        renderer: structlog.typing.Processor = structlog.dev.ConsoleRenderer(colors=on_terminal)
        cap: structlog.typing.Processor = _cap_and_escape
    else:
        renderer, cap = structlog.processors.JSONRenderer(sort_keys=False), _cap
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**(fields or {}))
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            _add_time,
            _describe_exception,
            cap,
            _order,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", target)),
        cache_logger_on_first_use=False,
    )
    _quiet_libraries(level)


def get_log() -> Log:
    """The process's logger: ``get_log().info(EVENT, field=value)``."""
    log: Log = structlog.get_logger()
    return log


def _quiet_libraries(level: str) -> None:
    """Bring what libraries say through the standard library into the same shape, warnings only."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    root.addHandler(_Bridge())
    root.setLevel(max(_LEVELS[level], logging.WARNING))


class _Bridge(logging.Handler):
    @override
    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        cause = {} if error is None else {"error": repr(error)}
        get_log().log(
            record.levelno, "library_message", logger=record.name, text=record.getMessage(), **cause
        )


Event = MutableMapping[str, Any]


def _add_time(_log: object, _method: str, event: Event) -> Event:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    event["ts"] = now.replace("+00:00", "Z")
    return event


def _describe_exception(_log: object, _method: str, event: Event) -> Event:
    """Turn ``exc_info=error`` into fields: the traceback helps developers and stays in the log."""
    error = event.pop("exc_info", None)
    if isinstance(error, BaseException):
        event["error"] = repr(error)
        event["traceback"] = structlog.tracebacks.ExceptionDictTransformer(
            show_locals=False, max_frames=20
        )((type(error), error, error.__traceback__))
    return event


def _cap(_log: object, _method: str, event: Event) -> Event:
    for key, value in event.items():
        if isinstance(value, str) and len(value) > FIELD_CHARACTERS_MAX:
            event[key] = value[:FIELD_CHARACTERS_MAX] + "..."
    return event


def _cap_and_escape(log: object, method: str, event: Event) -> Event:
    for key, value in _cap(log, method, event).items():
        if isinstance(value, str) and not value.isprintable():
            event[key] = "".join(
                character if character.isprintable() else ascii(character)[1:-1]
                for character in value
            )
    return event


def _order(_log: object, _method: str, event: Event) -> Event:
    first = {key: event.pop(key) for key in ("ts", "level", "event") if key in event}
    return {**first, **event}
