"""``streaming.v1`` as a client sees it that knows nothing but the table of the Go server's wire.

Its messages live in the process's default descriptor pool, beside Goutube's own in theirs.
"""

from __future__ import annotations

import random

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.rpc import error_details_pb2, status_pb2

from goutube.api import streaming_pb2
from tests.support.serving import serving_node

pytestmark = pytest.mark.net

RECORD_BYTES_MAX = 64 * 1024
CHUNK_BYTES_MAX = 4096

TABLE = {
    "ProduceRequest": [("point", 1, "string"), ("frame", 3, "bytes")],
    "Record": [("point", 1, "string"), ("offset", 2, "uint64")],
    "ProduceResponse": [("records", 1, "*Record")],
    "ConsumeRequest": [
        ("point", 1, "string"),
        ("offset", 2, "uint64"),
        ("limit", 3, "uint64"),
        ("chunk_size", 4, "uint64"),
    ],
    "ConsumeResponse": [("frame", 1, "bytes")],
    "MetadataRequest": [("point", 1, "string")],
    "MetadataResponse": [("workers", 1, "*string"), ("size", 2, "uint64")],
    "GetServersRequest": [],
    "Server": [("rpc_addr", 1, "string")],
    "GetServersResponse": [("servers", 1, "*Server")],
    "GetFollowersRequest": [],
    "GetFollowersResponse": [("servers", 1, "*Server")],
}


def users_own_messages():
    """Message classes made from the table alone, in the default pool."""
    file = descriptor_pb2.FileDescriptorProto(
        name="user/streaming.proto", package="streaming.v1", syntax="proto3"
    )
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in TABLE.items():
        message = file.message_type.add(name=name)
        for field_name, number, kind in fields:
            field = message.field.add(name=field_name, number=number)
            field.label = kinds.LABEL_REPEATED if kind[0] == "*" else kinds.LABEL_OPTIONAL
            single = kind.removeprefix("*")
            if single in TABLE:
                field.type, field.type_name = kinds.TYPE_MESSAGE, f".streaming.v1.{single}"
            else:
                field.type = getattr(kinds, f"TYPE_{single.upper()}")
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"streaming.v1.{name}"))
        for name in TABLE
    }


MESSAGES = users_own_messages()


class Client:
    """Calls by the table's names."""

    def __init__(self, channel):
        produce = ("/streaming.v1.Streaming/ProduceStream", "ProduceRequest", "ProduceResponse")
        consume = ("/streaming.v1.Streaming/ConsumeStream", "ConsumeRequest", "ConsumeResponse")
        self._produce = self._method(channel.stream_unary, *produce)
        self._consume = self._method(channel.unary_stream, *consume)
        self._metadata = self._method(
            channel.unary_unary,
            "/streaming.v1.Streaming/GetMetadata", "MetadataRequest", "MetadataResponse",
        )  # fmt: skip
        self.get_servers = self._method(
            channel.unary_unary,
            "/streaming.v1.LBResolverHelper/GetServers", "GetServersRequest", "GetServersResponse",
        )  # fmt: skip
        self.get_followers = self._method(
            channel.unary_unary,
            "/streaming.v1.FollowerResolverHelper/GetFollowers",
            "GetFollowersRequest", "GetFollowersResponse",
        )  # fmt: skip

    @staticmethod
    def _method(kind, path, request, response):
        return kind(path, MESSAGES[request].SerializeToString, MESSAGES[response].FromString)

    def produce(self, *frames):
        """Send (stream, frame) pairs; the answer as (stream, offset) pairs."""
        request = MESSAGES["ProduceRequest"]
        answer = self._produce(
            iter([request(point=point, frame=frame) for point, frame in frames]), timeout=30
        )
        return [(record.point, record.offset) for record in answer.records]

    def consume(self, point, **fields):
        """The chunks."""
        request = MESSAGES["ConsumeRequest"](point=point, **fields)
        return [chunk.frame for chunk in self._consume(request, timeout=30)]

    def metadata(self, point):
        """(workers, size)."""
        answer = self._metadata(MESSAGES["MetadataRequest"](point=point), timeout=30)
        return list(answer.workers), answer.size


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving_node(
        tmp_path_factory.mktemp("node") / "data",
        record_bytes_max=RECORD_BYTES_MAX,
        chunk_bytes_max=CHUNK_BYTES_MAX,
    ) as server:
        yield server


@pytest.fixture(scope="module")
def client(server):
    with grpc.insecure_channel(server.address) as channel:
        yield Client(channel)


@pytest.fixture
def refusal():
    """Run a call that must fail; its code and message."""

    def run(call, *arguments, **fields):
        with pytest.raises(grpc.RpcError) as caught:
            call(*arguments, **fields)
        return caught.value.code(), caught.value.details()

    return run


TEN = [bytes([number]) * 256 for number in range(10)]


def test_users_messages_are_not_ours():
    """The user's stubs and Goutube's are different classes of the same names, in one process."""
    assert streaming_pb2.Record is not MESSAGES["Record"]
    assert streaming_pb2.Record.DESCRIPTOR.full_name == MESSAGES["Record"].DESCRIPTOR.full_name


def test_the_record_names_the_last_frame(client):
    """Ten frames of 256 bytes give one record, with the offset at which the tenth begins."""
    assert client.produce(*[("ten", frame) for frame in TEN]) == [("ten", 2304)]
    assert [len(chunk) for chunk in client.consume("ten", chunk_size=1000)] == [1000, 1000, 560]
    assert b"".join(client.consume("ten")) == b"".join(TEN)
    wanted = b"".join(TEN)[100:1500]
    assert b"".join(client.consume("ten", offset=100, limit=1500)) == wanted


def test_the_next_call_goes_on_at_the_end(client):
    """Each call is a producer of its own; the second one's frames follow the first one's."""
    assert client.produce(("on", b"first")) == [("on", 0)]
    assert client.produce(("on", b"second"), ("on", b"third")) == [("on", 11)]
    assert client.consume("on") == [b"firstsecondthird"]


def test_no_frame_no_record(client):
    """A call without a frame is fine and does nothing."""
    assert client.produce() == []


def test_an_empty_frame_creates_and_counts(client, refusal):
    """An empty frame makes the stream, appends nothing, and begins at the present end."""
    assert refusal(client.metadata, "empty")[0] is grpc.StatusCode.NOT_FOUND
    assert client.produce(("empty", b"")) == [("empty", 0)]
    assert client.metadata("empty")[1] == 0
    assert client.consume("empty") == []
    assert client.produce(("empty", b"abc"), ("empty", b"")) == [("empty", 3)]
    assert client.produce(("empty", b""), ("empty", b""), ("empty", b"de")) == [("empty", 3)]
    assert client.consume("empty") == [b"abcde"]


def test_several_streams_in_one_call(client):
    """Each stream has its record, in the order of first use, wherever its shard is."""
    frames = [(f"many/{number % 7}", bytes([number]) * (number + 1)) for number in range(70)]
    answer = client.produce(*frames)
    assert [name for name, _ in answer] == [f"many/{number}" for number in range(7)]
    for name, offset in answer:
        own = [frame for other, frame in frames if other == name]
        assert client.consume(name) == [b"".join(own)]
        assert offset == sum(map(len, own[:-1]))


def test_offsets_and_limits(client, refusal):
    """At the end nothing, beyond it OUT_OF_RANGE; a limit beyond reads to the end."""
    client.produce(("edges", b"0123456789"))
    assert client.consume("edges", offset=10) == []
    assert client.consume("edges", offset=10, limit=10) == []
    assert client.consume("edges", offset=4, limit=1 << 63) == [b"456789"]
    assert client.consume("edges", offset=4, limit=4) == []
    code, message = refusal(client.consume, "edges", offset=11)
    assert code is grpc.StatusCode.OUT_OF_RANGE
    assert "11" in message
    assert "10" in message
    assert refusal(client.consume, "edges", offset=(1 << 64) - 1)[0] is grpc.StatusCode.OUT_OF_RANGE
    code, message = refusal(client.consume, "edges", offset=7, limit=3)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "7" in message
    assert "3" in message


@pytest.mark.parametrize("asked", [0, CHUNK_BYTES_MAX, CHUNK_BYTES_MAX + 1, (1 << 64) - 1])
def test_the_servers_chunk_size(client, asked):
    """No size, and one above the server's maximum, are served at that maximum."""
    client.produce(("chunks", b""))
    if client.metadata("chunks")[1] == 0:
        client.produce(("chunks", bytes(10_000)))
    lengths = [len(chunk) for chunk in client.consume("chunks", chunk_size=asked)]
    assert lengths == [4096, 4096, 1808]


def test_chunks_are_exact_whatever_the_frames(client):
    """Any frames, any chunk size, any range: every chunk but the last has exactly that size."""
    chance = random.Random(5)
    frames = [chance.randbytes(chance.choice([1, 7, 300, 5000])) for _ in range(400)]
    client.produce(*[("exact", frame) for frame in frames])
    whole = b"".join(frames)
    for size in (1 << 10, 777, 4000, 4096):
        start = chance.randrange(len(whole))
        limit = chance.randrange(start, len(whole) + 1) or 1
        chunks = client.consume("exact", offset=start, limit=limit, chunk_size=size)
        assert b"".join(chunks) == whole[start:limit]
        assert {len(chunk) for chunk in chunks[:-1]} <= {size}
        assert not chunks or 0 < len(chunks[-1]) <= size


def test_a_chunk_size_of_one(client):
    """The smallest chunk there is."""
    client.produce(("bytes", b"abc"))
    assert client.consume("bytes", chunk_size=1) == [b"a", b"b", b"c"]


@pytest.mark.parametrize("call", ["consume", "metadata"])
def test_an_unknown_stream_is_named(client, refusal, call):
    """NOT_FOUND, and the message names the stream."""
    code, message = refusal(getattr(client, call), "no/such")
    assert code is grpc.StatusCode.NOT_FOUND
    assert "no/such" in message


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "a//b", "..", "a/../b", "a\0b", "a\nb", "a\x85b", "x" * 256]
)
def test_a_name_that_is_none(client, refusal, name):
    """Every call refuses it with a sentence."""
    for call in (client.consume, client.metadata, lambda point: client.produce((point, b"x"))):
        code, message = refusal(call, name)
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert "stream name" in message


def test_a_frame_over_the_limit(client, refusal):
    """It names size and limit; the frames before it are committed and counted, and stay."""
    frames = [("large", b"a" * 10), ("large", b"b" * RECORD_BYTES_MAX)]
    code, message = refusal(client.produce, *frames, ("large", bytes(RECORD_BYTES_MAX + 1)))
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert str(RECORD_BYTES_MAX + 1) in message
    assert str(RECORD_BYTES_MAX) in message
    assert "2 frames" in message
    assert client.metadata("large")[1] == 10 + RECORD_BYTES_MAX


def test_metadata_and_helpers(server, client):
    """Size and addresses; a lone node is its own only server and has no followers."""
    client.produce(("meta", b"12345"))
    assert client.metadata("meta") == ([server.address], 5)
    servers = client.get_servers(MESSAGES["GetServersRequest"]()).servers
    assert [item.rpc_addr for item in servers] == [server.address]
    assert not client.get_followers(MESSAGES["GetFollowersRequest"]()).servers


def test_errors_carry_details(client):
    """ErrorInfo for programs and LocalizedMessage for people travel in the trailers."""
    with pytest.raises(grpc.RpcError) as caught:
        client.metadata("not/there")
    trailers = dict(caught.value.trailing_metadata())
    details = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    info, text = error_details_pb2.ErrorInfo(), error_details_pb2.LocalizedMessage()
    assert details.details[0].Unpack(info)
    assert details.details[1].Unpack(text)
    assert (info.domain, info.reason) == ("goutube", "STREAM_NOT_FOUND")
    assert info.metadata["stream"] == "not/there"
    assert text.message == caught.value.details() == details.message
    assert details.code == grpc.StatusCode.NOT_FOUND.value[0]


def test_many_frames_of_many_sizes_keep_their_order(client):
    """Frames that are joined into batches while others are under way come out as they went in."""
    chance = random.Random(6)
    frames = [chance.randbytes(chance.choice([0, 1, 20, 3000])) for _ in range(3000)]
    frames.append(b"last")
    ((_, offset),) = client.produce(*[("order", frame) for frame in frames])
    whole = b"".join(frames)
    assert b"".join(client.consume("order")) == whole
    assert offset == len(whole) - 4
