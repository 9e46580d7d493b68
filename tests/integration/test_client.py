"""The synchronous client against a real node: every call, its results and its errors."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import goutube
from goutube import errors
from goutube.limits import MIB, RECORD_BYTES_MAX
from goutube.routing import BATCH_BYTES, RECORD_BYTES
from tests.support.serving import serving_node

pytestmark = pytest.mark.net


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with serving_node(tmp_path_factory.mktemp("node") / "data") as server:
        yield server.address


@pytest.fixture
def client(address):
    with goutube.connect(address, timeout_s=10) as client:
        yield client


@pytest.fixture
def name(request):
    return f"{request.node.name}"


def whole(client, name, *arguments, **options):
    return b"".join(client.read(name, *arguments, **options))


def test_what_is_appended_is_read(client, name):
    """Results are cursors: the next append begins where the last one ended."""
    first = client.append(name, b"hello ")
    second = client.append(name, bytearray(b"world"), expected_offset=first.next_offset)
    assert (first.offset, first.next_offset, second.next_offset) == (0, 6, 11)
    assert first.stream_id == second.stream_id == client.stat(name).stream_id
    assert whole(client, name) == b"hello world"
    assert whole(client, name, 3, limit=8) == b"lo wo"
    assert [record.value for record in client.records(name)] == [b"hello ", b"world"]


def test_a_long_read_comes_in_answers_of_a_mebibyte(client, name):
    """What an answer costs by itself is paid once for four records, not for each."""
    content = os.urandom(5 * MIB // 2)
    client.append(name, content)
    chunks = list(client.read(name))
    assert [len(chunk) for chunk in chunks] == [MIB, MIB, MIB // 2]
    assert b"".join(chunks) == content


@pytest.mark.parametrize("length", [RECORD_BYTES + 1, BATCH_BYTES, 3 * BATCH_BYTES + 12_345])
@pytest.mark.parametrize("kind", [bytes, memoryview, io.BytesIO])
def test_any_length_is_cut(client, name, length, kind):
    """Long bytes and files become records of at most 256 KiB, and are all there."""
    content = os.urandom(length)
    result = client.append(name, kind(content), seal=True)
    assert (result.offset, result.next_offset) == (0, length)
    assert whole(client, name) == content
    assert max(len(record.value) for record in client.records(name)) <= RECORD_BYTES
    assert client.stat(name).sealed


def test_records_keep_their_boundaries(client, name):
    """An iterable's items are records, large and small, with times that never run back."""
    values = [os.urandom(1 + number * number % 5000) for number in range(500)]
    values.insert(250, os.urandom(2 * BATCH_BYTES))
    client.append(name, records=iter(values))
    records = list(client.records(name))
    assert [record.value for record in records] == values
    times = [record.timestamp_ms for record in records]
    assert times == sorted(times)
    assert [record.value for record in client.records(name, last_records=3)] == values[-3:]
    assert [r.value for r in client.records(name, timestamp_ms=times[0])] == values
    assert whole(client, name, last_bytes=10) == values[-1][-10:]
    assert whole(client, name, "latest") == b""


def test_a_long_append_is_contiguous_where_it_is_conditional(client, name):
    """Another writer in between ends it; the error tells how far it came."""
    client.append(name, b"x")

    def records():
        yield b"a"
        with goutube.connect(address_of(client)) as other:
            while other.stat(name).end_offset < 2:
                pass
            other.append(name, b"intruder")
        yield b"b"

    with pytest.raises(errors.OffsetMismatchError) as caught:
        client.append(name, records=records(), expected_offset=1)
    assert caught.value.fields["committed_next_offset"] == "2"
    assert whole(client, name) == b"xaintruder"


def address_of(client):
    return client._sockets.addresses[0]


def test_streams_are_made_described_changed_listed_and_removed(client, name):
    """The life of a stream, its properties included."""
    made = client.create(f"{name}/a", content_type="video/mp4", metadata={"k": "v"})
    assert (made.start_offset, made.end_offset, made.sealed) == (0, 0, False)
    assert made.properties.content_type == "video/mp4"
    changed = client.change(f"{name}/a", metadata={"w": "x"})
    assert changed.properties.content_type == "video/mp4"
    assert dict(changed.properties.metadata) == {"w": "x"}
    client.append(f"{name}/b", b"0123456789")
    assert client.trim(f"{name}/b", 4).start_offset == 4
    assert [info.name for info in client.list(f"{name}/")] == [f"{name}/a", f"{name}/b"]
    assert whole(client, f"{name}/b", "earliest") == b"456789"
    assert client.seal(f"{name}/b").sealed
    assert client.seal(f"{name}/b").sealed
    client.delete(f"{name}/a")
    assert [info.name for info in client.list(f"{name}/")] == [f"{name}/b"]
    with pytest.raises(errors.StreamNotFoundError):
        client.delete(f"{name}/a")


def test_status_tells_the_cluster(client):
    """A lone node is settled and names itself."""
    status = client.status()
    assert (status.settled, [node.name for node in status.nodes]) == (True, ["n"])
    assert len(status.shards) == 8


MISTAKES = [
    (lambda c: c.append("", b"x"), errors.InvalidArgumentError, "is empty"),
    (lambda c: c.append("a//b", b"x"), errors.InvalidArgumentError, "part"),
    (lambda c: c.append("e", b""), errors.InvalidArgumentError, "nothing to append"),
    (lambda c: c.append("e", records=[]), errors.InvalidArgumentError, "nothing to append"),
    (lambda c: c.append("e", records=[b""]), errors.InvalidArgumentError, "one byte"),
    (lambda c: c.append("e", records=b"xx"), errors.InvalidArgumentError, "iterable of bytes"),
    (lambda c: c.append("e", "text"), errors.InvalidArgumentError, "encode"),
    (lambda c: c.append("e", 7), errors.InvalidArgumentError, "int cannot be appended"),
    (lambda c: c.append("e"), errors.InvalidArgumentError, "either data or records"),
    (lambda c: c.append("e", b"x", records=[b"y"]), errors.InvalidArgumentError, "either"),
    (lambda c: c.append("e", b"x", expected_offset=-1), errors.InvalidArgumentError, "-1"),
    (lambda c: c.append("e", b"x", timeout_s=0), errors.InvalidArgumentError, "timeout_s"),
    (
        lambda c: c.append("e", records=[bytes(RECORD_BYTES_MAX + 1)]),
        errors.RecordTooLargeError,
        str(RECORD_BYTES_MAX),
    ),
    (lambda c: c.append("no", b"x", stream_id=9), errors.StreamNotFoundError, "no"),
    (lambda c: c.append("no", b"x", expected_offset=9), errors.OffsetMismatchError, "at 0"),
    (lambda c: list(c.read("no")), errors.StreamNotFoundError, "'no'"),
    (lambda c: list(c.read("e/\0")), errors.InvalidArgumentError, "control"),
    (lambda c: c.read("no", 5, limit=2**64), errors.InvalidArgumentError, "limit"),
    (lambda c: c.stat("no"), errors.StreamNotFoundError, "'no'"),
    (lambda c: c.seal("no"), errors.StreamNotFoundError, "'no'"),
    (lambda c: c.trim("no", 0), errors.StreamNotFoundError, "'no'"),
    (lambda c: c.change("no"), errors.StreamNotFoundError, "'no'"),
    (lambda c: c.create("m", metadata={"k": "v" * 5000}), errors.InvalidArgumentError, "4096"),
]


@pytest.mark.parametrize(
    ("call", "error", "words"), MISTAKES, ids=[str(n) for n in range(len(MISTAKES))]
)
def test_mistakes_are_named(client, call, error, words):
    """Each has its class and a sentence; none shows gRPC."""
    with pytest.raises(error, match=words):
        call(client)


def test_the_end_is_final(client, name):
    """A sealed stream takes nothing, a stream that is there is not made again."""
    client.append(name, b"x", seal=True)
    with pytest.raises(errors.StreamSealedError):
        client.append(name, b"y")
    with pytest.raises(errors.StreamExistsError):
        client.create(name)
    with pytest.raises(errors.OffsetOutOfRangeError) as caught:
        list(client.read(name, 2))
    assert caught.value.fields["end_offset"] == "1"


def test_a_refusal_does_not_hinder_the_next_append(client, name):
    """Optimistic writers lose and try again on the same call."""
    client.append(name, b"x")
    for _ in range(20):
        with pytest.raises(errors.OffsetMismatchError):
            client.append(name, b"y", expected_offset=9)
    assert client.append(name, b"y", expected_offset=1).next_offset == 2


def test_a_stream_made_anew_takes_appends_of_the_same_client(client, name):
    """The producer is unknown to the new stream, and begins anew without a word."""
    client.append(name, b"old")
    client.append(name, b"old")
    client.delete(name)
    assert client.append(name, b"new").offset == 0
    assert client.append(name, b"newer").offset == 3
    assert whole(client, name) == b"newnewer"


def test_a_follower_sees_bytes_as_they_come(client, name):
    """It begins at the latest, gets what is appended, and ends at the seal."""
    client.append(name, b"before")
    follower = client.read(name, "latest", follow=True)
    got = []
    seen = threading.Event()

    def follow():
        for chunk in follower:
            got.append(chunk)
            seen.set()

    thread = threading.Thread(target=follow)
    thread.start()
    while not seen.wait(0.05):  # until the follower has begun
        client.append(name, b"+")
    client.append(name, b"live")
    client.seal(name)
    thread.join(10)
    assert not thread.is_alive()
    assert b"".join(got).strip(b"+") == b"live"


def test_a_reader_is_told_that_its_stream_is_gone(client, name):
    """Deleted under a follower, even where a new stream has the name at once."""
    client.append(name, b"x")
    follower = client.read(name, follow=True)
    assert next(follower) == b"x"
    client.delete(name)
    client.append(name, b"y")
    with pytest.raises(errors.StreamNotFoundError):
        next(follower)


def test_threads_share_a_client(client, name):
    """Four threads, one stream: every append has bytes of its own, all are there once."""

    def append(worker):
        return [client.append(name, b"%d:%d;" % (worker, n)).offset for n in range(50)]

    with ThreadPoolExecutor(4) as pool:
        offsets = list(pool.map(append, range(4)))
    assert all(row == sorted(row) for row in offsets)
    parts = whole(client, name).split(b";")[:-1]
    assert sorted(parts) == sorted(b"%d:%d" % (w, n) for w in range(4) for n in range(50))


def test_more_streams_than_calls_stay_open(client, name):
    """The calls that were used least recently are closed; their streams take appends again."""
    for turn in range(2):
        for number in range(70):
            assert client.append(f"{name}/{number}", b"x").offset == turn
    assert len(client._lanes) == 64


def test_it_works_inside_a_running_loop(client, name):
    """It blocks the loop, and nothing else."""

    async def main():
        client.append(name, b"in a loop")
        return whole(client, name)

    assert asyncio.run(main()) == b"in a loop"


def test_a_closed_client_says_so(address, name):
    """Closing ends a follower and refuses new calls; closing twice is fine."""
    client = goutube.connect(address)
    client.append(name, b"x")
    follower = client.read(name, follow=True)
    assert next(follower) == b"x"
    threading.Timer(0.1, client.close).start()
    with pytest.raises(errors.UnavailableError, match="closed"):
        next(follower)
    client.close()
    for call in (lambda: client.stat(name), lambda: client.append(name, b"y")):
        with pytest.raises(errors.UnavailableError, match="closed"):
            call()
