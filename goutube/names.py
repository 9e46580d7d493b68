"""The one rule of what a stream may be called."""

from __future__ import annotations

from functools import lru_cache

from goutube.errors import InvalidArgumentError
from goutube.limits import STREAM_NAME_BYTES_MAX


@lru_cache(maxsize=4096)  # each append names its stream, mostly one of a few
def check_stream_name(name: str) -> str:
    """Return ``name`` if it may name a stream.

    A name is 1 to ``STREAM_NAME_BYTES_MAX`` bytes of UTF-8 in parts joined by ``/``; no part is
    empty, ``.`` or ``..``, and there is no control character. It never becomes a file path.

    Raises:
        InvalidArgumentError: naming what is wrong with which part.
    """
    try:
        length = len(name.encode())
    except UnicodeEncodeError as error:
        raise _refusal(name, f"is not valid Unicode at character {error.start}") from None
    if length == 0:
        raise _refusal(name, "is empty")
    if length > STREAM_NAME_BYTES_MAX:
        raise _refusal(name, f"has {length} bytes; the limit is {STREAM_NAME_BYTES_MAX}")
    for place, character in enumerate(name):
        if character < " " or "\x7f" <= character <= "\x9f":
            raise _refusal(name, f"has the control character {ord(character):#04x} at {place}")
    for number, part in enumerate(name.split("/"), 1):
        if part in ("", ".", ".."):
            raise _refusal(name, f"has {part!r} as part {number}; parts are joined by single '/'")
    return name


def _refusal(name: str, what: str) -> InvalidArgumentError:
    shown = ascii(name if len(name) <= 64 else name[:64] + "...")
    return InvalidArgumentError(f"the stream name {shown} {what}", name=shown)
