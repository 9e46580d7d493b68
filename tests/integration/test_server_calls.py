"""What becomes of calls when the driver is slow, wrong or gone: bounds, drains, vanished clients."""

from __future__ import annotations

import asyncio
import logging
import threading
from queue import SimpleQueue

import grpc
import pytest

from goutube import errors
from goutube._native import ReadData
from goutube.api import methods, stream_pb2, streaming_pb2
from goutube.limits import MIB
from goutube.model import AppendResult, StreamId
from goutube.node import Append, AtOffset, NodeReport, Read, ReadAnswer
from goutube.server import Listener, ServerOptions
from tests.support.serving import serving
from tests.support.wire_client import WireClient, append_request, refused

pytestmark = pytest.mark.net

ENDLESS = "endless"
FLOOD = "flood"


class HeldDriver:
    """Holds appends until they are let go; reads of ENDLESS wait until they are ended."""

    def __init__(self):
        self.seen = []
        self.open_count = self.most_open = self.open_bytes = self.most_bytes = 0
        self.end = 0
        self.forgotten = threading.Event()
        self.arrived = SimpleQueue()
        self.go = asyncio.Event()
        self.ending = asyncio.Event()
        self.let_go_at = -1

    def call(self, command):
        return asyncio.ensure_future(self._call(command))

    def begin(self, command, answered):
        self.call(command).add_done_callback(lambda task: answered(task.result(), None))
        return True

    async def _call(self, command):
        self.seen.append(command)
        self.arrived.put(command)
        if isinstance(command, Append):
            return await self._append(command)
        assert isinstance(command, Read)
        if command.name == FLOOD:
            return flood_answer(command)
        if command.name != ENDLESS:
            raise ZeroDivisionError("a fault of the node")
        try:
            await self.ending.wait()
        except asyncio.CancelledError:
            self.forgotten.set()
            raise
        raise errors.ShuttingDownError("the reads were ended")

    async def _append(self, command):
        size = len(command.batch.data)
        offset = self.end
        self.end += size
        self.open_count += 1
        self.open_bytes += size
        self.most_open = max(self.most_open, self.open_count)
        self.most_bytes = max(self.most_bytes, self.open_bytes)
        if self.let_go_at in (self.open_count, self.open_bytes):
            self.go.set()
        await self.go.wait()
        self.open_count -= 1
        self.open_bytes -= size
        return AppendResult(offset, offset + size, StreamId(1))

    def report(self):
        return NodeReport(b"", "n", b"", 1, [])

    def end_reads(self):
        self.ending.set()


def flood_answer(command):
    """A mebibyte of a stream that does not end."""
    start = command.start.offset if isinstance(command.start, AtOffset) else 0
    return ReadAnswer(
        StreamId(1), start, ReadData(bytes(MIB)), 0, b"", b"", 0, start + MIB, 0, 1 << 60, False
    )


async def held_driver():
    return HeldDriver()


@pytest.fixture
def server():
    with serving(held_driver) as server:
        yield server
        server.loop.call_soon_threadsafe(server.driver.go.set)


@pytest.fixture
def client(server):
    with grpc.insecure_channel(server.address) as channel:
        yield WireClient(channel)


class Requests:
    """An iterator of requests that the test feeds; ``close`` half-closes."""

    def __init__(self):
        self._queue = SimpleQueue()

    def send(self, request):
        self._queue.put(request)

    def close(self):
        self._queue.put(None)

    def __iter__(self):
        return iter(self._queue.get, None)


def produce_call(client, requests):
    """A ProduceStream call under way."""
    method = client.channel.stream_unary(
        methods.PRODUCE_STREAM,
        streaming_pb2.ProduceRequest.SerializeToString,
        streaming_pb2.ProduceResponse.FromString,
    )
    return method.future(iter(requests), timeout=30)


def frame(content, point="p"):
    return streaming_pb2.ProduceRequest(point=point, frame=content)


def test_a_fault_of_the_node_is_internal_and_tells_nothing(client):
    """No traceback crosses the wire, and the next call is served."""
    for _ in range(2):
        with pytest.raises(grpc.RpcError) as caught:
            client.read("any")
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        assert caught.value.details() == "internal error, see the node's log"
        assert "ZeroDivision" not in str(caught.value.trailing_metadata())


@pytest.mark.parametrize(("size", "count"), [(1, 256), (MIB, 31)])
def test_an_append_call_is_bounded(server, client, size, count):
    """So many batches and bytes are under way at most, however many are sent."""
    first, held = append_request("s", b"x" * size), server.driver
    batches = [append_request("s", b"x" * size) for _ in range(count + 40)]
    held.let_go_at = 1  # the first of a run goes alone
    call = client.append_call(iter([first, *batches]), timeout=60)
    next(call)

    def hold():
        held.go.clear()
        held.let_go_at = count if size == 1 else count * size

    # Everything that is under way is let go when the bound is reached, and not before.
    server.call(_later(hold))
    assert len(list(call)) == len(batches)
    assert held.most_open <= count
    assert held.most_bytes <= 32 * MIB


async def _later(function):
    function()


def test_a_reader_that_leaves_is_forgotten(server, client):
    """The driver is told that nobody waits any more."""
    call = client.read_call(stream_pb2.ReadRequest(stream=ENDLESS, follow=True), timeout=30)
    server.driver.arrived.get(timeout=30)
    call.cancel()
    assert server.driver.forgotten.wait(30)


def ended_calls(server, method, code):
    """How many calls of a method have ended with a code."""
    service, _, name = method[1:].partition("/")
    labels = {"service": service, "method": name, "code": code}
    registry = server.listener._metrics.registry
    return registry.get_sample_value("goutube_rpc_requests_total", labels) or 0


def test_a_reader_that_vanishes_is_no_fault(caplog):
    """Cut off while a message was on its way: counted as cancelled, and no error in the log."""
    with serving(held_driver) as server:
        with grpc.insecure_channel(server.address) as channel:
            calls = [
                WireClient(channel).read_call(stream_pb2.ReadRequest(stream=FLOOD), timeout=30)
                for _ in range(4)
            ]
            for call in calls:
                assert len(next(call).data) == MIB
            assert len(server.driver.seen) < 100
        server.call(server.listener.stop(5))
        assert ended_calls(server, methods.READ, "CANCELLED") == 4
    assert [record for record in caplog.records if record.levelno > logging.WARNING] == []


def test_calls_are_counted_by_their_status(server, client):
    """Under the service's own names and the code that the client got."""
    server.driver.go.set()
    client.put("s", b"x")
    with pytest.raises(grpc.RpcError):
        client.read("any")
    with pytest.raises(grpc.RpcError):
        client.channel.unary_unary("/grpc.health.v1.Health/Check")(b"\x0a\x01x", timeout=30)
    client.status()
    assert ended_calls(server, methods.APPEND, "OK") == 1
    assert ended_calls(server, methods.READ, "INTERNAL") == 1
    assert ended_calls(server, "/grpc.health.v1.Health/Check", "NOT_FOUND") == 1


def test_a_deadline_ends_the_call_in_the_node(server, client):
    """What the client no longer waits for is given up."""
    with pytest.raises(grpc.RpcError) as caught:
        list(client.read_call(stream_pb2.ReadRequest(stream=ENDLESS), timeout=0.1))
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert server.driver.forgotten.wait(30)


def test_an_appender_that_vanishes_leaves_no_fault(server, client):
    """The batch under way goes on in the node, and the node serves on."""
    requests = Requests()
    requests.send(append_request("s", b"x"))
    call = client.append_call(iter(requests), timeout=30)
    server.driver.arrived.get(timeout=30)
    call.cancel()
    requests.close()
    server.loop.call_soon_threadsafe(server.driver.go.set)
    assert client.put("s", b"y").offset == 1


def test_a_drain_lets_appends_be_answered(server, client):
    """Batches under way are acknowledged, then the call and the waiting reads end by name."""
    requests = Requests()
    requests.send(append_request("s", b"abc", request=5))
    append = client.append_call(iter(requests), timeout=30)
    follow = client.read_call(stream_pb2.ReadRequest(stream=ENDLESS, follow=True), timeout=30)
    server.driver.arrived.get(timeout=30)
    server.driver.arrived.get(timeout=30)
    stopping = server.begin(server.listener.stop(20))
    with refused(errors.ShuttingDownError):
        next(follow)
    server.loop.call_soon_threadsafe(server.driver.go.set)
    assert next(append).request == 5
    with refused(errors.ShuttingDownError, "shutting down"):
        next(append)
    requests.close()
    stopping.result(10)


def test_a_drain_waits_for_a_producer_to_finish(server, client):
    """Frames that come within the grace are taken, and the call is answered."""
    server.driver.go.set()
    requests = Requests()
    call = produce_call(client, requests)
    requests.send(frame(b"one"))
    server.driver.arrived.get(timeout=30)
    stopping = server.begin(server.listener.stop(20))
    server.call(server.driver.ending.wait())
    requests.send(frame(b"two"))
    requests.close()
    assert call.result().records[0].offset == 3
    stopping.result(10)


def test_the_end_of_the_grace(server, client):
    """A producer that never ends is told what is committed; an append that hangs is cut."""
    server.driver.go.set()
    requests = Requests()
    produce = produce_call(client, requests)
    requests.send(frame(b"one"))
    server.driver.arrived.get(timeout=30)
    server.call(_later(server.driver.go.clear))
    batches = Requests()
    batches.send(append_request("s", b"abc"))
    append = client.append_call(iter(batches), timeout=30)
    server.driver.arrived.get(timeout=30)
    server.call(server.listener.stop(0.2))
    with refused(errors.ShuttingDownError, "1 frame of this call is committed"):
        produce.result()
    with refused(errors.ShuttingDownError):
        next(append)
    requests.close()
    batches.close()


def test_a_port_in_use_is_named(server):
    """The error names the address and the setting, and says what is wrong."""

    async def second():
        listener = Listener(server.driver, ServerOptions(address=server.address))
        await listener.start()

    with pytest.raises(errors.ConfigError, match="already in use") as caught:
        server.call(second())
    assert server.address in caught.value.message
    assert "rpc_port" in caught.value.message


@pytest.mark.parametrize("address", ["127.0.0.1:99999", "192.0.2.1:0", "no.such.host.invalid:1"])
def test_an_address_that_cannot_be_had(server, address):
    """It is named."""

    async def other():
        await Listener(server.driver, ServerOptions(address=address)).start()

    with pytest.raises(errors.ConfigError, match="cannot be bound") as caught:
        server.call(other())
    assert address in caught.value.message
