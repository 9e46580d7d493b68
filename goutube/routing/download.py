"""A download's plan and memory: which bytes are wanted, which are there, what to fetch next.

What is there is remembered in a resume file of lines: the first says of what the download is, in
JSON; each further one claims a piece of the part file, ``OFFSET LENGTH CRC``, with the checksum
that the server sent with it. A claim is believed only after the part file's bytes have met it, so
that neither a power cut nor a strange file can slip false bytes into the result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from goutube.errors import (
    GoutubeError,
    InvalidArgumentError,
    OffsetOutOfRangeError,
    StreamNotFoundError,
)
from goutube.limits import MIB
from goutube.model import StreamInfo

Place = int | Literal["earliest"]
Piece = tuple[int, int]
"""Offsets of the first byte and of the one past the last."""

PIECE_BYTES_MAX: Final = 64 * MIB
"""The longest range of one call: a slow one does not keep the others waiting at the end."""
STREAMS_MAX: Final = 64
_FORMAT: Final = 1
_CLAIM: Final = re.compile(rb"([0-9]{1,20}) ([0-9]{1,10}) ([0-9a-f]{8})\n")


@dataclass(frozen=True, slots=True)
class DownloadWish:
    """What the user asked for; a download goes on only if it is asked for in the same words."""

    stream: str
    offset: Place
    limit: int | None


@dataclass(frozen=True, slots=True)
class DownloadPlan:
    """Which bytes of which stream make up the file: fixed when the download begins."""

    wish: DownloadWish
    stream_id: int
    start: int
    end: int

    @property
    def byte_count(self) -> int:
        """How long the file will be."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Claim:
    """A piece of the part file and the CRC-32C of its bytes."""

    start: int
    end: int
    checksum: int


@dataclass(frozen=True, slots=True)
class Resume:
    """What a resume file says: its plan, its claims, and how many of its bytes say it."""

    plan: DownloadPlan
    claims: list[Claim]
    byte_count: int


def plan_download(wish: DownloadWish, info: StreamInfo) -> DownloadPlan:
    """Fix the bytes of a new download: those asked for, up to the stream's present end.

    Raises:
        InvalidArgumentError: the limit lies before the offset.
        OffsetOutOfRangeError: the offset lies before the first byte or beyond the end.
    """
    start = info.start_offset if wish.offset == "earliest" else wish.offset
    end = info.end_offset if wish.limit is None else min(wish.limit, info.end_offset)
    if not info.start_offset <= start <= info.end_offset:
        raise _out_of_range(f"the offset {start} of {info.name!r} is not there", info)
    if end < start:
        raise InvalidArgumentError(f"the limit {wish.limit} lies before the offset {start}")
    return DownloadPlan(wish, info.stream_id, start, end)


def check_plan(plan: DownloadPlan, wish: DownloadWish, info: StreamInfo, path: str) -> None:
    """Check that an interrupted download may go on.

    Args:
        plan: what was begun.
        wish: what is asked for now.
        info: the stream as it is now.
        path: where the download goes, for the message.

    Raises:
        InvalidArgumentError: something else was begun.
        StreamNotFoundError: the stream was deleted and made anew.
        OffsetOutOfRangeError: bytes of the download were trimmed away.
    """
    anew = f"delete {path}.part and {path}.resume to begin anew"
    if plan.wish != wish:
        raise InvalidArgumentError(
            f"{path}.part is a download of {_words(plan.wish)}, not of {_words(wish)}; {anew}"
        )
    if plan.stream_id != info.stream_id:
        raise StreamNotFoundError(
            f"{path}.part is of the stream {wish.stream!r} with the id {plan.stream_id}, and the "
            f"one of that name has the id {info.stream_id} now; {anew}",
            stream=wish.stream,
        )
    if info.start_offset > plan.start:
        raise _out_of_range(
            f"{path}.part begins at {plan.start}, and {wish.stream!r} was trimmed since; {anew}",
            info,
        )


def _out_of_range(what: str, info: StreamInfo) -> GoutubeError:
    return OffsetOutOfRangeError(
        f"{what}: it holds {info.start_offset} to {info.end_offset}",
        start_offset=info.start_offset,
        end_offset=info.end_offset,
    )


def _words(wish: DownloadWish) -> str:
    end = "its end" if wish.limit is None else wish.limit
    return f"{wish.stream!r} from {wish.offset} to {end}"


def check_streams(streams: int) -> int:
    """Return how many ranges to fetch at once.

    Raises:
        InvalidArgumentError: it is not 1 to 64.
    """
    if not 1 <= streams <= STREAMS_MAX:
        raise InvalidArgumentError(f"streams is {streams!r}; it must be 1 to {STREAMS_MAX}")
    return streams


def missing(plan: DownloadPlan, claims: Iterable[Claim], streams: int) -> list[Piece]:
    """The pieces that are still to be fetched, cut so that ``streams`` calls share the work."""
    gaps: list[Piece] = []
    place = plan.start
    for claim in sorted(claims, key=lambda claim: claim.start):
        if claim.start > place:
            gaps.append((place, claim.start))
        place = max(place, claim.end)
    if place < plan.end:
        gaps.append((place, plan.end))
    share = -(-sum(end - start for start, end in gaps) // streams)
    longest = max(1, min(share, PIECE_BYTES_MAX))
    return [
        (start, min(start + longest, end))
        for first, end in gaps
        for start in range(first, end, longest)
    ]


def encode_plan(plan: DownloadPlan) -> bytes:
    """The first line of a resume file."""
    return json.dumps({"format": _FORMAT, **asdict(plan)}).encode() + b"\n"


def encode_claim(claim: Claim) -> bytes:
    """One further line."""
    return b"%d %d %08x\n" % (claim.start, claim.end - claim.start, claim.checksum)


def decode_resume(content: bytes, path: str) -> Resume | None:
    """What a resume file says, up to a torn line; None if it is empty or its first line is torn.

    Claims that lie outside the plan are left out.

    Raises:
        InvalidArgumentError: the first line is whole and of another kind of file.
    """
    line, newline, _ = content.partition(b"\n")
    if not newline:
        return None
    plan = _decode_plan(line, path)
    claims = []
    place = len(line) + 1
    while found := _CLAIM.match(content, place):
        start = int(found[1])
        claim = Claim(start, start + int(found[2]), int(found[3], 16))
        if plan.start <= claim.start < claim.end <= plan.end:
            claims.append(claim)
        place = found.end()
    return Resume(plan, claims, place)


def _decode_plan(line: bytes, path: str) -> DownloadPlan:
    try:
        plan = _plan_of(json.loads(line))
    except (ValueError, KeyError, TypeError):
        plan = None
    if plan is None:
        raise InvalidArgumentError(
            f"{path} is no resume file of a download by this release; remove it or choose another"
            " path"
        )
    return plan


def _plan_of(fields: dict[str, Any]) -> DownloadPlan | None:
    """The plan that the fields of a first line make, unless it is none that could be written."""
    words = fields["wish"]
    wish = DownloadWish(words["stream"], words["offset"], words["limit"])
    stream_id, start, end = int(fields["stream_id"]), int(fields["start"]), int(fields["end"])
    sound = fields["format"] == _FORMAT and stream_id > 0 and 0 <= start <= end
    return DownloadPlan(wish, stream_id, start, end) if sound else None
