"""A bare client of ``goutube.v1`` for tests: messages out, messages in, nothing clever."""

from __future__ import annotations

import contextlib

import grpc
import pytest

from goutube._native import join_records
from goutube.api import admin_pb2, cluster_pb2, methods, status, stream_pb2

TIMEOUT_S = 30


def append_request(stream, *records, **fields):
    """One good batch; ``fields`` overrule what it says."""
    request = stream_pb2.AppendRequest(stream=stream)
    if records:
        tables, data, flags, checksum = join_records(records)
        request.record_count = len(records)
        request.tables, request.data = tables, data
        request.flags, request.checksum = flags, checksum
    for name, value in fields.items():
        setattr(request, name, value)
    return request


class WireClient:
    """Calls of one channel."""

    def __init__(self, channel):
        self.channel = channel
        self.append_call = channel.stream_stream(
            methods.APPEND,
            stream_pb2.AppendRequest.SerializeToString,
            stream_pb2.AppendResponse.FromString,
        )
        self.read_call = channel.unary_stream(
            methods.READ,
            stream_pb2.ReadRequest.SerializeToString,
            stream_pb2.ReadResponse.FromString,
        )

    def append(self, *requests):
        """The answers to all batches, sent in one call."""
        return list(self.append_call(iter(requests), timeout=TIMEOUT_S))

    def put(self, stream, *records):
        """Append one batch; its answer."""
        (answer,) = self.append(append_request(stream, *records))
        return answer

    def read(self, stream, **fields):
        """All answers of a read."""
        request = stream_pb2.ReadRequest(stream=stream, **fields)
        return list(self.read_call(request, timeout=TIMEOUT_S))

    def bytes_of(self, stream, **fields):
        """All bytes of a read."""
        return b"".join(answer.data for answer in self.read(stream, **fields))

    def admin(self, method, **fields):
        """One call of StreamAdminService by its name."""
        call = self.channel.unary_unary(
            f"/{methods.STREAM_ADMIN_SERVICE}/{method}",
            getattr(admin_pb2, f"{method}Request").SerializeToString,
            getattr(admin_pb2, f"{method}Response").FromString,
        )
        return call(getattr(admin_pb2, f"{method}Request")(**fields), timeout=TIMEOUT_S)

    def status(self):
        """GetStatus."""
        call = self.channel.unary_unary(
            methods.GET_STATUS,
            cluster_pb2.GetStatusRequest.SerializeToString,
            cluster_pb2.GetStatusResponse.FromString,
        )
        return call(cluster_pb2.GetStatusRequest(), timeout=TIMEOUT_S)


@contextlib.contextmanager
def refused(error_class, *words):
    """The block's call fails with this error, and its message has these words."""
    with pytest.raises(grpc.RpcError) as caught:
        yield
    failed = caught.value
    error = status.from_rpc(failed.code(), failed.details(), failed.trailing_metadata())
    assert type(error) is error_class, (failed.code(), failed.details())
    assert failed.code() is status.code_of(error_class)
    for word in words:
        assert str(word) in error.message
