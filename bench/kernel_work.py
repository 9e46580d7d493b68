"""``python -m bench.kernel_work``: a fixed amount of work of each kernel, to be counted.

``bench.instructions`` runs it. Between two pieces of work it calls ``getpriority``, which nothing
else here does: that is where the instruction counter writes down what it has counted, and begins
anew.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Final

from goutube import HashRing
from goutube._native import (
    CPU_PATH,
    VERDICT_END,
    VERDICT_OK,
    BatchBuilder,
    check_batch,
    crc32c,
    decode_append_request,
    encode_append_request,
    encode_append_response,
    encode_entry_header,
    join_records,
    md5_64,
    scan_entries,
    split_records,
    xxh64,
)
from goutube.limits import KIB, MIB
from goutube.model import Record

_CHANCE: Final = random.Random(1)
_BLOB: Final = _CHANCE.randbytes(MIB)
_RECORDS: Final = [_CHANCE.randbytes(100) for _ in range(1000)]
_KEYS: Final = [f"key-{number}" for number in range(2000)]
_RING: Final = HashRing({f"node-{number}": 256 for number in range(100)})
_SALT: Final = 7
_TABLES, _DATA, _FLAGS, _CHECKSUM = join_records(_RECORDS)
_LENGTHS: Final = len(_RECORDS[0]).to_bytes(4, "little") * len(_RECORDS)
_TIMES: Final = bytes(8 * len(_RECORDS))
_MESSAGE: Final = encode_append_request(
    "a/stream", 0, 1, None, b"p" * 16, 1, 0, False, len(_RECORDS), _FLAGS, _CHECKSUM, _TABLES,
    _DATA, 0,
)  # fmt: skip


def _header(index: int) -> bytes:
    return encode_entry_header(
        _SALT, 1, _FLAGS, index, 1, 9, index * len(_DATA), index * 1000, 5, 0, bytes(16), 0, 0,
        len(_RECORDS), b"", len(_TABLES), len(_DATA), _CHECKSUM,
    )  # fmt: skip


def _entry(index: int) -> bytes:
    body = _header(index) + _TABLES + _DATA
    return body + bytes(-len(body) % 8)


_LOG: Final = b"".join(map(_entry, range(1, 11)))


def _gather() -> None:
    builder = BatchBuilder(MIB, 10_000, MIB)
    builder.open()
    for record in _RECORDS:
        builder.add(record)
    assert builder.take()[0] == len(_RECORDS)


def _scan() -> None:
    found = scan_entries(_LOG, 0, _SALT, 1, 1, 0)
    assert (found.verdict, len(found.headers)) == (VERDICT_END, 10)


def _check() -> None:
    verdict = check_batch(len(_RECORDS), _FLAGS, _TABLES, _DATA, _CHECKSUM)
    assert verdict == VERDICT_OK


def _split() -> None:
    assert split_records(Record, 0, _DATA, _LENGTHS, _TIMES) is not None


def _each(hash_of: Callable[[bytes], int]) -> Callable[[], None]:
    def hash_all() -> None:
        for record in _RECORDS:
            hash_of(record)

    return hash_all


WORK: Final[dict[str, tuple[int, Callable[[], object]]]] = {
    "ring: look up a key of many": (len(_KEYS), lambda: _RING.lookup_many(_KEYS)),
    "ring: look up one key": (1, lambda: _RING.lookup("key-1")),
    "hash: md5 of 100 bytes": (len(_RECORDS), _each(md5_64)),
    "hash: xxh64 of 100 bytes": (len(_RECORDS), _each(xxh64)),
    "checksum: 1 KiB": (1, lambda: crc32c(_BLOB[:KIB])),
    "checksum: 64 KiB": (1, lambda: crc32c(_BLOB[: 64 * KIB])),
    "checksum: 1 MiB": (1, lambda: crc32c(_BLOB)),
    "batch: join a record": (len(_RECORDS), lambda: join_records(_RECORDS)),
    "batch: gather a record": (len(_RECORDS), _gather),
    "batch: check 1000 records": (1, _check),
    "batch: split a record off": (len(_RECORDS), _split),
    "entry: encode a header": (1, lambda: _header(1)),
    "entry: scan one": (10, _scan),
    "wire: decode an append": (1, lambda: decode_append_request(_MESSAGE)),
    "wire: encode an answer": (1, lambda: encode_append_response(1, 2, 3, 4, duplicate=False)),
}
"""What a piece of work is called: how many operations one call of it is, and the call."""
CALLS: Final = 20


def main() -> None:
    """Do each piece of work ``CALLS`` times, with a mark before, between and behind."""
    for _, work in WORK.values():
        work()  # what happens once only shall not count
    for _, work in WORK.values():
        os.getpriority(os.PRIO_PROCESS, 0)
        for _ in range(CALLS):
            work()
    os.getpriority(os.PRIO_PROCESS, 0)
    print(CPU_PATH)


if __name__ == "__main__":
    main()
