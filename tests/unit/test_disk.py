"""The real disk keeps inside its directory, says what is wrong, and survives odd file systems."""

import ctypes
import errno
import mmap
import os
import stat
import subprocess
from pathlib import Path

import pytest

from goutube.errors import DataDirError
from goutube.runtime import OsDisk


@pytest.fixture
def disk(tmp_path):
    disk = OsDisk(tmp_path / "data")
    yield disk
    disk.close()


def test_founds_a_private_directory_and_private_files(tmp_path):
    disk = OsDisk(tmp_path / "data")
    disk.make_directory("shards")
    disk.open("shards/a", create=True).close()
    modes = [
        stat.S_IMODE((tmp_path / "data" / name).stat().st_mode)
        for name in ("", "shards", "shards/a")
    ]
    assert modes == [0o700, 0o700, 0o600]
    disk.close()


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a//b", "a/../b", ".", "a/.", "x\0y"])
def test_refuses_paths_that_are_not_inside(disk, path):
    with pytest.raises(ValueError, match="no path inside"):
        disk.open(path)


def test_follows_no_symbolic_link(disk, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "f").write_bytes(b"secret")
    (tmp_path / "data" / "link").symlink_to(tmp_path / "outside" / "f")
    (tmp_path / "data" / "folder").symlink_to(tmp_path / "outside")
    for path, named in (("link", "link"), ("folder/f", "folder")):
        with pytest.raises(OSError, match=named):
            disk.open(path, write=False)


def test_refuses_what_is_no_regular_file(disk, tmp_path):
    os.mkfifo(tmp_path / "data" / "pipe")
    disk.make_directory("folder")
    for path in ("pipe", "folder"):
        with pytest.raises(OSError, match=path):
            disk.open(path)


def test_create_refuses_an_existing_file(disk):
    disk.open("a", create=True).close()
    with pytest.raises(FileExistsError):
        disk.open("a", create=True)


def test_missing_file_error_names_the_whole_path(disk):
    disk.make_directory("d")
    with pytest.raises(FileNotFoundError) as caught:
        disk.open("d/none")
    assert caught.value.filename == "d/none"


def test_writes_many_buffers_and_reads_back(disk):
    buffers = [bytes([number % 251]) * (number % 7) for number in range(3000)]
    file = disk.open("a", create=True)
    file.write(5, *buffers)
    content = b"".join(buffers)
    assert file.read(5, len(content) + 100) == content
    assert file.read(0, 5) == bytes(5)
    assert file.size() == 5 + len(content)
    file.sync()
    file.close()


def test_short_writes_are_continued(disk, monkeypatch):
    real = os.pwritev
    monkeypatch.setattr(
        os, "pwritev", lambda fd, views, position: real(fd, [bytes(views[0])[:3]], position)
    )
    file = disk.open("a", create=True)
    file.write(0, b"abcdefgh", b"", b"ij")
    assert file.read(0, 100) == b"abcdefghij"


def test_allocate_keeps_content_and_reads_zeros(disk):
    file = disk.open("a", create=True)
    file.write(0, b"abc")
    file.allocate(0, 8192)
    assert file.read(0, 9000) == b"abc" + bytes(8189)


def test_allocate_writes_zeros_only_where_reserving_is_not_supported(disk, monkeypatch):
    def refuse(code):
        def call(*_):
            raise OSError(code, os.strerror(code))

        return call

    file = disk.open("a", create=True)
    file.write(0, b"abc")
    monkeypatch.setattr(os, "posix_fallocate", refuse(errno.EOPNOTSUPP))
    file.allocate(0, 5000)
    assert file.read(0, 9000) == b"abc" + bytes(4997)
    monkeypatch.setattr(os, "posix_fallocate", refuse(errno.ENOSPC))
    with pytest.raises(OSError, match=r"\[Errno 28\].*'a'"):
        file.allocate(0, 10_000)


def in_memory(path: Path) -> int:
    """How many pages of a file the page cache holds."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE) as mapped:
        first = ctypes.c_char.from_buffer(mapped)
        pages = (ctypes.c_ubyte * -(-len(mapped) // mmap.PAGESIZE))()
        libc = ctypes.CDLL(None)
        assert libc.mincore(ctypes.byref(first), ctypes.c_size_t(len(mapped)), pages) == 0
        del first
    return sum(page & 1 for page in pages)


def test_dropped_pages_are_read_from_the_disk_again(disk, tmp_path):
    """What is clean goes from the page cache; what is dirty stays, and so does every byte."""
    kind = subprocess.run(["stat", "-f", "-c", "%T", tmp_path], capture_output=True, check=True)
    if kind.stdout.strip() in (b"tmpfs", b"ramfs"):
        pytest.skip("a file system that has nothing but memory")
    file = disk.open("f", create=True)
    file.write(0, b"x" * 65_536)
    file.sync()
    path = tmp_path / "data" / "f"
    assert in_memory(path) == 16
    file.drop_cached()
    assert in_memory(path) == 0
    file.write(4096, b"y")
    file.drop_cached()
    assert file.read(0, 65_536) == b"x" * 4096 + b"y" + b"x" * 61_439


@pytest.mark.parametrize("direct", [True, False])
def test_stored_bytes_are_read_past_the_page_cache(disk, tmp_path, monkeypatch, direct):
    """Any range of them, and the cache is not filled with what is read; also without O_DIRECT."""
    kind = subprocess.run(["stat", "-f", "-c", "%T", tmp_path], capture_output=True, check=True)
    if kind.stdout.strip() in (b"tmpfs", b"ramfs"):
        pytest.skip("a file system that has nothing but memory")
    content = os.urandom(300_001)
    file = disk.open("f", create=True)
    file.write(0, content)
    file.sync()
    file.drop_cached()
    path = tmp_path / "data" / "f"
    assert in_memory(path) == 0
    opened = os.open

    def refuse_direct(path, flags, *more, **named):
        if flags & os.O_DIRECT:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return opened(path, flags, *more, **named)

    if not direct:
        monkeypatch.setattr(os, "open", refuse_direct)
    for position, count in [(0, 300_001), (5, 7), (4095, 2), (8192, 4096), (299_000, 1_001)]:
        assert bytes(file.read_stored(position, count)) == content[position : position + count]
    assert bytes(file.read_stored(300_000, 9_000)) == content[300_000:]
    assert bytes(file.read_stored(400_000, 10)) == b""
    assert in_memory(path) <= (0 if direct else 40)  # of 74; the kernel may be reading ahead
    file.close()
    (tmp_path / "data" / "f").unlink()
    with pytest.raises(OSError, match="'f'"):
        file.read_stored(0, 10)


def test_what_was_written_is_told_from_what_never_was(disk):
    """Whoever looks for it behind a position need not read through the rest."""
    file = disk.open("a", create=True)
    assert file.filled(0) == []
    file.write(0, b"x" * 100)
    file.truncate(1 << 20)
    file.write(900_000, b"y")
    file.sync()
    ((first, end),) = file.filled(200_000)
    assert 200_000 < first <= 900_000 < end
    assert file.filled(50)[0][0] == 50
    assert file.filled(1 << 20) == []


def test_map_outlives_close(disk):
    file = disk.open("a", create=True)
    assert file.map() == b""
    file.write(0, b"abc")
    view = file.map()
    file.close()
    file.close()
    assert view == b"abc"
    assert view.readonly
    with pytest.raises(OSError, match="closed"):
        file.read(0, 1)


def test_a_pinned_file_is_closed_by_the_last_unpin(disk):
    file = disk.open("a", create=True)
    fd = file.pin()
    file.close()
    os.fstat(fd)
    file.unpin()
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(fd)


def test_directories_list_rename_remove(disk):
    assert disk.list("none") == []
    disk.make_directory("d")
    disk.make_directory("d")
    disk.open("d/b", create=True).close()
    disk.open("d/a", create=True).close()
    disk.rename("d/b", "d/c")
    disk.sync_directory("d")
    disk.sync_directory("")
    assert disk.list("d") == ["a", "c"]
    assert disk.exists("d/c")
    assert not disk.exists("d/b")
    assert not disk.exists("none/b")
    disk.remove("d/c")
    disk.remove("d/c")
    assert disk.list("") == ["d"]
    room = disk.room()
    assert room.bytes > 0
    assert room.files > 0


def test_a_second_holder_of_the_lock_is_told_who_has_it(disk, tmp_path):
    disk.lock("lock")
    second = OsDisk(tmp_path / "data")
    with pytest.raises(DataDirError, match=f"in use by another agent \\(process {os.getpid()}\\)"):
        second.lock("lock")
    disk.close()
    second.lock("lock")
    second.close()


def test_a_missing_parent_is_named(tmp_path):
    with pytest.raises(DataDirError, match="none does not exist; create it"):
        OsDisk(tmp_path / "none" / "data")


def test_a_file_is_no_data_directory(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", tmp_path / "file" / "data"):
        with pytest.raises(DataDirError, match="set data_dir to a directory"):
            OsDisk(path)


def test_a_directory_that_cannot_be_written_to_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(DataDirError, match=r"file system is read-only.*set data_dir"):
        OsDisk(tmp_path / "data")


def descriptors():
    """How many this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def resting_files(disk, count):
    files = []
    for number in range(count):
        file = disk.open(f"f{number}", create=True)
        file.write(0, b"%d" % number)
        file.rest()
        files.append(file)
    return files


def test_files_at_rest_share_few_descriptors(disk):
    """However many there are, each can be read; closed ones give their descriptors back."""
    before = descriptors()
    files = resting_files(disk, 600)
    assert descriptors() - before <= 256
    for number in [*range(600), 0, 599]:
        assert files[number].read(0, 9) == b"%d" % number
    assert descriptors() - before <= 256
    for file in files:
        file.close()
    assert descriptors() == before
    with pytest.raises(OSError, match="closed"):
        files[0].read(0, 1)


def test_a_pinned_file_keeps_its_descriptor(disk):
    """Though many others come to rest, and though it is removed: a read under way goes on."""
    file = resting_files(disk, 1)[0]
    fd = file.pin()
    disk.remove("f0")
    others = [disk.open(f"g{number}", create=True) for number in range(300)]
    for other in others:
        other.rest()
    assert os.pread(fd, 9, 0) == b"0"
    file.unpin()
    with pytest.raises(OSError, match="f0"):
        file.pin()


def test_a_file_at_rest_takes_no_bytes(disk):
    """Once its descriptor was given up, the next one is for reading alone."""
    file = resting_files(disk, 300)[0]
    with pytest.raises(OSError, match="f0"):
        file.write(0, b"x")


def test_a_map_needs_no_descriptor(disk):
    """It stays after the file is closed, and holds none of its own."""
    before = descriptors()
    file = disk.open("a", create=True)
    file.write(0, b"abc")
    views = [file.map() for _ in range(50)]
    file.close()
    assert descriptors() == before
    assert all(view == b"abc" and view.readonly for view in views)


def test_a_read_only_directory_can_be_looked_at(disk, monkeypatch):
    """An agent refuses it; what only reads opens it, and makes none that is missing."""
    disk.open("a", create=True).close()
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    with pytest.raises(DataDirError, match="read-only"):
        OsDisk(disk.root)
    looked_at = OsDisk(disk.root, write=False)
    assert looked_at.list("") == ["a"]
    looked_at.close()
    with pytest.raises(DataDirError, match="cannot be used"):
        OsDisk(disk.root / "missing", write=False)
    assert not (disk.root / "missing").exists()
