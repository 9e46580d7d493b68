"""What a type checker knows of every public name; mypy reads this file, nothing runs it."""

from collections.abc import AsyncGenerator, Generator, Mapping
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import assert_type

import numpy as np
from numpy import int32, uint64
from numpy.typing import NDArray

import goutube
from goutube import errors
from goutube.aio import AsyncClient
from goutube.client import (
    AsyncProducer,
    AsyncSentRecord,
    Client,
    ClusterEvent,
    ClusterStatus,
    KeyHolder,
    NodeStatus,
    SentRecord,
    ShardStatus,
    Topology,
)
from goutube.model import (
    AppendResult,
    DownloadResult,
    Record,
    StreamId,
    StreamInfo,
    StreamProperties,
)
from goutube.ring import RingDifference

assert_type(goutube.__version__, str)
assert_type(goutube.connect(), Client)
assert_type(goutube.connect("a:1,b:2", timeout_s=3), Client)
assert_type(goutube.connect(["a:1", "b:2"]), Client)
assert_type(goutube.aio.connect("a:1"), AsyncClient)


def blocking(client: goutube.Client) -> None:
    """The synchronous client."""
    with goutube.connect("a:1") as entered:
        assert_type(entered, Client)
    assert_type(client.append("s", b""), AppendResult)
    assert_type(client.append("s", memoryview(b""), expected_offset=0, seal=True), AppendResult)
    assert_type(client.append("s", BytesIO()), AppendResult)
    assert_type(client.append("s", records=[b""], stream_id=1, timeout_s=1), AppendResult)
    assert_type(client.read("s", 5, limit=9, follow=True), Generator[bytes, None, None])
    assert_type(client.read("s", "latest"), Generator[bytes, None, None])
    assert_type(client.records("s", last_records=3), Generator[Record, None, None])
    for batch in client.record_batches("s", limit=5):
        assert_type(batch, goutube.RecordBatch)
        assert_type(batch[0], bytes)
        assert_type(batch.offsets, NDArray[np.int64])
        assert_type(batch.timestamps_ms, NDArray[np.int64])
        assert_type(batch.data, memoryview)
    with client.producer("s", name="n", linger_ms=5, buffer_bytes=1 << 20) as producer:
        assert_type(producer, goutube.Producer)
        sent = producer.send(b"")
        assert_type(sent, SentRecord)
        assert_type(sent.result(1.5), AppendResult)
        assert_type(sent.exception(), errors.GoutubeError | None)
        assert_type(sent.done(), bool)
        sent.add_done_callback(lambda handle: assert_type(handle, SentRecord))
        assert_type(producer.send_many([b""]), list[SentRecord])
        producer.flush(timeout_s=1)
    assert_type(client.stat("s"), StreamInfo)
    assert_type(client.create("s", content_type="", metadata={}), StreamInfo)
    assert_type(client.change("s", metadata={"k": "v"}), StreamInfo)
    assert_type(client.change("s", retention_bytes="default", retention_ms=1), StreamInfo)
    assert_type(client.watch_members(), Generator[ClusterEvent, None, None])
    assert_type(client.gossip_keys(), tuple[KeyHolder, ...])
    assert_type(client.change_gossip_keys("install", "k"), tuple[KeyHolder, ...])
    assert_type(client.list("s/"), Generator[StreamInfo, None, None])
    assert_type(client.seal("s"), StreamInfo)
    assert_type(client.trim("s", 4), StreamInfo)
    assert_type(client.status(), ClusterStatus)
    assert_type(client.topology(), Topology)
    assert_type(client.topology().ring, goutube.HashRing)
    assert_type(client.topology().shard_of("s"), int)
    assert_type(client.open("s", stream_id=1, buffer_bytes=5), BufferedReader)
    assert_type(client.download("s", "f", "earliest", limit=5, streams=2), DownloadResult)
    assert_type(client.download("s", Path("f"), progress=lambda done, total: None), DownloadResult)
    nothing: None = client.delete("s")  # type: ignore[func-returns-value]  # it gives none
    del nothing


def ring() -> None:
    """The hash ring."""
    made = goutube.HashRing({"n1": 256, "n2": 256}, hash_function="md5")
    assert_type(goutube.HashRing(["n1"], len), goutube.HashRing)
    assert_type(made.lookup("key"), str)
    assert_type(made.lookup_many(["key", b"key"]), NDArray[int32])
    assert_type(made.lookup_many(np.array([b"key"])), NDArray[int32])
    assert_type(made.preference_list(b"key", 2), list[str])
    assert_type(made.placement(64, 3), NDArray[int32])
    assert_type(made.nodes, tuple[str, ...])
    assert_type(made.weights, dict[str, int])
    assert_type(made.shares, dict[str, float])
    assert_type(made.tokens, NDArray[uint64])
    assert_type(made.owners, NDArray[int32])
    assert_type(made.with_node("n3", 9).without_node("n1"), goutube.HashRing)
    assert_type(made.difference(made), RingDifference)
    assert_type(made.difference(made).moves, dict[tuple[str, str], float])


def servers() -> None:
    """Agents as child processes."""
    with goutube.LocalCluster(1, directory=Path("d"), settings={"fsync": "always"}) as cluster:
        assert_type(cluster, goutube.LocalCluster)
        assert_type(cluster.address, str)
        assert_type(cluster.running, bool)
        assert_type(cluster.log, list[str])
        assert_type(cluster.start(), goutube.LocalCluster)
    for act in (cluster.stop, cluster.kill, cluster.restart, cluster.close):
        act()


async def asynchronous(client: AsyncClient) -> None:
    """The asyncio client."""
    async with goutube.aio.connect("a:1") as entered:
        assert_type(entered, AsyncClient)
    assert_type(await client.append("s", b"", expected_offset=0), AppendResult)
    assert_type(await client.append("s", records=client.read("t")), AppendResult)
    assert_type(client.read("s", 5), AsyncGenerator[bytes, None])
    assert_type(client.records("s", timestamp_ms=3), AsyncGenerator[Record, None])
    async for batch in client.record_batches("s"):
        assert_type(batch, goutube.RecordBatch)
    async with client.producer("s", name="n", in_flight=2) as producer:
        assert_type(producer, AsyncProducer)
        sent = await producer.send(b"")
        assert_type(sent, AsyncSentRecord)
        assert_type(await sent, AppendResult)
        assert_type(sent.result(), AppendResult)
        assert_type(await producer.send_many(client.read("t")), list[AsyncSentRecord])
        await producer.flush(timeout_s=1)
    assert_type(await client.stat("s"), StreamInfo)
    assert_type(await client.create("s"), StreamInfo)
    assert_type(await client.change("s", content_type="x"), StreamInfo)
    assert_type(client.list(), AsyncGenerator[StreamInfo, None])
    assert_type(await client.seal("s"), StreamInfo)
    assert_type(await client.trim("s", 4), StreamInfo)
    assert_type(await client.status(), ClusterStatus)
    assert_type(await client.topology(), Topology)
    assert_type(await client.download("s", Path("f"), 5, timeout_s=3), DownloadResult)


def results(
    append: goutube.AppendResult,
    info: goutube.StreamInfo,
    record: goutube.Record,
    status: goutube.ClusterStatus,
    download: goutube.DownloadResult,
) -> None:
    """What the calls give."""
    assert_type(append.offset, int)
    assert_type(download.resumed_bytes, int)
    assert_type(append.next_offset, int)
    assert_type(append.stream_id, StreamId)
    assert_type(append.duplicate, bool)
    assert_type(info.name, str)
    assert_type(info.start_offset, int)
    assert_type(info.end_offset, int)
    assert_type(info.record_count, int)
    assert_type(info.sealed, bool)
    assert_type(info.created_ms, int)
    assert_type(info.modified_ms, int)
    assert_type(info.properties, StreamProperties)
    assert_type(goutube.StreamProperties().metadata, Mapping[str, str])
    assert_type(record.offset, int)
    assert_type(record.timestamp_ms, int)
    assert_type(record.value, bytes)
    assert_type(status.settled, bool)
    assert_type(status.nodes, tuple[NodeStatus, ...])
    assert_type(status.shards, tuple[ShardStatus, ...])


def failures(error: errors.GoutubeError) -> None:
    """What they raise."""
    assert_type(error.reason, str)
    assert_type(error.retry, bool)
    assert_type(error.message, str)
    assert_type(error.fields, dict[str, str])
    assert_type(goutube.errors.OutcomeUnknownError("x"), errors.OutcomeUnknownError)
