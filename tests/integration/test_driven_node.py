"""The driver and the real node on a real directory: what was answered is there after a restart."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from goutube._native import join_records
from goutube.errors import StreamNotFoundError
from goutube.limits import KIB, MIB
from goutube.model import Batch, StreamId
from goutube.node import (
    Append,
    AtOffset,
    DescribeStream,
    NodeOptions,
    Read,
    open_node,
)
from goutube.runtime import DiskJobs, Driver, OsDisk, SystemClock, SystemEntropy
from goutube.storage import small_storage


class Supervisor:
    def node_unhealthy(self):
        raise AssertionError("the disk failed")

    def node_failed(self, error):
        raise AssertionError("the node failed") from error


@asynccontextmanager
async def driven(path, clean=True):
    disk, clock = OsDisk(path), SystemClock()
    storage = small_storage(2 * MIB, 256 * KIB)
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
