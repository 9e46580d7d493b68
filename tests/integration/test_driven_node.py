"""The driver and the real node on a real directory: what was answered is there after a restart."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from goutube._native import join_records
from goutube.errors import StreamNotFoundError
from goutube.limits import KIB, MIB
from goutube.model import Batch, StreamId
from goutube.node import (
    Append,
    AtOffset,
    DeleteStream,
    DescribeStream,
    NodeOptions,
    Read,
    open_node,
)
from goutube.ring import ShardMap
from goutube.runtime import DiskJobs, Driver, OsDisk, SystemClock, SystemEntropy
from goutube.storage import small_storage


class Supervisor:
    def node_unhealthy(self):
        raise AssertionError("the disk failed")

    def node_failed(self, error):
        raise AssertionError("the node failed") from error


@asynccontextmanager
async def driven(path, clean=True, **settings):
    disk, clock = OsDisk(path), SystemClock()
    storage = replace(small_storage(2 * MIB, 256 * KIB), **settings)
    options = NodeOptions(node_name="n", shard_count=4, hash_function="xxh64", storage=storage)
    node = open_node(disk, clock, SystemEntropy(), options)
    jobs = DiskJobs(disk)
    driver = Driver(node, jobs, clock, Supervisor())
    driver.start()
    try:
        yield driver
    finally:
        if clean:
            await driver.stop()
        else:
            jobs.detach()
            jobs.close()
        disk.close()


def append(name, *records):
    tables, data, flags, checksum = join_records(records)
    batch = Batch(len(records), flags, tables, data, checksum)
    return Append(name, StreamId(0), batch, None, None, 0, False)


def read(name, offset=0, bytes_max=MIB, wait=False):
    return Read(name, StreamId(0), AtOffset(offset), None, bytes_max, False, wait)


async def read_all(driver, name):
    pieces, offset = [], 0
    while True:
        answer = await driver.call(read(name, offset))
        if not answer.data:
            return b"".join(pieces)
        pieces.append(answer.data)
        offset = answer.next_offset


@pytest.mark.parametrize("clean", [True, False])
def test_what_was_answered_is_there_after_a_restart(tmp_path, clean):
    expected = {}

    async def write():
        async with driven(tmp_path / "data", clean) as driver:

            async def writer(number):
                name, parts = f"s/{number}", []
                for count in range(40):
                    record = bytes([number, count]) * (1 + 37 * count)
                    result = await driver.call(append(name, record, b"x"))
                    assert result.offset == sum(map(len, parts))
                    parts += [record, b"x"]
                expected[name] = b"".join(parts)

            await asyncio.gather(*map(writer, range(16)))
            large = bytes(range(256)) * 4096
            await driver.call(append("large", large[: MIB // 2], large[MIB // 2 :]))
            expected["large"] = large
            assert await read_all(driver, "s/3") == expected["s/3"]

    async def check():
        async with driven(tmp_path / "data") as driver:
            for name, content in expected.items():
                assert await read_all(driver, name) == content
                info = await driver.call(DescribeStream(name))
                assert info.end_offset == len(content)

    asyncio.run(write())
    asyncio.run(check())


def test_a_waiting_read_is_answered_by_the_next_append(tmp_path):
    async def main():
        async with driven(tmp_path / "data") as driver:
            with pytest.raises(StreamNotFoundError):
                await driver.call(read("a"))
            await driver.call(append("a", b"one"))
            waiting = asyncio.ensure_future(driver.call(read("a", 3, wait=True)))
            await driver.call(append("a", b"two"))
            assert (await waiting).data == b"two"

    asyncio.run(main())


def test_bad_input_is_an_error_and_the_node_goes_on(tmp_path):
    async def main():
        async with driven(tmp_path / "data") as driver:
            for name in ("", "/a", "a/../b", "a\0", "x" * 256):
                with pytest.raises(Exception, match="the stream name"):
                    await driver.call(append(name, b"x"))
            await driver.call(append("a", b"x"))
            assert driver.healthy

    asyncio.run(main())


def test_readers_read_on_while_their_segments_are_compacted(tmp_path):
    """Files are replaced under readers, who open, close and keep them: no byte is missed."""
    parts = [b"%08d" % number + bytes(4000) for number in range(200)]
    whole = b"".join(parts)
    shards = ShardMap(4, "xxh64")
    names = (f"dead/{number}" for number in range(100))
    dead = next(name for name in names if shards.shard_of(name) == shards.shard_of("alive"))

    async def main():
        settings = {"checkpoint_ms": 50, "compaction_bytes_per_s": 4 * MIB}
        async with driven(tmp_path / "data", **settings) as driver:
            for part in parts:
                await driver.call(append("alive", part))
                await driver.call(append(dead, bytes(9000)))
            await driver.call(DeleteStream(dead, 0))
            stats = driver._node.store.stats
            rounds_after = 0

            async def reader(bytes_max):
                while rounds_after < 2:
                    offset = 0
                    while offset < len(whole):
                        answer = await driver.call(read("alive", offset, bytes_max))
                        assert answer.offset == offset
                        assert answer.data == whole[offset : answer.next_offset]
                        offset = answer.next_offset

            async def watcher():
                nonlocal rounds_after
                async with asyncio.timeout(60):
                    while rounds_after < 2:
                        before = stats.segments_compacted
                        await asyncio.sleep(0.3)
                        rounds_after += before == stats.segments_compacted >= 3

            await asyncio.gather(watcher(), *map(reader, (5000, 60 * KIB, 300 * KIB)))

    asyncio.run(main())
    names = [path.name for path in (tmp_path / "data" / "shards").rglob("*.seg")]
    assert sum(name.count("-") == 2 for name in names) >= 3
