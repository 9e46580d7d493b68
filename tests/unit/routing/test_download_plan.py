"""What a download plans, remembers and refuses, without files and sockets."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goutube.errors import InvalidArgumentError, OffsetOutOfRangeError, StreamNotFoundError
from goutube.model import StreamId, StreamInfo, StreamProperties
from goutube.routing import (
    Claim,
    DownloadPlan,
    DownloadWish,
    check_plan,
    check_streams,
    decode_resume,
    encode_claim,
    encode_plan,
    missing,
    plan_download,
)
from goutube.routing.download import PIECE_BYTES_MAX

WISH = DownloadWish("a/b", "earliest", None)
INFO = StreamInfo("a/b", StreamId(9), 10, 1000, 4, False, 0, 0, StreamProperties())
PLAN = DownloadPlan(WISH, 9, 10, 1000)
CLAIMS = [Claim(10, 300, 0xDEADBEEF), Claim(700, 1000, 1)]
LINES = encode_plan(PLAN) + b"".join(map(encode_claim, CLAIMS))


@pytest.mark.parametrize(
    ("offset", "limit", "bounds"),
    [("earliest", None, (10, 1000)), (500, 700, (500, 700)), (500, 7000, (500, 1000)),
     (1000, None, (1000, 1000)), (10, 10, (10, 10))],
)  # fmt: skip
def test_the_bytes_asked_for_are_those_that_are_there(offset, limit, bounds):
    plan = plan_download(DownloadWish("a/b", offset, limit), INFO)
    assert (plan.start, plan.end, plan.stream_id) == (*bounds, 9)


@pytest.mark.parametrize(
    ("offset", "limit", "error"),
    [(9, None, OffsetOutOfRangeError), (1001, None, OffsetOutOfRangeError),
     (500, 499, InvalidArgumentError)],
)  # fmt: skip
def test_bytes_that_are_not_there_are_refused(offset, limit, error):
    with pytest.raises(error) as caught:
        plan_download(DownloadWish("a/b", offset, limit), INFO)
    if error is OffsetOutOfRangeError:
        assert caught.value.fields == {"start_offset": "10", "end_offset": "1000"}


@pytest.mark.parametrize(
    ("wish", "info", "error", "word"),
    [
        (replace(WISH, limit=5), INFO, InvalidArgumentError, "to 5"),
        (replace(WISH, stream="other"), INFO, InvalidArgumentError, "other"),
        (WISH, replace(INFO, stream_id=StreamId(10)), StreamNotFoundError, "id 10"),
        (WISH, replace(INFO, start_offset=11), OffsetOutOfRangeError, "trimmed"),
    ],
)
def test_another_download_is_not_gone_on_with(wish, info, error, word):
    with pytest.raises(error, match=word) as caught:
        check_plan(PLAN, wish, info, "/x/f")
    assert "/x/f.part" in str(caught.value)


def test_a_longer_stream_is_gone_on_with():
    check_plan(PLAN, WISH, replace(INFO, end_offset=5000), "f")


@given(
    st.lists(st.tuples(st.integers(10, 999), st.integers(1, 400)), max_size=12),
    st.integers(1, 64),
)
def test_what_is_missing_is_what_is_not_claimed(spans, streams):
    """Pieces and claims together are every byte, and no missing byte is in two pieces."""
    claims = [Claim(start, min(start + count, 1000), 0) for start, count in spans]
    claimed = {byte for claim in claims for byte in range(claim.start, claim.end)}
    pieces = missing(PLAN, claims, streams)
    fetched = [byte for start, end in pieces for byte in range(start, end)]
    assert fetched == sorted(set(range(10, 1000)) - claimed)


def test_pieces_share_the_work_and_are_bounded():
    assert [end - start for start, end in missing(PLAN, [], 3)] == [330, 330, 330]
    big = DownloadPlan(WISH, 9, 0, 5 * PIECE_BYTES_MAX)
    assert max(end - start for start, end in missing(big, [], 2)) == PIECE_BYTES_MAX
    assert missing(DownloadPlan(WISH, 9, 7, 7), [], 4) == []


def test_a_resume_file_is_read_back():
    resume = decode_resume(LINES, "f")
    assert (resume.plan, resume.claims, resume.byte_count) == (PLAN, CLAIMS, len(LINES))


@pytest.mark.parametrize("length", range(len(LINES)))
def test_a_torn_resume_file_says_what_was_whole(length):
    """Cut anywhere, or continued by the zeros of a power cut, it never says anything else."""
    for content in (LINES[:length], LINES[:length] + b"\0" * 50):
        resume = decode_resume(content, "f")
        if resume is None:
            assert length < len(encode_plan(PLAN))
        else:
            assert resume.claims == CLAIMS[: len(resume.claims)]
            assert LINES.startswith(content[: resume.byte_count])
            assert len(resume.claims) >= content[:length].count(b"\n") - 1


@pytest.mark.parametrize(
    "line",
    [b"a text\n", b"[]\n", b"{}\n", b"5\n", b"\xff\n", LINES.replace(b'"format": 1', b'"format": 2'),
     LINES.replace(b'"start": 10', b'"start": 10000'), LINES.replace(b'"end": 1000', b'"end": "x"')],
)  # fmt: skip
def test_another_file_of_that_name_is_refused(line):
    with pytest.raises(InvalidArgumentError, match="my file"):
        decode_resume(line, "my file")


def test_claims_outside_the_plan_are_not_believed():
    lines = b"9 5 00000000\n10 0 00000000\n999 2 00000000\n10 5 00000000\n"
    assert decode_resume(encode_plan(PLAN) + lines, "f").claims == [Claim(10, 15, 0)]


@pytest.mark.parametrize("streams", [0, -1, 65])
def test_a_number_of_streams_has_bounds(streams):
    with pytest.raises(InvalidArgumentError, match=str(streams)):
        check_streams(streams)
