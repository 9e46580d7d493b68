"""Writers of pieces through every door of the server, which note what they were told.

They go on through restarts of the server, each in the way of its API: batches with producer numbers
are sent again until they are answered, frames of ``streaming.v1`` never, and the client library
decides for itself.
"""

from __future__ import annotations

import copy
import random
import threading
import time
from itertools import pairwise

import grpc

import goutube
from goutube.api import methods, streaming_pb2
from goutube.errors import (
    DiskFailedError,
    GoutubeError,
    OutcomeUnknownError,
    StreamNotFoundError,
    StreamSealedError,
)
from goutube.limits import KIB, MIB
from tests.support.pieces import BrokenPromiseError, Told, piece_of
from tests.support.wire_client import WireClient, append_request

CALL_S = 120
BURST_BATCHES_MAX = 8
_OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.max_send_message_length", 32 * MIB),
]
_BREAKS = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL)
"""How a call ends whose connection breaks."""


class Gate:
    """Tells writers when to write."""

    def __init__(self):
        self._open = threading.Event()
        self._over = False
        self.start()

    def start(self):
        """Begin to write, or go on."""
        self._open.set()

    def pause(self):
        """Begin nothing new; what is under way goes on."""
        self._open.clear()

    def stop(self):
        """Begin nothing more, ever."""
        self._over = True
        self._open.set()

    def may_go_on(self):
        """Wait while it is paused; False once it is over."""
        self._open.wait()
        return not self._over


class Writer(threading.Thread):
    """One writer on its thread; ``streams`` are where it writes, ``gate`` tells it when."""

    def __init__(self, number, address, streams, seed, gate):
        super().__init__(daemon=True)
        self.number, self.address, self.streams, self.gate = number, address, streams, gate
        self.chance = random.Random(seed * 1000 + number)
        self.failure: BaseException | None = None
        self.acknowledged_count = self.unknown_count = self.duplicate_count = self.bulk_count = 0
        self._told: dict[str, Told] = {}
        self._lock = threading.Lock()
        self._last = 0
        self._line = None
        """Its channel or its client."""

    def run(self):
        """Write until told to stop; what goes wrong is kept for the test's thread."""
        try:
            self.work()
        except BaseException as error:  # noqa: BLE001 - raised again by the test's thread
            self.failure = error

    def hang_up(self):
        """End what is under way, whose server will not come back, and everything after it."""
        if self._line is not None:
            self._line.close()

    def told(self):
        """A copy of what it knows of each stream now."""
        with self._lock:
            return copy.deepcopy(self._told)

    def new_piece(self, sizes):
        """A piece of its own with the next number, and that number."""
        self._last += 1
        size = self.chance.choice(sizes)
        self.bulk_count += size > MIB
        return self._last, piece_of(self.number, self._last, size)

    def acknowledge(self, stream, number, offset):
        with self._lock:
            self._told.setdefault(stream, Told()).acknowledged[number] = offset
            self.acknowledged_count += 1

    def lose_track(self, stream, number):
        with self._lock:
            self._told.setdefault(stream, Told()).unknown.add(number)
            self.unknown_count += 1

    def refuse(self, stream, number, error):
        with self._lock:
            self._told.setdefault(stream, Told()).refused[number] = repr(error)


class NumberedWriter(Writer):
    """``goutube.v1``: bursts of pipelined batches of an idempotent producer for each stream."""

    def work(self):
        producers = {stream: [self.chance.randbytes(16), 0] for stream in self.streams}
        with grpc.insecure_channel(self.address, options=_OPTIONS) as self._line:
            client = WireClient(self._line)
            while self.gate.may_go_on():
                count = self.chance.randint(1, BURST_BATCHES_MAX)
                self._settle(client, [self._batch(producers) for _ in range(count)])

    def _batch(self, producers):
        stream = self.chance.choice(self.streams)
        number, piece = self.new_piece([0, 20, 300, 300, 5000, 5000, 90_000, 3 * MIB // 2])
        cuts = sorted({0, len(piece), *self.chance.choices(range(1, len(piece)), k=3)})
        records = [piece[start:end] for start, end in pairwise(cuts)]
        producer = producers[stream]
        request = append_request(
            stream, *records, request=number, producer_id=producer[0], sequence=producer[1]
        )
        producer[1] += len(records)
        return request

    def _settle(self, client, batches):
        """Send a burst again and again, under the same producer numbers, until all is answered."""
        while batches:
            call = client.append_call(iter(list(batches)), timeout=CALL_S, wait_for_ready=True)
            try:
                for answer in call:
                    batch = batches.pop(0)
                    assert answer.request == batch.request
                    assert answer.next_offset - answer.offset == len(batch.data)
                    self.duplicate_count += answer.duplicate
                    self.acknowledge(batch.stream, batch.request, answer.offset)
            except grpc.RpcError as error:
                if error.code() not in _BREAKS:
                    raise


class FrameWriter(Writer):
    """``streaming.v1``: calls of several frames; what a broken call carried stays unknown."""

    def work(self):
        with grpc.insecure_channel(self.address, options=_OPTIONS) as self._line:
            produce = self._line.stream_unary(
                methods.PRODUCE_STREAM,
                streaming_pb2.ProduceRequest.SerializeToString,
                streaming_pb2.ProduceResponse.FromString,
            )
            while self.gate.may_go_on():
                self._call(produce)

    def _call(self, produce):
        frames = []
        for _ in range(self.chance.randint(1, 12)):
            number, piece = self.new_piece([0, 30, 400, 3000, 70_000, 200_000])
            frames.append((self.chance.choice(self.streams), number, piece))
        requests = [streaming_pb2.ProduceRequest(point=s, frame=piece) for s, _, piece in frames]
        try:
            answer = produce(iter(requests), timeout=CALL_S, wait_for_ready=True)
        except grpc.RpcError as error:
            if error.code() not in _BREAKS:
                raise
            for stream, number, _ in frames:
                self.lose_track(stream, number)
            return
        offsets = {record.point: record.offset for record in answer.records}
        last = {stream: number for stream, number, _ in frames}
        for stream, number, _ in frames:
            self.acknowledge(stream, number, offsets[stream] if last[stream] == number else None)


class LibraryWriter(Writer):
    """The client library; it repeats what it can, and says when it does not know."""

    def work(self):
        with goutube.connect(self.address, timeout_s=CALL_S) as self._line:
            while self.gate.may_go_on():
                self.one(self._line)

    def one(self, client):
        self.append(client, self.chance.choice(self.streams))

    def append(self, client, stream, **options):
        """Append a piece; whether that was acknowledged."""
        number, piece = self.new_piece([0, 20, 300, 5000, 90_000, 700 * KIB])
        try:
            result = client.append(stream, piece, **options)
        except OutcomeUnknownError:
            self.lose_track(stream, number)
        except GoutubeError as error:
            self.refuse(stream, number, error)
        else:
            assert result.next_offset - result.offset == len(piece)
            self.acknowledge(stream, number, result.offset)
            return True
        return False

    def insist(self, action, *arguments):
        """Do again and again what may be repeated, where the disk goes before the process does."""
        while True:
            try:
                return action(*arguments)
            except (DiskFailedError, OutcomeUnknownError):
                time.sleep(0.05)


class TrimmingWriter(LibraryWriter):
    """Drops the beginning of its stream now and then, at one of its own pieces.

    Attributes:
        trimmed: everything before it is gone for certain.
    """

    trimmed = 0

    def one(self, client):
        (stream,) = self.streams
        self.append(client, stream)
        if self.chance.random() < 0.1:
            mine = self._told.get(stream, Told()).acknowledged
            before = self.chance.choice([0, *list(mine.values())[-40:]])
            self.insist(client.trim, stream, before)
            self.trimmed = max(self.trimmed, before)


class SealingWriter(LibraryWriter):
    """Writes stream after stream to its end.

    Attributes:
        sealed: streams whose seal was acknowledged.
    """

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.sealed: list[str] = []

    def one(self, client):
        stream = f"{self.streams[0]}-{len(self.sealed)}"
        for _ in range(self.chance.randint(0, 30)):
            if not self.gate.may_go_on():
                return
            self.append(client, stream)
        answers = []
        if self.chance.random() < 0.5 or not self.append(client, stream, seal=True):
            answers.append(self.insist(self._seal, client, stream))
        try:
            answers.append(self.insist(client.append, stream, b"too late"))
        except StreamSealedError:
            self.sealed.append(stream)
        else:
            raise BrokenPromiseError("unsealed", f"{stream}; answers: {answers}")

    def _seal(self, client, stream):
        """Seal a stream, of which perhaps nothing was taken yet."""
        while True:
            try:
                return client.seal(stream)
            except StreamNotFoundError:
                self.append(client, stream)
