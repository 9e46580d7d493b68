"""Whether the machine stood still while something was measured: then the figures mean nothing."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Self

STALL_MAX_S = 0.2
_PAUSE_S = 0.01


class Canary:
    """A thread that sleeps a little and syncs a block, again and again, beside the work.

    Args:
        folder: on the disk to watch.
        disk_filled: the work itself keeps the disk busy for longer than a stall; then a slow sync
            is told and not judged. One gibibyte of dd alone holds up everybody's sync for 0.2 to
            0.3 s on the disk that this was tried on.

    Attributes:
        longest_sleep_s: by how much the slowest sleep overran.
        longest_sync_s: how long the slowest sync took.
    """

    def __init__(self, folder: Path, *, disk_filled: bool = False) -> None:
        self._path = folder / "canary"
        self._disk_filled = disk_filled
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.longest_sleep_s = 0.0
        self.longest_sync_s = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._path.unlink()

    @property
    def stalled(self) -> bool:
        """Whether a sleep overran by more than 200 ms, or a sync took longer."""
        if self.longest_sleep_s > STALL_MAX_S:
            return True
        return self.longest_sync_s > STALL_MAX_S and not self._disk_filled

    def _watch(self) -> None:
        file = os.open(self._path, os.O_RDWR | os.O_CREAT)
        while not self._stop.is_set():
            began = time.perf_counter()
            time.sleep(_PAUSE_S)
            slept = time.perf_counter()
            os.pwrite(file, bytes(4096), 0)
            os.fdatasync(file)
            synced = time.perf_counter()
            self.longest_sleep_s = max(self.longest_sleep_s, slept - began - _PAUSE_S)
            self.longest_sync_s = max(self.longest_sync_s, synced - slept)
        os.close(file)
