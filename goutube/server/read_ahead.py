"""Answer after answer of one read, the next one fetched while the present one is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from msgspec.structs import replace

from goutube.errors import StreamNotFoundError
from goutube.node import AtOffset, Read, ReadAnswer, Result
from goutube.server.options import Driver


async def read_ahead(
    driver: Driver, first: Read, *, follow: bool
) -> AsyncGenerator[ReadAnswer, None]:
    """Yield the answers of a read that begins with ``first``, at least one; it may be empty.

    Without ``follow`` the read ends at the committed end that the first answer tells. It stays with
    the stream that it began with: one that was deleted ends it, even if there is a new one of the
    name. Close it (``aclosing``), so that a read that waits is forgotten.

    Raises:
        GoutubeError: what a read met.
    """
    answer = _answer(await driver.call(first))
    limit = first.limit
    if not follow:
        limit = answer.end_offset if limit is None else min(limit, answer.end_offset)
    command = replace(first, stream_id=answer.stream_id, limit=limit, wait=follow)
    waited = False
    while True:
        ahead: asyncio.Future[Result] | None = None
        if not _ended(answer, limit, waited or not follow):
            command = replace(command, start=AtOffset(answer.next_offset))
            ahead = driver.call(command)
        try:
            yield answer
            if ahead is None:
                return
            answer = _answer(await ahead)
        except StreamNotFoundError as error:
            raise StreamNotFoundError(
                f"the stream {first.name!r} was deleted while it was read", **error.fields
            ) from error
        finally:
            if ahead is not None:
                _forget(ahead)
        waited = follow


def _ended(answer: ReadAnswer, limit: int | None, empty_ends: bool) -> bool:
    if limit is not None and answer.next_offset >= limit:
        return True
    if at_end_of_stream(answer):
        return True
    return empty_ends and not answer.data


def at_end_of_stream(answer: ReadAnswer) -> bool:
    """Whether no byte follows this answer, ever."""
    return answer.sealed and answer.next_offset >= answer.end_offset


def _forget(ahead: asyncio.Future[Result]) -> None:
    if not ahead.cancel() and not ahead.cancelled():
        ahead.exception()  # nobody wants it any more; asyncio would tell of it


def _answer(result: Result) -> ReadAnswer:
    assert isinstance(result, ReadAnswer)
    return result
