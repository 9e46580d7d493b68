"""``goutube.v1`` over loopback against a real node: appending, reading, following, administration."""

from __future__ import annotations

import struct

import grpc
import pytest
from grpc_health.v1 import health_pb2

from goutube import errors
from goutube._native import crc32c
from goutube.api import methods, stream_pb2
from goutube.limits import KIB, MIB
from tests.support.serving import serving_node
from tests.support.wire_client import WireClient, append_request, refused

pytestmark = pytest.mark.net

RECORD_BYTES_MAX = 2 * MIB
PRODUCER = b"p" * 16


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    path = tmp_path_factory.mktemp("node") / "data"
    with serving_node(path, record_bytes_max=RECORD_BYTES_MAX) as server:
        yield server


@pytest.fixture(scope="module")
def client(server):
    options = [("grpc.max_receive_message_length", 32 * MIB)]
    with grpc.insecure_channel(server.address, options) as channel:
        yield WireClient(channel)


def test_batches_are_answered_in_order(client):
    """A pipelined call: one answer a batch, offsets one behind the other, requests echoed."""
    batches = [append_request("pipe", b"ab", b"c", request=number) for number in range(500)]
    answers = client.append(*batches)
    assert [answer.request for answer in answers] == list(range(500))
    assert [answer.offset for answer in answers] == [3 * number for number in range(500)]
    assert [answer.next_offset for answer in answers] == [3 * n + 3 for n in range(500)]
    assert len({answer.stream_id for answer in answers}) == 1
    assert client.bytes_of("pipe") == b"abc" * 500


def test_streams_may_alternate_in_one_call(client):
    """Batches of several streams in one call are all committed, each to its stream, in order."""
    batches = [append_request(f"alt/{n % 3}", b"%02d" % n, request=n) for n in range(30)]
    answers = client.append(*batches)
    assert [answer.request for answer in answers] == list(range(30))
    for stream in range(3):
        wanted = b"".join(b"%02d" % n for n in range(stream, 30, 3))
        assert client.bytes_of(f"alt/{stream}") == wanted


def test_nothing_behind_a_refused_batch_is_appended(client):
    """The answers before it come, then its status; what stood behind it is nowhere."""
    good = [append_request("cut", b"ab", request=number) for number in range(3)]
    bad = append_request("cut", b"xx", expected_offset=100)
    behind = [append_request("cut", b"no"), append_request("cut/other", b"no")]
    call = client.append_call(iter([*good, bad, *behind]), timeout=30)
    assert [next(call).request for _ in range(3)] == [0, 1, 2]
    with refused(errors.OffsetMismatchError, 6, 100):
        next(call)
    assert client.bytes_of("cut") == b"ababab"
    with refused(errors.StreamNotFoundError):
        client.read("cut/other")


def test_nothing_on_another_stream_behind_a_refused_batch(client):
    """A batch for another stream waits until those before it are known to be good."""
    for number in range(20):
        bad = append_request(f"refused/{number}", b"x", expected_offset=7)
        with refused(errors.OffsetMismatchError):
            client.append(bad, append_request(f"behind/{number}", b"no"))
    assert not client.admin("ListStreams", prefix="behind/").streams


def test_conditional_append(client):
    """It succeeds exactly at the end, for the first append too; else it names the end."""
    first = append_request("cond", b"abc", expected_offset=0)
    assert client.append(first, append_request("cond", b"d", expected_offset=3))[1].offset == 3
    with refused(errors.OffsetMismatchError, 4):
        client.append(first)
    with refused(errors.OffsetMismatchError):
        client.append(append_request("cond", b"abc", expected_offset=(1 << 64) - 1))


def stamped(stream, *records, sequence, epoch=0, **fields):
    """A batch of the producer."""
    return append_request(
        stream, *records, producer_id=PRODUCER, sequence=sequence, producer_epoch=epoch, **fields
    )


def test_a_retry_is_answered_as_before(client):
    """The same batch again is a duplicate with the old offsets; a gap and an old epoch are refused."""
    one, two = stamped("idem", b"a", b"b", sequence=0), stamped("idem", b"cd", sequence=2)
    first = client.append(one, two)
    again = client.append(one, two)
    assert [answer.offset for answer in again] == [answer.offset for answer in first] == [0, 2]
    assert [answer.duplicate for answer in [*first, *again]] == [False, False, True, True]
    with refused(errors.OutOfSequenceError, 9, 3):
        client.append(stamped("idem", b"x", sequence=9))
    client.append(stamped("idem", b"e", sequence=0, epoch=1))
    with refused(errors.ProducerFencedError):
        client.append(stamped("idem", b"x", sequence=3))
    assert client.bytes_of("idem") == b"abcde"


def test_seal(client):
    """An append may carry the seal; after it nothing is appended, and sealing twice is fine."""
    client.append(append_request("sealed", b"ab"), append_request("sealed", b"c", seal=True))
    with refused(errors.StreamSealedError, "sealed", 3):
        client.put("sealed", b"x")
    client.append(append_request("sealed", seal=True))
    assert client.admin("SealStream", stream="sealed").info.sealed
    answers = client.read("sealed")
    assert [answer.end_of_stream for answer in answers] == [False] * (len(answers) - 1) + [True]
    assert client.bytes_of("sealed", follow=True) == b"abc"
    (end,) = client.read("sealed", offset=3)
    assert (end.data, end.end_of_stream, end.next_offset) == (b"", True, 3)
    assert not client.read("sealed", limit=2)[-1].end_of_stream


def test_a_stream_can_be_created_and_sealed_empty(client):
    """A seal without a record makes an ended, empty stream."""
    client.append(append_request("nothing", seal=True))
    (answer,) = client.read("nothing", follow=True)
    assert (answer.end_of_stream, answer.end_offset) == (True, 0)


def bad_request(stream="bad", **fields):
    """A good batch of two records but for these fields."""
    return append_request(stream, b"a", b"b", **fields)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"data": b"ab" + b"x"}, ["3 bytes of data", 2]),
        ({"data": b"aX"}, ["checksum", "damaged"]),
        ({"checksum": 1}, ["checksum", "damaged"]),
        ({"flags": 64}, ["0x40"]),
        ({"flags": 8}, ["tables", "flags 0x8"]),
        ({"record_count": 3}, ["2 ends for 3 records"]),
        ({"record_count": (1 << 20) + 1}, [(1 << 20) + 1, 1 << 20]),
        ({"record_count": 0}, ["record_count is 0"]),
        ({"tables": struct.pack("<II", 2, 2)}, ["record 2 is empty"]),
        ({"tables": struct.pack("<II", 0, 2)}, ["record 1 is empty"]),
        ({"tables": struct.pack("<II", 2, 1)}, ["record 2 ends before it begins"]),
        ({"tables": b""}, ["0 ends for 2 records"]),
        ({"data": b""}, ["empty"]),
        ({"producer_id": b"short"}, ["producer_id", 5, 16]),
        ({"sequence": 1 << 63, "producer_id": PRODUCER}, ["sequence", 1 << 63]),
        ({"stream": ""}, ["is empty"]),
        ({"stream": "a/../b"}, ["'..'"]),
        ({"stream": "a\0b"}, ["control character"]),
        ({"stream": "/a"}, ["part 1"]),
        ({"stream": "x" * 256}, [256, 255]),
    ],
)
def test_a_bad_batch_is_refused_with_a_sentence(client, fields, words):
    """It names what is wrong, nothing is appended, and the same connection serves on."""
    with refused(errors.InvalidArgumentError, *words):
        client.append(bad_request(**fields))
    with refused(errors.StreamNotFoundError, "bad"):
        client.read("bad")


def test_a_batch_of_nothing(client):
    """No record and no seal is refused."""
    with refused(errors.InvalidArgumentError, "no record"):
        client.append(append_request("bad"))


@pytest.mark.parametrize("records", [[bytes(RECORD_BYTES_MAX + 1)], [b"a", bytes(3 * MIB), b"c"]])
def test_a_record_over_the_limit(client, records):
    """The record's number, its size and the limit are named."""
    number = 1 if len(records) == 1 else 2
    size = len(records[number - 1])
    with refused(errors.RecordTooLargeError, f"record {number}", size, RECORD_BYTES_MAX):
        client.put("bad", *records)


def test_a_batch_over_the_limit(client):
    """Many records within the limit may be too much together."""
    with refused(errors.RecordTooLargeError, 18 * MIB, 16 * MIB):
        tables = struct.pack("<9I", *[number * RECORD_BYTES_MAX for number in range(1, 10)])
        client.append(
            append_request("bad", record_count=9, tables=tables, data=bytes(9 * RECORD_BYTES_MAX))
        )


def test_the_largest_batch(client):
    """16 MiB of records go in and come out."""
    records = [bytes([number]) * RECORD_BYTES_MAX for number in range(8)]
    client.put("largest", *records)
    assert client.bytes_of("largest", bytes_max=4 * MIB) == b"".join(records)


def lengths_of(answer):
    """The lengths of an answer's records."""
    return [length for (length,) in struct.iter_unpack("<I", answer.lengths)]


def test_records_keep_their_boundaries(client):
    """Whole records with lengths, times that never fall, ordinals and checksums."""
    client.append(*[append_request("recs", b"a" * n, b"b") for n in range(1, 40)])
    answers = client.read("recs", records=True, bytes_max=64)
    lengths = [length for answer in answers for length in lengths_of(answer)]
    assert lengths == [length for n in range(1, 40) for length in (n, 1)]
    ordinal, times = 0, []
    for answer in answers:
        assert answer.checksum == crc32c(answer.data)
        assert answer.ordinal == ordinal
        assert answer.next_offset == answer.offset + len(answer.data)
        ordinal += len(lengths_of(answer))
        times += [time for (time,) in struct.iter_unpack("<Q", answer.timestamps)]
    assert times == sorted(times)
    assert len(times) == 78
    third = client.read("recs", records=True, timestamp_ms=times[-1] + 1)
    assert b"".join(answer.data for answer in third) == b""
    assert client.bytes_of("recs", timestamp_ms=times[0]) == client.bytes_of("recs")


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, b"onetwothree"),
        ({"offset": 4}, b"wothree"),
        ({"offset": 4, "limit": 6}, b"wo"),
        ({"limit": 3}, b"one"),
        ({"limit": 1 << 63}, b"onetwothree"),
        ({"earliest": True}, b"onetwothree"),
        ({"latest": True}, b""),
        ({"last_bytes": 5}, b"three"),
        ({"last_bytes": 1 << 63}, b"onetwothree"),
        ({"last_records": 2}, b"twothree"),
        ({"last_records": (1 << 64) - 1}, b"onetwothree"),
        ({"last_records": 0}, b""),
        ({"timestamp_ms": 0}, b"onetwothree"),
        ({"timestamp_ms": (1 << 64) - 1}, b""),
        ({"offset": 11}, b""),
        ({"records": True, "offset": 1}, b"twothree"),
        ({"records": True, "limit": 5}, b"one"),
        ({"bytes_max": 1}, b"onetwothree"),
    ],
)
def test_where_a_read_begins_and_ends(client, fields, wanted):
    """Every start and limit; nothing there is an empty answer, not an error."""
    described = client.admin("ListStreams", prefix="starts").streams
    if not described:
        client.append(*[append_request("starts", word) for word in (b"one", b"two", b"three")])
    answers = client.read("starts", **fields)
    assert b"".join(answer.data for answer in answers) == wanted
    assert answers[-1].end_offset == 11
    assert {answer.stream_id for answer in answers} == {answers[0].stream_id}


@pytest.mark.parametrize(
    ("fields", "error_class", "words"),
    [
        ({"offset": 12}, errors.OffsetOutOfRangeError, [12, 11]),
        ({"offset": (1 << 64) - 1}, errors.OffsetOutOfRangeError, []),
        ({"offset": 5, "limit": 4}, errors.InvalidArgumentError, [5, 4]),
        ({"bytes_max": 4 * MIB + 1}, errors.InvalidArgumentError, [4 * MIB + 1, 4 * MIB]),
        ({"stream_id": 77}, errors.StreamNotFoundError, [77]),
        ({"stream_id": (1 << 64) - 1}, errors.StreamNotFoundError, []),
    ],
)
def test_reads_that_cannot_be(client, fields, error_class, words):
    """Each is refused by name."""
    if not client.admin("ListStreams", prefix="ends").streams:
        client.put("ends", b"onetwothree")
    with refused(error_class, *words):
        client.read("ends", **fields)


def test_following_until_the_seal(client):
    """A reader at the end gets what comes, in order, and ends when the stream does."""
    client.put("follow", b"before")
    call = client.read_call(
        stream_pb2.ReadRequest(stream="follow", latest=True, follow=True), timeout=30
    )
    first = next(call)
    assert (first.data, first.next_offset) == (b"", 6)
    for number in range(20):
        client.put("follow", b"%02d" % number)
        assert next(call).data == b"%02d" % number
    client.append(append_request("follow", seal=True))
    last = next(call)
    assert (last.data, last.end_of_stream, last.next_offset) == (b"", True, 46)
    assert list(call) == []


def test_following_to_a_limit(client):
    """The read ends at the limit as soon as the stream has come so far."""
    client.put("until", b"ab")
    call = client.read_call(
        stream_pb2.ReadRequest(stream="until", follow=True, limit=5), timeout=30
    )
    assert next(call).data == b"ab"
    client.put("until", b"cdefg")
    assert b"".join(answer.data for answer in call) == b"cde"


def test_a_deleted_stream_ends_its_readers(client):
    """Deleted while followed: NOT_FOUND; the new stream of the name is another one."""
    old = client.put("gone", b"old").stream_id
    call = client.read_call(stream_pb2.ReadRequest(stream="gone", follow=True), timeout=30)
    assert next(call).data == b"old"
    client.admin("DeleteStream", stream="gone")
    with refused(errors.StreamNotFoundError, "gone", "deleted"):
        next(call)
    new = client.put("gone", b"new").stream_id
    assert new != old
    with refused(errors.StreamNotFoundError):
        client.read("gone", stream_id=old)
    with refused(errors.StreamNotFoundError):
        client.append(append_request("gone", b"x", stream_id=old))
    with refused(errors.StreamNotFoundError):
        client.append(append_request("never", b"x", stream_id=old))
    assert client.bytes_of("gone", stream_id=new) == b"new"


def test_trim(client):
    """Below the trimmed start is OUT_OF_RANGE, naming the first offset that is there."""
    client.append(*[append_request("trim", b"0123456789") for _ in range(3)])
    assert client.admin("TrimStream", stream="trim", before=13).info.start_offset == 13
    with refused(errors.OffsetOutOfRangeError, 13):
        client.read("trim", offset=12)
    assert client.bytes_of("trim") == b"01234567890123456789"[3:]
    with refused(errors.OffsetOutOfRangeError, 31, 30):
        client.admin("TrimStream", stream="trim", before=31)


def test_create_change_and_describe(client):
    """Properties come back as they were set; a second stream of the name is refused."""
    properties = {"content_type": "video/mp4", "metadata": {"a": "1", "ü": "x"}}
    made = client.admin("CreateStream", stream="props", properties=properties).info
    assert made == client.admin("DescribeStream", stream="props").info
    assert made.properties.content_type == "video/mp4"
    assert dict(made.properties.metadata) == {"a": "1", "ü": "x"}
    assert made.created_ms > 0
    assert made.shard < 8
    with refused(errors.StreamExistsError, "props"):
        client.admin("CreateStream", stream="props")
    changed = client.admin("ChangeStream", stream="props", properties={"content_type": "a/b"}).info
    assert changed.properties.content_type == "a/b"
    assert not changed.properties.metadata
    assert changed.stream_id == made.stream_id


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"content_type": "x" * 256}, [256, 255]),
        ({"metadata": {"k": "v" * 4 * KIB}}, [4 * KIB]),
    ],
)
def test_properties_over_the_limit(client, properties, words):
    """Size and limit are named."""
    for method in ("CreateStream", "ChangeStream"):
        client.put("toobig" if method == "ChangeStream" else "filler", b"x")
        with refused(errors.InvalidArgumentError, *words):
            client.admin(method, stream="toobig", properties=properties)
    client.admin("DeleteStream", stream="toobig")


def test_list_by_pages(client):
    """All streams of a prefix once, ordered by their bytes, in pages of the size asked for."""
    names = [*sorted(f"list/{number}" for number in range(25)), "list/é", "list/日"]
    for name in reversed(names):
        client.admin("CreateStream", stream=name)
    found, token, pages = [], "", 0
    while pages == 0 or token:
        page = client.admin("ListStreams", prefix="list/", page_size=10, page_token=token)
        found += [info.name for info in page.streams]
        token = page.next_page_token
        pages += 1
    assert found == names
    assert pages == 3


def test_a_page_of_much_metadata_ends_early(client):
    """A page stays below what clients take by default, and the next goes on where it ended."""
    for number in range(800):
        properties = {"metadata": {"k": "v" * 4000}}
        client.admin("CreateStream", stream=f"heavy/{number:03}", properties=properties)
    first = client.admin("ListStreams", prefix="heavy/")
    assert first.ByteSize() < 4 * MIB
    token = first.next_page_token
    assert token == first.streams[-1].name
    second = client.admin("ListStreams", prefix="heavy/", page_token=token)
    assert len(first.streams) + len(second.streams) == 800


def test_status(server, client):
    """The node and its shards, settled."""
    told = client.status()
    assert told.settled
    assert len(told.cluster_id) == 32
    ((node,), shards) = told.nodes, told.shards
    assert (node.name, node.rpc_address, node.status) == ("n", server.address, "alive")
    assert node.version == "t"
    assert node.boot == 1
    assert [shard.shard for shard in shards] == list(range(8))
    assert {shard.leader for shard in shards} == {"n"}


def test_health(server, client):
    """Every service and the whole say SERVING, until the agent says otherwise."""
    check = client.channel.unary_unary("/grpc.health.v1.Health/Check")

    def serving(service=""):
        request = health_pb2.HealthCheckRequest(service=service)
        answer = check(request.SerializeToString(), timeout=30)
        return health_pb2.HealthCheckResponse.FromString(answer).status

    names = ["", methods.STREAM_SERVICE, methods.CLUSTER_SERVICE, methods.STREAMING]
    told = health_pb2.HealthCheckResponse
    assert {serving(name) for name in names} == {told.SERVING}
    with pytest.raises(grpc.RpcError) as caught:
        serving("nobody")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    watch = client.channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=30)
    assert told.FromString(next(watch)).status == told.SERVING
    server.loop.call_soon_threadsafe(server.listener.set_serving, False)
    assert told.FromString(next(watch)).status == told.NOT_SERVING
    server.loop.call_soon_threadsafe(server.listener.set_serving, True)
    assert told.FromString(next(watch)).status == told.SERVING
    watch.cancel()
