"""The kernels for batches and entries do what their slow twins do, and no flipped byte gets through."""

from __future__ import annotations

import array
import dataclasses
import itertools
import random
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goutube import _native as native
from tests.reference import batches, entries

SALT = 0x5EED
U64 = st.integers(0, 2**64 - 1)
U32 = st.integers(0, 2**32 - 1)
RECORDS = st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=12)
EVERY = 0
NONE = 2**64 - 1


@st.composite
def _deltas(draw, count):
    steps = draw(st.lists(st.integers(0, 1000), min_size=count - 1, max_size=count - 1))
    return list(itertools.accumulate([0, *steps]))


@st.composite
def _batches(draw):
    records = draw(RECORDS)
    if draw(st.integers(0, 9)) == 0:
        records.append(random.Random(len(records)).randbytes(draw(st.integers(65000, 140000))))
    return records, draw(st.none() | _deltas(len(records)))


@st.composite
def _logs(draw, first_index=1, count_max=5):
    """Entries that follow one another in a log."""
    found, term = [], draw(st.integers(0, 3))
    for index in range(first_index, first_index + draw(st.integers(1, count_max))):
        records, deltas = draw(st.just(([], None)) | _batches())
        tables, flags, checksum = batches.build(records, deltas) if records else (b"", 0, 0)
        term += draw(st.integers(0, 1))
        numbers = [draw(U64) for _ in range(5)]
        found.append(
            entries.Entry(
                draw(st.integers(1, 10)), flags | draw(st.integers(0, 3)), index, term, *numbers,
                draw(st.binary(min_size=16, max_size=16)), draw(U64), draw(U32), len(records),
                draw(st.binary(max_size=30)), tables, b"".join(records), checksum,
            )
        )  # fmt: skip
    return found


def _encode_header(entry: entries.Entry, salt: int) -> bytes:
    fields = dataclasses.astuple(entry)
    sizes = len(entry.tables), len(entry.data)
    return native.encode_entry_header(salt, *fields[:13], entry.control, *sizes, entry.checksum)


def _said(header: native.EntryHeader, content: bytes) -> entries.Entry:
    at = header.position + native.ENTRY_HEADER_BYTES
    parts = []
    for size in (header.control_bytes, header.tables_bytes, header.data_bytes):
        parts.append(content[at : at + size])
        at += size
    assert header.position + header.entry_bytes == at + -at % 8
    return entries.Entry(
        header.kind, header.flags, header.index, header.term, header.stream_id, header.offset,
        header.ordinal, header.stamp, header.producer_stamp, header.producer_id, header.sequence,
        header.epoch, header.record_count, *parts, header.checksum,
    )  # fmt: skip


def _agree(content: bytes, next_index: int, term: int, check_from: int, salt: int = SALT):
    scan = native.scan_entries(content, 0, salt, next_index, term, check_from)
    found, verdict, position = entries.scan(content, 0, salt, next_index, term, check_from)
    assert [_said(header, content) for header in scan.headers] == found
    assert (scan.verdict, scan.position) == (verdict, position)
    return scan


@given(_batches())
def test_tables(batch):
    """Both ways to make a batch give what the twin gives, and the batch is judged good."""
    records, deltas = batch
    data, lengths = b"".join(records), [len(record) for record in records]
    tables, flags, checksum = batches.build(records, deltas)
    assert native.build_tables(lengths, data, deltas) == (tables, flags, checksum)
    packed = struct.pack(f"<{len(lengths)}I", *lengths)
    times = None if deltas is None else array.array("I", deltas)
    assert native.build_tables(packed, bytearray(data), times) == (tables, flags, checksum)
    assert native.check_batch(len(records), flags, tables, data, checksum) == 0
    assert native.last_delta(len(records), flags, tables) == (deltas[-1] if deltas else 0)
    if deltas is None:
        views = [memoryview(record) if at % 2 else record for at, record in enumerate(records)]
        assert native.join_records(records) == (tables, data, flags, checksum)
        assert native.join_records(iter(views)) == (tables, data, flags, checksum)


@given(_batches(), st.data())
def test_wrong_batches(batch, data):
    """Whatever is changed about a batch, kernel and twin say the same; a changed byte is noticed."""
    records, deltas = batch
    tables, flags, checksum = batches.build(records, deltas)
    parts = [len(records), flags, tables, b"".join(records), checksum]
    part = data.draw(st.integers(0, 4))
    if part in (2, 3):
        changed = bytearray(parts[part])
        changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
        parts[part] = bytes(changed)[: data.draw(st.none() | st.integers(0, len(changed)))]
    else:
        parts[part] = data.draw(st.integers(0, 40) | U32)
    verdict = native.check_batch(*parts)
    assert verdict == batches.judge(*parts)
    assert (verdict == 0) == (parts == [len(records), flags, tables, b"".join(records), checksum])


def test_every_byte_of_a_batch_counts():
    """Each flipped byte of tables and data is noticed, with block checksums and without."""
    for size in (500, 70000):
        chance = random.Random(size)
        records = [chance.randbytes(size // 5) for _ in range(5)]
        tables, flags, checksum = batches.build(records, [0, 1, 1, 2, 3])
        data = bytearray(b"".join(records))
        places = range(size) if size < 1000 else chance.sample(range(size), 300)
        for at in places:
            data[at] ^= 1 << at % 8
            assert native.check_batch(5, flags, tables, data, checksum) == batches.BAD_CHECKSUM
            data[at] ^= 1 << at % 8
        for at in range(len(tables)):
            changed = bytearray(tables)
            changed[at] ^= 1 << at % 8
            assert native.check_batch(5, flags, changed, data, checksum) != 0
        assert native.check_batch(5, flags, tables, data, checksum) == 0


@given(_logs(), U32)
def test_headers(log, salt):
    """Headers are what the twin packs; what was packed is found again, field by field."""
    content = b""
    for entry in log:
        assert _encode_header(entry, salt) == entry.header(salt)
        content += entry.encode(salt)
    first = log[0]
    for check_from in (EVERY, NONE, first.index + 1):
        scan = _agree(content, first.index, first.term, check_from, salt)
        assert (scan.verdict, len(scan.headers)) == (native.VERDICT_END, len(log))
    for header, entry in zip(
        native.scan_entries(content, 0, salt, 1, 0, EVERY).headers, log, strict=True
    ):
        delta = native.last_delta(entry.record_count, entry.flags, entry.tables)
        assert header.last_stamp == (entry.stamp + delta) % 2**64
    assert len(native.scan_entries(content, 0, salt, first.index, 0, EVERY, 1).headers) == 1


@given(_logs(), st.binary(max_size=300), st.data())
def test_damaged_segments(log, behind, data):
    """Cut anywhere, changed anywhere, with anything behind: the scan stops where the twin stops."""
    content = bytearray(b"".join(entry.encode(SALT) for entry in log) + behind)
    for _ in range(data.draw(st.integers(0, 2))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    del content[data.draw(st.integers(0, len(content))) :]
    check_from = data.draw(st.integers(0, 7))
    _agree(bytes(content), data.draw(st.integers(1, 2)), data.draw(st.integers(0, 4)), check_from)


def _sample(control: bytes = b"name") -> entries.Entry:
    records = [b"first", b"second", b"third record"]
    tables, flags, checksum = batches.build(records, [0, 4, 4])
    return entries.Entry(
        1, flags, 7, 2, 3, 4, 5, 6, 7, bytes(range(16)), 8, 9, 3, control, tables,
        b"".join(records), checksum,
    )  # fmt: skip


def test_every_flipped_bit_of_an_entry_is_noticed():
    """All but the padding, bit by bit: the entry is not taken."""
    content = bytearray(_sample().encode(SALT))
    padding = -(128 + 4 + 24 + 23) % 8
    for at in range(8 * (len(content) - padding)):
        content[at // 8] ^= 1 << at % 8
        scan = native.scan_entries(content, 0, SALT, 7, 2, EVERY)
        assert scan.headers == []
        assert scan.verdict not in (native.VERDICT_OK, native.VERDICT_END)
        content[at // 8] ^= 1 << at % 8
    assert len(native.scan_entries(content, 0, SALT, 7, 2, EVERY).headers) == 1
    assert (
        native.scan_entries(content, 0, SALT ^ 1, 7, 2, EVERY).verdict == native.VERDICT_BAD_HEADER
    )


def test_every_cut_is_noticed():
    """An entry that is cut short anywhere is torn; one byte of it is enough to say so."""
    content = _sample().encode(SALT)
    for size in range(1, len(content)):
        scan = native.scan_entries(content[:size], 0, SALT, 7, 2, EVERY)
        assert (scan.headers, scan.verdict, scan.position) == ([], native.VERDICT_TORN, 0)


@pytest.mark.parametrize("size", [0, 1, 127, 128, 129, 4096])
def test_zeros_are_no_entry(size):
    """Zeros are the end, under any salt, also under one that makes their checksum zero."""
    for salt in (0, SALT, 2**32 - 1):
        scan = native.scan_entries(bytes(size), 0, salt, 0, 0, EVERY)
        assert (scan.headers, scan.verdict, scan.position) == ([], native.VERDICT_END, 0)
        assert native.find_entry(bytes(size), 0, salt, 0) == -1


def _with(at: int, changed: bytes) -> bytes:
    """The sample's header with other bytes at one place and a good checksum, and what follows."""
    content = _sample().encode(SALT)
    header = bytearray(content[:124])
    header[at : at + len(changed)] = changed
    return entries.sealed(bytes(header), SALT) + content[128:]


@pytest.mark.parametrize(
    ("at", "changed", "verdict"),
    [
        (4, b"\x02", native.VERDICT_UNKNOWN_FORMAT),
        (5, b"\x00", native.VERDICT_UNKNOWN_FORMAT),
        (5, b"\x0b", native.VERDICT_UNKNOWN_FORMAT),
        (6, b"\x18", native.VERDICT_UNKNOWN_FORMAT),
        (7, b"\x80", native.VERDICT_UNKNOWN_FORMAT),
        (120, b"\x01", native.VERDICT_UNKNOWN_FORMAT),
        (123, b"\x01", native.VERDICT_UNKNOWN_FORMAT),
        (8, b"\x08", native.VERDICT_BAD_HEADER),
        (16, b"\x01", native.VERDICT_BAD_HEADER),
        (6, b"\x0c", native.VERDICT_BAD_TABLE),
        (6, b"\x00", native.VERDICT_BAD_TABLE),
        (92, b"\x04", native.VERDICT_BAD_TABLE),
        (92, b"\xff\xff\xff\xff", native.VERDICT_BAD_TABLE),
        (96, b"\x01\x40", native.VERDICT_BAD_TABLE),
        (96, b"\x00\x40", native.VERDICT_TORN),
        (100, b"\xff\xff\xff\xff", native.VERDICT_BAD_TABLE),
        (104, b"\x01\x00\x00\x01\x01\x00\x00\x01", native.VERDICT_BAD_TABLE),
        (108, b"\x18", native.VERDICT_BAD_TABLE),
        (112, b"\x00", native.VERDICT_BAD_CHECKSUM),
        (116, b"\x00\x00", native.VERDICT_BAD_CHECKSUM),
    ],
)
def test_a_good_checksum_over_wrong_numbers(at, changed, verdict):
    """Each number of a header is judged, not only the checksum over them."""
    content = _with(at, changed)
    scan = _agree(content, 7, 2, EVERY)
    assert (scan.headers, scan.verdict) == ([], verdict)


@given(
    _logs(first_index=5, count_max=3),
    st.binary(max_size=40),
    st.integers(0, 8),
    st.integers(0, 900),
)
def test_finding_entries(log, before, ahead, start):
    """The next good header at a multiple of 8, from an index on, is found behind anything."""
    content = before + bytes(-len(before) % 8)
    places = []
    for entry in log:
        places.append((len(content), entry.index))
        content += entry.encode(SALT)
    good = [at for at, index in places if at >= start and index >= 5 + ahead]
    assert native.find_entry(content, start, SALT, 5 + ahead) == (good[0] if good else -1)
    assert native.find_entry(content, start, SALT ^ 1, 0) == -1


@given(_logs(count_max=6), st.data())
def test_picking_entries(log, data):
    """Some of a segment's entries, wherever they stand; one that is not whole ends it by name."""
    places, content = [], b""
    for entry in log:
        places.append(len(content))
        content += entry.encode(SALT)
    chosen = sorted(data.draw(st.sets(st.integers(0, len(log) - 1))))
    base = data.draw(st.integers(0, places[chosen[0]] if chosen else 0))
    positions = array.array("I", [places[number] for number in chosen])
    lengths = array.array("I", [len(log[number].encode(SALT)) for number in chosen])
    pick = native.pick_entries(content[base:], base, SALT, positions, lengths)
    assert pick.verdict == native.VERDICT_OK
    assert pick.entries == b"".join(log[number].encode(SALT) for number in chosen)
    assert pick.indexes == struct.pack(f"<{len(chosen)}Q", *(log[n].index for n in chosen))
    if not chosen:
        return
    victim = data.draw(st.sampled_from(range(len(chosen))))
    used = sum(map(len, (log[chosen[victim]].tables, log[chosen[victim]].data)))
    at = places[chosen[victim]] + data.draw(
        st.integers(0, 127 + len(log[chosen[victim]].control) + used)
    )
    damaged = content[:at] + bytes([content[at] ^ 1 << data.draw(st.integers(0, 7))])
    damaged += content[at + 1 :]
    pick = native.pick_entries(damaged[base:], base, SALT, positions, lengths)
    assert pick.verdict != native.VERDICT_OK
    assert pick.position == positions[victim]


def test_misuse_of_picking():
    """Arrays that do not match are refused; positions outside, and other lengths, are found out."""
    content = _sample().encode(SALT)
    whole = array.array("I", [len(content)])
    numbers = lambda *values: array.array("I", values)  # noqa: E731
    with pytest.raises(ValueError):
        native.pick_entries(content, 0, SALT, numbers(0), numbers())
    with pytest.raises(ValueError):
        native.pick_entries(content, 0, SALT, numbers(0, 0), numbers(*whole, *whole))
    for base, position in ((8, 0), (0, 8), (0, 2**32 - 1), (0, len(content))):
        pick = native.pick_entries(content, base, SALT, numbers(position), whole)
        assert pick.verdict != native.VERDICT_OK
    pick = native.pick_entries(content, 0, SALT, numbers(0), numbers(len(content) - 8))
    assert pick.verdict == native.VERDICT_BAD_HEADER
    assert native.pick_entries(content, 0, SALT, numbers(0), whole).entries == content


def test_misuse_of_batches():
    """No record, an empty one, lengths that do not fit, falling times, numbers out of range."""
    wrong = [
        ([], b"", None), ([0], b"", None), ([1, 0], b"a", None), ([1], b"ab", None),
        ([3], b"ab", None), ([2**32 - 1, 3], b"ab", None), ([1, 1], b"ab", [0, 1, 2]),
        ([1, 1], b"ab", [1, 2]), ([1, 1, 1], b"abc", [0, 2, 1]), (b"\1\0\0", b"a", None),
        (array.array("Q", [1]), b"a", None),
    ]  # fmt: skip
    for lengths, data, deltas in wrong:
        with pytest.raises(ValueError):
            native.build_tables(lengths, data, deltas)
    for lengths in ([-1], [2**32]):
        with pytest.raises(OverflowError):
            native.build_tables(lengths, b"a")
    for records in ([], [b""], [b"a", b""], [bytes(9 << 20)] * 2):
        with pytest.raises(ValueError):
            native.join_records(records)
    with pytest.raises(TypeError):
        native.join_records([b"a", 1])
    with pytest.raises(ValueError):
        native.last_delta(2, 8, bytes(15))


def test_misuse_of_headers():
    """A number that does not fit its field is refused, never cut."""
    entry = dataclasses.replace(_sample(), producer_id=b"")
    assert _encode_header(entry, SALT)[64:80] == bytes(16)
    for change in ({"producer_id": b"short"}, {"control": bytes(16385)}):
        with pytest.raises(ValueError):
            _encode_header(dataclasses.replace(entry, **change), SALT)
    for change in ({"kind": 256}, {"flags": 65536}, {"index": -1}, {"epoch": 2**32}):
        with pytest.raises(OverflowError):
            _encode_header(dataclasses.replace(entry, **change), SALT)


def test_a_long_segment():
    """More entries than the kernel takes at a time, and a limit in the midst of them."""
    entry = _sample(b"")
    log = [dataclasses.replace(entry, index=index) for index in range(1, 101)]
    content = b"".join(entry.encode(SALT) for entry in log)
    for count in (0, 1, 31, 32, 33, 64, 99, 100, 101, -1):
        scan = native.scan_entries(content, 0, SALT, 1, 0, EVERY, count)
        assert len(scan.headers) == (min(count, 100) if count >= 0 else 100)
        assert (scan.verdict, scan.position) == (
            native.VERDICT_END,
            len(scan.headers) * len(content) // 100,
        )


@given(_logs(), st.data())
def test_heads(log, data):
    """Heads say what the entries do; whatever is changed, kernel and twin say the same."""
    deltas = [data.draw(U32) for _ in log]
    packed = bytearray(
        b"".join(entries.head_of(e, SALT, delta) for e, delta in zip(log, deltas, strict=True))
    )
    whole = native.read_heads(packed, 0, SALT, 1, 0, 256, len(log))
    assert (whole.verdict, whole.position) == (0, len(packed))
    position = 256
    for header, entry, delta in zip(whole.headers, log, deltas, strict=True):
        assert (header.position, header.entry_bytes) == (position, len(entry.encode(SALT)))
        assert header.last_stamp == (entry.stamp + delta) % 2**64
        assert (header.index, header.term, header.checksum) == (
            entry.index, entry.term, entry.checksum,
        )  # fmt: skip
        position += header.entry_bytes
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(0, 255))
    content = bytes(packed)[: data.draw(st.none() | st.integers(0, len(packed)))]
    for count in (len(log), len(log) + 1):
        scan = native.read_heads(content, 0, SALT, 1, 0, 256, count)
        told = [(h.index, (h.last_stamp - h.stamp) % 2**64) for h in scan.headers]
        found = entries.heads(content, 0, SALT, 1, 0, count)
        assert (told, scan.verdict, scan.position) == found
