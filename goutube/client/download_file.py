"""The files of one download: the part file that grows, and the resume file that says how far.

Bytes are written before they are claimed. The part file is synced every ``SYNC_BYTES`` and at the
end; what a power cut takes in between fails its claim's checksum and is fetched again. The resume
file is locked while it is in use: two downloads to one path would spoil each other.
"""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from typing import Final

from goutube.api import codecs
from goutube.errors import InvalidArgumentError, InvariantError, UnavailableError
from goutube.limits import MIB
from goutube.model import Buffer, StreamInfo
from goutube.routing import (
    Claim,
    DownloadPlan,
    DownloadWish,
    check_plan,
    decode_resume,
    encode_claim,
    encode_plan,
    missing,
    plan_download,
)

SYNC_BYTES: Final = 64 * MIB
_COPY_BYTES: Final = MIB


class DownloadFile:
    """One download on this machine's disk; made by ``begin``, may be used by several threads.

    Attributes:
        plan: which bytes are wanted.
        claims: pieces that are there: those of earlier runs verified, and those stored since.
        complete: an earlier run had put the whole file in its place and was ended right then.
    """

    def __init__(self, path: Path, resume: int) -> None:
        self._path = path
        self._part_path = _beside(path, ".part")
        self._resume_path = _beside(path, ".resume")
        self._lock = threading.Lock()
        self._resume = resume
        self._part = -1
        self._unsynced = 0
        self.plan: DownloadPlan
        self.claims: list[Claim] = []
        self.complete = False

    def store(self, offset: int, data: Buffer, checksum: int) -> int:
        """Write bytes of the stream to their place, then claim them; how many they are.

        Raises:
            OSError: the disk does not take them.
            UnavailableError: the download was given up meanwhile.
        """
        with self._lock:
            if self._part < 0:
                raise UnavailableError(f"the download to {self._path} has ended")
            _write_at(self._part, data, offset - self.plan.start)
            self._unsynced += len(data)
            if self._unsynced >= SYNC_BYTES:
                os.fdatasync(self._part)
                self._unsynced = 0
            claim = Claim(offset, offset + len(data), checksum)
            _write(self._resume, encode_claim(claim))
            self.claims.append(claim)
        return len(data)

    def finish(self) -> None:
        """Put the whole file in its place, durable, and forget how it came there.

        Raises:
            OSError: the disk fails.
        """
        with self._lock:
            if missing(self.plan, self.claims, 1):
                raise InvariantError(f"the download to {self._path} ended before its end")
            os.ftruncate(self._part, self.plan.byte_count)
            os.fsync(self._part)
            self._part_path.replace(self._path)
            _sync_directory(self._path)
            self._resume_path.unlink()

    def close(self) -> None:
        """Let go of both files, whatever their state; closing twice is fine."""
        with self._lock:
            if self._resume >= 0 and not os.fstat(self._resume).st_size:
                self._resume_path.unlink(missing_ok=True)  # nothing was begun
            for descriptor in (self._part, self._resume):
                if descriptor >= 0:
                    os.close(descriptor)
            self._part = self._resume = -1

    def prepare(self, wish: DownloadWish, info: StreamInfo) -> None:
        """Find out what is there, and make both files ready to take more."""
        content = _read_all(self._resume)
        known = decode_resume(content, str(self._resume_path))
        if known is None:
            self._begin_anew(plan_download(wish, info))
            return
        check_plan(known.plan, wish, info, str(self._path))
        self.plan = known.plan
        os.ftruncate(self._resume, known.byte_count)
        os.lseek(self._resume, 0, os.SEEK_END)
        if not self._part_path.exists() and self._is_whole(known.claims):
            self.complete = True
            self._resume_path.unlink()
            return
        self._part = _open_file(self._part_path)
        self.claims = [claim for claim in known.claims if self._holds(self._part, claim)]

    def _begin_anew(self, plan: DownloadPlan) -> None:
        if self._part_path.exists():
            raise InvalidArgumentError(
                f"{self._part_path} is there, and nothing tells what it is; remove it first"
            )
        self.plan = plan
        os.ftruncate(self._resume, 0)
        os.lseek(self._resume, 0, os.SEEK_SET)
        _write(self._resume, encode_plan(plan))
        os.fsync(self._resume)
        self._part = _open_file(self._part_path)
        _sync_directory(self._path)

    def _is_whole(self, claims: list[Claim]) -> bool:
        """Whether the file itself holds all that is wanted, as the claims have it."""
        try:
            file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            if os.fstat(file).st_size != self.plan.byte_count:
                return False
            return not missing(self.plan, [c for c in claims if self._holds(file, c)], 1)
        finally:
            os.close(file)

    def _holds(self, file: int, claim: Claim) -> bool:
        data = os.pread(file, claim.end - claim.start, claim.start - self.plan.start)
        return len(data) == claim.end - claim.start and codecs.crc32c(data) == claim.checksum


def begin(path: Path, wish: DownloadWish, info: StreamInfo) -> DownloadFile:
    """Begin a download to ``path``, or go on with one that was interrupted.

    Raises:
        InvalidArgumentError: another download to this path runs, or was begun and is not this one.
        StreamNotFoundError, OffsetOutOfRangeError: see ``check_plan``.
        OSError: the files cannot be used.
    """
    if path.is_dir():
        raise InvalidArgumentError(f"{path} is a directory; name a file in it")
    file = DownloadFile(path, _open_locked(_beside(path, ".resume")))
    try:
        file.prepare(wish, info)
    except BaseException:
        file.close()
        raise
    return file


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _open_file(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _open_locked(path: Path) -> int:
    """Open a file that nobody else uses, and that still has its name once it is locked."""
    while True:
        file = _open_file(path)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and path.stat().st_ino == os.fstat(file).st_ino:
                return file
            os.close(file)
        except BlockingIOError:
            os.close(file)
            raise InvalidArgumentError(
                f"{path} is in use: another download to this path is under way"
            ) from None


def _read_all(file: int) -> bytes:
    return b"".join(iter(lambda: os.read(file, _COPY_BYTES), b""))


def _write(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _write_at(file: int, data: Buffer, position: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(file, rest, position)
        rest, position = rest[written:], position + written


def _sync_directory(path: Path) -> None:
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
