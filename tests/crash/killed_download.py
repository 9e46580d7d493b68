"""A download that kills itself: ``killed_download.py ADDRESS STREAM FILE STREAMS LOG STEP``.

It notes in LOG each range that comes, before anything is done with it, and dies by SIGKILL just
before its STEP-th change of a file, whichever that is.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
from pathlib import Path

import goutube
from goutube.client import download_file

CHANGES = ("ftruncate", "fdatasync", "fsync", "pwrite", "write")


def main(address, stream, file, streams, log, step):
    steps = itertools.count(1)
    notes = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    note = os.write

    def deadly(change):
        def changed(*arguments, **options):
            if next(steps) == int(step):
                os.kill(os.getpid(), signal.SIGKILL)
            return change(*arguments, **options)

        return changed

    store = download_file.DownloadFile.store

    def noted(self, offset, data, checksum):
        note(notes, b"%d %d\n" % (offset, len(data)))
        return store(self, offset, data, checksum)

    download_file.DownloadFile.store = noted
    for name in CHANGES:
        setattr(os, name, deadly(getattr(os, name)))
    for name in ("replace", "unlink"):
        setattr(Path, name, deadly(getattr(Path, name)))
    with goutube.connect(address) as client:
        client.download(stream, file, streams=int(streams))


if __name__ == "__main__":
    main(*sys.argv[1:])
