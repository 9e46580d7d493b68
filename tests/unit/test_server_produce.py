"""A ProduceStream call over a made-up context: what is joined, what is bounded, what is told."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from goutube.api import streaming_pb2
from goutube.errors import DiskFullError, OffsetMismatchError, RecordTooLargeError, WireFormatError
from goutube.model import AppendResult
from goutube.observe import Metrics
from goutube.server.produce import ProduceCall

RECORD_BYTES_MAX = 1000


class Context:
    """Gives the messages of a list, then the end."""

    def __init__(self, messages):
        self.messages = messages
        self.read_count = 0

    async def read(self):
        await asyncio.sleep(0)
        if self.read_count == len(self.messages):
            return grpc.aio.EOF
        self.read_count += 1
        return self.messages[self.read_count - 1]


class Driver:
    """Streams as byte arrays; holds every append until ``go`` is set."""

    def __init__(self, error_at=None, error=None):
        self.go = asyncio.Event()
        self.seen = []
        self.streams = {}
        self.error_at, self.error = error_at, error

    def call(self, command):
        return asyncio.ensure_future(self._call(command))

    async def _call(self, command):
        self.seen.append(command)
        number = len(self.seen)
        content = self.streams.setdefault(command.name, bytearray())
        offset = len(content)
        if self.error_at is None or number < self.error_at:
            content += bytes(command.batch.data) if command.batch else b""
        await self.go.wait()
        if self.error_at is not None and number >= self.error_at:
            raise self.error
        return AppendResult(offset, offset + len(command.batch.data if command.batch else b""), 1)


async def spin():
    """Let everything that can go on go on."""
    for _ in range(3000):
        await asyncio.sleep(0)


def frames(*pairs):
    """Encoded requests."""
    return [
        streaming_pb2.ProduceRequest(point=point, frame=frame).SerializeToString()
        for point, frame in pairs
    ]


def run(messages, driver_arguments=(), held=None):
    """Run a call; ``held(context, driver)`` is called while all appends are held back."""

    async def scenario():
        context, driver = Context(messages), Driver(*driver_arguments)
        call = ProduceCall(driver, Metrics("t"), RECORD_BYTES_MAX, context)
        running = asyncio.create_task(call.run())
        await spin()
        if held is not None:
            held(context, driver)
        driver.go.set()
        answer = streaming_pb2.ProduceResponse.FromString(await running)
        return [(record.point, record.offset) for record in answer.records], driver

    return asyncio.run(scenario())


def test_frames_are_joined_and_bounded():
    """Four batches go; 256 frames are taken; what came meanwhile goes together."""

    def held(context, driver):
        assert [command.batch.record_count for command in driver.seen] == [1, 1, 1, 1]
        assert context.read_count == 257

    wanted = [b"%03d" % number for number in range(600)]
    records, driver = run(frames(*[("p", frame) for frame in wanted]), held=held)
    assert records == [("p", 599 * 3)]
    assert driver.streams["p"] == b"".join(wanted)
    assert max(command.batch.record_count for command in driver.seen) > 50
    sequence = 0
    for command in driver.seen:
        assert command.producer.producer_id == driver.seen[0].producer.producer_id
        assert command.producer.sequence == sequence
        sequence += command.batch.record_count


def test_empty_frames_keep_their_place():
    """They append nothing, are never in a batch, and begin where the stream ends then."""
    pairs = [("p", b"") if number % 3 == 2 else ("p", b"ab") for number in range(30)]
    records, driver = run(frames(*pairs))
    assert records == [("p", 40)]
    assert driver.streams["p"] == b"ab" * 20
    records, _ = run(frames(("p", b""), ("q", b"xyz"), ("q", b"z")))
    assert records == [("p", 0), ("q", 3)]


@pytest.mark.parametrize(
    ("last", "error_class", "words"),
    [
        (frames(("p", bytes(1001))), RecordTooLargeError, ["frame 4", "1001", "1000"]),
        ([b"\xff"], WireFormatError, ["streaming.v1.ProduceRequest"]),
    ],
)
def test_a_bad_frame_fails_the_call_after_those_before_it(last, error_class, words):
    """The frames before it are settled and counted."""
    messages = frames(("p", b"a"), ("q", b"b"), ("p", b"c")) + last
    with pytest.raises(error_class) as caught:
        run(messages)
    for word in [*words, "3 frames of this call are committed"]:
        assert word in caught.value.message
    assert caught.value.fields["committed_frames"] == "3"


def test_a_refused_batch_fails_the_call():
    """The first error is told, the count is exact, and nothing more is read or sent."""
    error = OffsetMismatchError("wrong end", end_offset=7)
    with pytest.raises(OffsetMismatchError, match=r"wrong end \(2 frames") as caught:
        run(frames(*[("p", b"x")] * 600), (3, error))
    assert caught.value.fields == {"end_offset": "7", "committed_frames": "2"}


def test_one_frame_is_one_frame():
    """The count reads well for one, and for none."""
    full = DiskFullError("the disk is full")
    with pytest.raises(DiskFullError, match=r"\(1 frame of this call is committed and stays\)"):
        run(frames(("p", b"x"), ("p", b"y")), (2, full))
    with pytest.raises(DiskFullError, match=r"\(0 frames of this call are committed\)"):
        run(frames(("p", b"x")), (1, full))


def test_no_frame():
    """Nothing is asked of the driver."""
    records, driver = run([])
    assert records == driver.seen == []
