"""Calls of every kernel, for tests that let something go wrong in each of them."""

from __future__ import annotations

import os
import select
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

import goutube._native as native

Call = Callable[[], object]


def kernel_calls(folder: str) -> dict[str, Call]:
    """One call of each kernel at least, under the kernel's name and a word that tells them apart."""
    records = [b"one", b"three" * 40, b"x" * 900]
    tables, data, flags, checksum = native.join_records(records)
    large = native.join_records([bytes(50_000)] * 3)
    salt, key = 7, "ключ"
    entry = _entry(salt, 1, tables, data, checksum) + _entry(salt, 2, tables, data, checksum)
    head_of = entry[:128] + bytes(8) + entry[128:136]
    path = f"{folder}/entries"
    Path(path).write_bytes(entry)
    fd = os.open(path, os.O_RDWR)
    reading = (0, len(entry), salt, 9, 0, 1 << 40, 0, 0, 1 << 20, True)
    group = _group(salt)
    head = native.encode_group(salt, 5, [(0, 1, 2, 3, 4)], 0, 0)
    rest = [bytes(-len(head) % 4096)]
    places, sizes = np.array([0], np.uint32), np.array([len(entry) // 2], np.uint32)
    lengths = np.array([len(r) for r in records], np.uint32).tobytes()
    stamps = np.arange(3, dtype=np.uint64).tobytes()
    request = native.encode_append_request(
        key, 1, 2, 3, b"p" * 16, 4, 5, True, 3, flags, checksum, tables, data, 6
    )
    answer = native.encode_append_response(1, 2, 3, 4, True)
    read = native.encode_read_response(
        1, 2, native.ReadData(data), 3, lengths, stamps, 4, 5, 6, True
    )
    frame = native.encode_consume_response(b"frame" * 9)
    produce = b"\x0a\x01a\x12" + frame[1:] if frame[:1] == b"\x0a" else frame
    tokens = np.sort(np.arange(1, 9, dtype=np.uint64) << np.uint64(60))
    owners = np.array([0, 1] * 4, np.int32)

    def table(function: object = native.HASH_XXH64) -> native.TokenTable:
        buckets = np.zeros(9, np.uint32)
        return native.TokenTable(("a", "b"), tokens, owners, buckets, function)

    ring, called = table(), table(native.xxh64)
    eight, one = np.zeros(8, np.uint64), np.zeros(1, np.int32)
    arcs = [np.zeros(16, kind) for kind in (np.uint64, np.uint64, np.int32, np.int32)]
    wide = np.zeros((1, 8), np.int32)

    class Kind(tuple):
        __slots__ = ()

    def built() -> object:
        builder = native.BatchBuilder(1 << 20, 100, 1 << 20)
        builder.open()
        added = [builder.add(bytearray(r)) for r in [*records, b"y" * 9000]]
        return added, builder.take()

    def streams() -> object:
        maps = native.StreamMap(by_name=True), native.StreamMap(by_name=False)
        for number in range(40):
            stream = native.StreamState("".join([key, str(number)]), number, 1 << 40, b"p")
            stream.producers = {b"p": native.Producer(1, number, 2, bytes(24))}
            stream.heard_of(b"p", 1, 1 << 40, 3, 4, 1 << 41, 5, 16)
            for table in maps:
                table.put(stream)
        ahead = stream.overlay()
        ahead.extend(1 << 40, 1, 1 << 40, 1)
        del maps[0][ahead.name], maps[1][3]
        return (
            [list(table) for table in maps],
            ahead.end,
            [number for row in ahead.producer(b"p").batches() for number in row],
            ahead.overlay().name,
        )

    return {
        "StreamState": lambda: native.StreamState("".join([key, "6"]), 1 << 40, 2, b"p").name,
        "StreamMap": streams,
        "Producer": lambda: native.Producer(1, 1 << 40, 1 << 41, bytes(48)).batches(),
        "give_back_memory": native.give_back_memory,
        "build_tables": lambda: native.build_tables([3, 200, 900], data, [0, 1, 2]),
        "join_records": lambda: native.join_records(records),
        "join_records large": lambda: native.join_records([bytes(50_000)] * 3),
        "check_batch": lambda: native.check_batch(3, flags, tables, data, checksum),
        "check_batch large": lambda: native.check_batch(3, large[2], large[0], large[1], large[3]),
        "last_delta": lambda: native.last_delta(3, flags, tables),
        "crc32c": lambda: native.crc32c(data, 1 << 31),
        "xxh64": lambda: native.xxh64(data),
        "murmur3": lambda: native.murmur3(data),
        "md5_64": lambda: native.md5_64(data),
        "encode_entry_header": lambda: _entry(salt, 1, tables, data, checksum),
        "scan_entries": lambda: native.scan_entries(entry, 0, salt, 1, 0, 0),
        "find_entry": lambda: native.find_entry(entry, 8, salt, 1),
        "pick_entries": lambda: native.pick_entries(entry, 0, salt, places, sizes),
        "read_heads": lambda: native.read_heads(head_of, 0, salt, 1, 0, 256, 1),
        "encode_group": lambda: native.encode_group(salt, 5, [(0, 1, 2, 3, 4)] * 9, 0, 0),
        "complete_group": lambda: native.complete_group(salt, head, rest),
        "encode_record_header": lambda: native.encode_record_header(1, 2, 3, 4, 5, 6, 8),
        "read_group": lambda: native.read_group(group, 0, salt, 5),
        "find_group": lambda: native.find_group(group, 0, salt, 5),
        "map_file": lambda: bytes(native.map_file(fd, len(entry))),
        "BatchBuilder": built,
        "split_records": lambda: native.split_records(Kind, 1 << 40, data, lengths, stamps),
        "read_run": lambda: native.read_run(entry, *reading),
        "read_file_run": lambda: native.read_file_run(fd, *reading, nowait=False),
        "DiskThreads": lambda: _threads_end(native.DiskThreads(2)),
        "fill_tokens": lambda: (native.fill_tokens(native.HASH_MD5, b"node", eight), bytes(eight)),
        "TokenTable": lambda: table().lookup(key),
        "TokenTable lookup": lambda: ring.lookup("".join([key, "2"])),
        "TokenTable called": lambda: called.lookup("".join([key, "3"])),
        "TokenTable _find_keys": lambda: (
            ring._find_keys(["".join([key, "4"])], eight[:1], one),
            one[0].item(),
        ),
        "TokenTable _find_packed": lambda: ring._find_packed(np.zeros((1, 8), np.uint8), one),
        "TokenTable _find_positions": lambda: ring._find_positions(eight[:1], one),
        "TokenTable _walk": lambda: ring._walk(
            eight[:1], np.zeros(2, np.int32), wide[:, :2].copy()
        ),
        "find_moves": lambda: native.find_moves(ring, called, np.arange(2, dtype=np.int32), *arcs),
        "encode_append_request": lambda: native.encode_append_request(
            "".join([key, "5"]), 1, 2, 3, b"p" * 16, 4, 5, True, 3, flags, checksum, tables, data, 6
        ),
        "decode_append_request": lambda: native.decode_append_request(request),
        "encode_append_response": lambda: native.encode_append_response(1, 2, 3, 4, True),
        "decode_append_response": lambda: native.decode_append_response(answer),
        "encode_read_response": lambda: native.encode_read_response(
            1, 2, native.ReadData(data), 3, lengths, stamps, 4, 5, 6, True
        ),
        "ReadData": lambda: bytes(native.ReadData(data)),
        "decode_read_response": lambda: native.decode_read_response(read),
        "decode_produce_request": lambda: native.decode_produce_request(produce),
        "decode_consume_request": lambda: native.decode_consume_request(b"\x0a\x01a\x10\x05"),
        "encode_consume_response": lambda: native.encode_consume_response(b"frame" * 9),
    }


def _entry(salt: int, index: int, tables: bytes, data: bytes, checksum: int) -> bytes:
    offset = (index - 1) * len(data)
    head = native.encode_entry_header(
        salt, 1, 0, index, 1, 9, offset, 3 * (index - 1), 1000, 1000, b"p" * 16, 1, 1, 3, b"ctl",
        len(tables), len(data), checksum,
    )  # fmt: skip
    body = head + b"ctl" + tables + data
    return body + bytes(-len(body) % 8)


def _group(seed: int) -> bytes:
    body = bytes(64)
    record = native.encode_record_header(1, 2, 3, 4, 5, 6, len(body)) + body
    head = native.encode_group(seed, 5, [(0, 1, 2, 3, 4)], 1, len(record))
    rest = [record, bytes(-(len(head) + len(record)) % 4096)]
    native.complete_group(seed, head, rest)
    return b"".join([head, *rest])


def _threads_end(threads: native.DiskThreads) -> object:
    threads.close()
    return threads.completed()


class DiskCalls:
    """Jobs of disk threads: what was submitted ends, once, whatever fails on the way."""

    def __init__(self, folder: str) -> None:
        self.threads = native.DiskThreads(1)
        self.fd = os.open(f"{folder}/jobs", os.O_RDWR | os.O_CREAT)
        tables, data, _, checksum = native.join_records([b"one", b"two" * 9])
        self.entry = _entry(7, 1, tables, data, checksum)
        os.pwrite(self.fd, self.entry, 0)
        self.buffers = [self.entry[:50], bytearray(self.entry[50:])]
        self.head = native.encode_group(7, 5, [], 0, 0)
        self.poll = select.poll()
        self.poll.register(self.threads.fileno(), select.POLLIN)

    def calls(self) -> dict[str, Call]:
        """As ``kernel_calls``; each submits and waits for the end."""
        read = (0, len(self.entry), 7, 9, 0, 1 << 40, 0, 0, 1 << 20, True)
        group = [self.head, bytes(4096 - len(self.head))]
        return {
            "DiskThreads.submit_write": lambda: self._do(
                lambda: self.threads.submit_write(1, self.fd, 0, self.buffers)
            ),
            "DiskThreads.submit_group": lambda: self._do(
                lambda: self.threads.submit_group(
                    2, self.fd, 8192, 7, group, struct.pack("<4q", self.fd, 20_000, 0, 1)
                )
            ),
            "DiskThreads.submit_sync": lambda: self._do(
                lambda: self.threads.submit_sync(3, self.fd)
            ),
            "DiskThreads.submit_read": lambda: self._do(
                lambda: self.threads.submit_read(4, self.fd, *read)
            ),
        }

    def _do(self, submit: Call) -> object:
        submit()
        self.pending = True
        return self.collect()

    def collect(self) -> object:
        """Wait for the end of the job that was submitted."""
        assert self.poll.poll(10_000), "a job that was submitted is not heard of"
        ((ticket, error, run),) = self.threads.completed()
        self.pending = False
        return ticket, error, run

    pending = False
