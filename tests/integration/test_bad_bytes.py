"""Garbage on every method of every service: INVALID_ARGUMENT and a sentence, and the node serves on."""

from __future__ import annotations

import random

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from goutube.api import admin_pb2, cluster_pb2, stream_pb2, streaming_pb2
from tests.support.serving import serving_node
from tests.support.wire_client import WireClient

pytestmark = pytest.mark.net

MODULES = [admin_pb2, cluster_pb2, stream_pb2, streaming_pb2, health_pb2, reflection_pb2]
METHODS = {
    f"/{service.full_name}/{method.name}": method
    for module in MODULES
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
GARBAGE = {
    "a cut varint": b"\xff",
    "a length beyond the end": b"\x0a\x7f",
    "a huge length": b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    "an unknown wire type": b"\x0f",
    "an unclosed group": b"\x0b",
    "text": b"GET / HTTP/1.1\r\n\r\n",
}
MUST_FAIL = grpc.StatusCode.INVALID_ARGUMENT
FORBIDDEN = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL}
NOT_UTF8 = b"\x0a\x02\xff\xfe"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving_node(tmp_path_factory.mktemp("node") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(server.address) as channel:
        yield channel


def send(channel, path, content):
    """Call a method with raw bytes; its code and message, OK and nothing where it succeeds."""
    method = METHODS[path]
    shape = [
        "stream" if streams else "unary"
        for streams in (method.client_streaming, method.server_streaming)
    ]
    call = getattr(channel, "_".join(shape))(path)
    try:
        answer = call(iter([content]) if method.client_streaming else content, timeout=5)
        if method.server_streaming:
            next(answer, None)
            answer.cancel()
    except grpc.RpcError as error:
        return error.code(), error.details()
    return grpc.StatusCode.OK, ""


def test_there_are_methods_to_test():
    """All of our services, health and reflection."""
    assert {path.split("/")[1] for path in METHODS} == {
        "goutube.v1.ClusterService",
        "goutube.v1.StreamAdminService",
        "goutube.v1.StreamService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
        "streaming.v1.FollowerResolverHelper",
        "streaming.v1.LBResolverHelper",
        "streaming.v1.Streaming",
    }


@pytest.mark.parametrize("content", GARBAGE.values(), ids=GARBAGE)
@pytest.mark.parametrize("path", METHODS)
def test_garbage_is_refused_by_name(channel, path, content):
    """The message names the type that the bytes are not."""
    code, message = send(channel, path, content)
    assert code is MUST_FAIL
    assert METHODS[path].input_type.full_name in message
    assert "Traceback" not in message


@pytest.mark.parametrize("path", METHODS)
def test_a_name_that_is_not_utf8(channel, path):
    """Where field 1 is text it must be UTF-8; nowhere is it a fault of the node."""
    code, _ = send(channel, path, NOT_UTF8)
    first = METHODS[path].input_type.fields_by_number.get(1)
    if first is not None and first.type == first.TYPE_STRING:
        assert code is MUST_FAIL
    assert code not in FORBIDDEN


def test_random_bytes_on_every_method(channel):
    """Neither random bytes nor valid messages with random fields find a fault."""
    chance = random.Random(7)
    for _ in range(40):
        for path, method in METHODS.items():
            content = chance.randbytes(chance.randrange(40))
            if chance.random() < 0.5:
                content = random_message(chance, method.input_type)
            code, message = send(channel, path, content)
            assert code not in FORBIDDEN, (path, content, message)
    client = WireClient(channel)
    client.put("still/here", b"yes")
    assert client.bytes_of("still/here") == b"yes"


def random_message(chance, descriptor):
    """Field after field with wild values."""
    content = bytearray()
    for field in descriptor.fields:
        if field.type in (field.TYPE_STRING, field.TYPE_BYTES):
            value = chance.choice([b"", b"a", b"a/b", b"..", bytes(16), b"\xc3\xa9" * 200])
            content += bytes([field.number << 3 | 2]) + varint(len(value)) + value
        elif field.type == field.TYPE_FIXED32:
            content += bytes([field.number << 3 | 5]) + chance.randbytes(4)
        elif field.type != field.TYPE_MESSAGE:
            number = chance.choice([0, 1, 2, 1 << 31, (1 << 32) - 1, 1 << 63, (1 << 64) - 1])
            content += bytes([field.number << 3]) + varint(number)
    return bytes(content)


def varint(value):
    """Base 128, least first."""
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def test_an_unknown_method(channel):
    """UNIMPLEMENTED, as everywhere."""
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/goutube.v1.StreamService/Nothing")(b"", timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_reflection_knows_every_service(channel):
    """It lists the services, and gives the file of each."""
    call = channel.stream_stream(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        reflection_pb2.ServerReflectionRequest.SerializeToString,
        reflection_pb2.ServerReflectionResponse.FromString,
    )
    request = reflection_pb2.ServerReflectionRequest
    (listed,) = call(iter([request(list_services="")]), timeout=5)
    names = {service.name for service in listed.list_services_response.service}
    assert names == {path.split("/")[1] for path in METHODS}
    asked = [request(file_containing_symbol=name) for name in sorted(names)]
    for answer in call(iter(asked), timeout=5):
        assert answer.file_descriptor_response.file_descriptor_proto
