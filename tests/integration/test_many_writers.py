"""Many writers on one stream, through both wire APIs: every record is there exactly once."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from goutube.api import methods, streaming_pb2
from tests.support.serving import serving_node
from tests.support.wire_client import WireClient, append_request

pytestmark = pytest.mark.net

WORD_BYTES = 8


@pytest.mark.parametrize(
    ("writer_count", "append_count"),
    [(8, 40), pytest.param(64, 1000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])],
)
def test_all_there_exactly_once(tmp_path, writer_count, append_count):
    """Half of the writers use goutube.v1, half streaming.v1; each writer's order is kept."""
    with (
        serving_node(tmp_path / "data") as server,
        grpc.insecure_channel(server.address) as channel,
    ):
        client = WireClient(channel)
        produce = channel.stream_unary(
            methods.PRODUCE_STREAM,
            streaming_pb2.ProduceRequest.SerializeToString,
            streaming_pb2.ProduceResponse.FromString,
        )

        def word(writer, number):
            return b"%03d-%04d" % (writer, number)

        def write(writer):
            words = [word(writer, number) for number in range(append_count)]
            if writer % 2:
                requests = [streaming_pb2.ProduceRequest(point="all", frame=item) for item in words]
                return [produce(iter(requests), timeout=500).records[0].offset]
            call = client.append_call(
                iter([append_request("all", item) for item in words]), timeout=500
            )
            return [answer.offset for answer in call]

        with ThreadPoolExecutor(writer_count) as pool:
            offsets = list(pool.map(write, range(writer_count)))
        content = client.bytes_of("all")
        found = [
            content[start : start + WORD_BYTES] for start in range(0, len(content), WORD_BYTES)
        ]
        wanted = [word(w, n) for w in range(writer_count) for n in range(append_count)]
        assert Counter(found) == Counter(wanted)
        for writer, told in enumerate(offsets):
            numbers = [item for item in found if item.startswith(b"%03d-" % writer)]
            assert numbers == sorted(numbers)
            first = append_count - len(told)
            for number, offset in enumerate(told, first):
                assert content[offset : offset + WORD_BYTES] == word(writer, number)
