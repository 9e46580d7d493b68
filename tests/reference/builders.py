"""Slow twin of the kernel that gathers a producer's records into batches."""

from __future__ import annotations

from tests.reference import batches

BYTES_MAX, RECORDS_MAX, RECORD_BYTES_MAX = 200, 7, 150_000
NO_ROOM, NO_RECORD = -1, -2


class SlowBuilder:
    """What BatchBuilder is, with a list of records and the limits above."""

    def __init__(self):
        self.records, self.is_open = [], False

    @property
    def record_count(self):
        """Records gathered so far."""
        return len(self.records)

    def open(self):
        """Let records be added."""
        self.is_open = True

    def add(self, record):
        """The record's number, or why it was not taken."""
        if not 0 < len(record) <= RECORD_BYTES_MAX:
            return NO_RECORD
        full = len(self.records) == RECORDS_MAX
        full |= sum(map(len, self.records)) + len(record) > BYTES_MAX
        if not self.is_open or (self.records and full):
            return NO_ROOM
        self.records.append(record)
        return len(self.records) - 1

    def take(self):
        """The batch."""
        records, self.records, self.is_open = self.records, [], False
        tables, flags, checksum = batches.build(records, None)
        return len(records), flags, tables, b"".join(records), checksum
