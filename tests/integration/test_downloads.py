"""Downloads from a real node: whole, resumed, refused; nothing of them is left behind."""

from __future__ import annotations

import asyncio
import fcntl
import os
import threading

import pytest

import goutube
from goutube import errors
from goutube.client import download_file
from goutube.client.asynchronous import AsyncClient
from goutube.client.blocking import Client
from goutube.limits import CHUNK_BYTES_DEFAULT
from tests.support.cutter import cutter
from tests.support.serving import serving_node

pytestmark = pytest.mark.net

CONTENT = os.urandom(5_000_011)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with serving_node(tmp_path_factory.mktemp("node") / "data") as server:
        with goutube.connect(server.address) as client:
            client.append("whole", CONTENT)
            client.append("lines", records=[b"%d\n" % number for number in range(30_000)])
        yield server.address


@pytest.fixture
def client(address):
    with goutube.connect(address, timeout_s=10) as client:
        yield client


@pytest.fixture(params=["sync", "aio"])
def download(request, address):
    """``download`` of either client, as a plain function."""
    if request.param == "sync":
        with goutube.connect(address, timeout_s=10) as client:
            yield client.download
        return

    def run(*arguments, **options):
        async def main():
            async with goutube.aio.connect(address, timeout_s=10) as client:
                return await client.download(*arguments, **options)

        return asyncio.run(main())

    yield run


class Interruption(Exception):
    """What a progress callback raises to end a download midway."""


def stop_after(byte_count):
    def progress(done, total):
        if done >= byte_count:
            raise Interruption

    return progress


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("streams", [1, 4, 64])
def test_a_stream_becomes_a_file(download, tmp_path, streams):
    """Its bytes are the stream's, progress counts them, and no other file stays."""
    seen = []
    target = tmp_path / "copy"
    target.write_bytes(b"an older one")
    result = download(
        "whole", target, streams=streams, progress=lambda *counts: seen.append(counts)
    )
    assert target.read_bytes() == CONTENT
    assert names(tmp_path) == ["copy"]
    assert (result.offset, result.next_offset, result.resumed_bytes) == (0, len(CONTENT), 0)
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize(
    ("offset", "limit"), [("earliest", None), (3, 7), (1_000_003, 4_000_000), (8, 8), (0, 1 << 40)]
)
def test_a_part_of_a_stream_becomes_a_file(download, tmp_path, offset, limit):
    download("whole", str(tmp_path / "copy"), offset, limit=limit)
    start = 0 if offset == "earliest" else offset
    assert (tmp_path / "copy").read_bytes() == CONTENT[start:limit]


def test_small_records_become_a_file(download, client, tmp_path):
    download("lines", tmp_path / "copy", streams=3)
    assert (tmp_path / "copy").read_bytes() == b"".join(client.read("lines"))


@pytest.mark.parametrize("streams", [1, 4])
def test_an_interrupted_download_goes_on(download, tmp_path, streams):
    """What had come is not fetched again."""
    target = tmp_path / "copy"
    with pytest.raises(Interruption):
        download("whole", target, streams=streams, progress=stop_after(2_000_000))
    assert names(tmp_path) == ["copy.part", "copy.resume"]
    seen = []
    result = download("whole", target, progress=lambda done, _: seen.append(done))
    assert target.read_bytes() == CONTENT
    assert seen[0] == result.resumed_bytes >= 2_000_000
    assert names(tmp_path) == ["copy"]


def test_a_cut_connection_does_not_end_it(address, tmp_path):
    """Nor does it fetch a byte twice: each call goes on where it was."""
    with cutter(address) as proxy, goutube.connect(proxy.address, timeout_s=10) as client:

        def progress(done, total):
            if 1_000_000 < done < 1_600_000:
                proxy.cut()

        client.download("whole", tmp_path / "copy", progress=progress)
        assert proxy.connections > 1
    assert (tmp_path / "copy").read_bytes() == CONTENT


def test_a_cancelled_download_goes_on(address, tmp_path):
    """An asyncio task that is cancelled midway leaves what it has."""
    target = tmp_path / "copy"

    async def main():
        async with goutube.aio.connect(address) as client:
            half = asyncio.Event()
            task = asyncio.create_task(
                client.download("whole", target, progress=lambda done, _: done and half.set())
            )
            await half.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await client.download("whole", target)

    result = asyncio.run(main())
    assert result.resumed_bytes >= 1
    assert target.read_bytes() == CONTENT


def test_bytes_that_the_disk_lost_are_fetched_again(download, tmp_path):
    """A claim whose bytes are not there, as after a power cut, is not believed."""
    target = tmp_path / "copy"
    with pytest.raises(Interruption):
        download("whole", target, streams=1, progress=stop_after(2_000_000))
    with (tmp_path / "copy.part").open("r+b") as file:
        file.seek(300_000)
        file.write(bytes(100))
    claims = (tmp_path / "copy.resume").read_text().splitlines()[1:]
    claimed = sum(int(claim.split()[1]) for claim in claims)
    result = download("whole", target)
    assert target.read_bytes() == CONTENT
    assert result.resumed_bytes == claimed - CHUNK_BYTES_DEFAULT


def test_an_end_between_the_last_two_steps_is_noticed(download, tmp_path, monkeypatch):
    """The file has its name, the resume file is still there: nothing is fetched again."""
    target = tmp_path / "copy"
    kept = tmp_path / "kept"

    def keep(path):
        os.link(tmp_path / "copy.resume", kept)
        os.link(kept, tmp_path / "copy.resume.2")

    monkeypatch.setattr(download_file, "_sync_directory", lambda path: None)
    replace = download_file.Path.replace

    def replace_and_keep(self, other):
        keep(self)
        return replace(self, other)

    monkeypatch.setattr(download_file.Path, "replace", replace_and_keep)
    download("whole", target)
    monkeypatch.undo()
    kept.rename(tmp_path / "copy.resume")
    (tmp_path / "copy.resume.2").unlink()
    assert download("whole", target).resumed_bytes == len(CONTENT)
    assert names(tmp_path) == ["copy"]
    assert target.read_bytes() == CONTENT


def test_another_stream_of_the_name_is_refused(download, client, tmp_path):
    """Deleted and made anew, trimmed, or asked for in other words: the error says what to do."""
    target = tmp_path / "copy"
    name = f"changing/{tmp_path.name}"
    client.append(name, CONTENT)
    with pytest.raises(Interruption):
        download(name, target, progress=stop_after(1_000_000))
    left = (tmp_path / "copy.part").read_bytes()
    with pytest.raises(errors.InvalidArgumentError, match=r"copy\.part is a download of"):
        download(name, target, 5)
    client.trim(name, 10)
    with pytest.raises(errors.OffsetOutOfRangeError, match="trimmed since"):
        download(name, target)
    client.delete(name)
    with pytest.raises(errors.StreamNotFoundError):
        download(name, target)
    client.append(name, CONTENT)
    with pytest.raises(errors.StreamNotFoundError, match=r"delete .*copy\.resume to begin anew"):
        download(name, target)
    assert (tmp_path / "copy.part").read_bytes() == left
    assert not target.exists()


def test_a_longer_stream_is_gone_on_with_to_its_old_end(download, client, tmp_path):
    """The end is that of the beginning, however often it is begun."""
    name = f"growing/{tmp_path.name}"
    client.append(name, CONTENT)
    with pytest.raises(Interruption):
        download(name, tmp_path / "copy", progress=stop_after(1_000_000))
    client.append(name, b"more")
    assert download(name, tmp_path / "copy").next_offset == len(CONTENT)
    assert (tmp_path / "copy").read_bytes() == CONTENT


def test_two_downloads_to_one_path_do_not_meet(download, tmp_path):
    with (tmp_path / "copy.resume").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(errors.InvalidArgumentError, match="under way"):
            download("whole", tmp_path / "copy")
    download("whole", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == CONTENT


def test_files_that_are_not_ours_stay(download, tmp_path):
    (tmp_path / "copy.part").write_bytes(b"mine")
    with pytest.raises(errors.InvalidArgumentError, match=r"copy\.part is there"):
        download("whole", tmp_path / "copy")
    assert names(tmp_path) == ["copy.part"]
    (tmp_path / "copy.resume").write_bytes(b"my notes\n")
    with pytest.raises(errors.InvalidArgumentError, match="no resume file"):
        download("whole", tmp_path / "copy")
    assert (tmp_path / "copy.resume").read_bytes() == b"my notes\n"
    assert (tmp_path / "copy.part").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        (("whole",), {"streams": 0}, errors.InvalidArgumentError),
        (("whole",), {"limit": -1}, errors.InvalidArgumentError),
        (("whole",), {"timeout_s": 0}, errors.InvalidArgumentError),
        (("nothing",), {}, errors.StreamNotFoundError),
        (("a//b",), {}, errors.InvalidArgumentError),
    ],
)
def test_bad_arguments_are_refused_before_a_file_is_made(
    download, tmp_path, arguments, options, error
):
    with pytest.raises(error):
        download(*arguments, tmp_path / "copy", **options)
    for offset in (-1, "latest", 1 << 40):
        with pytest.raises(errors.UsageError):
            download("whole", tmp_path / "copy", offset)
    with pytest.raises(errors.InvalidArgumentError, match="directory"):
        download("whole", tmp_path)
    with pytest.raises(FileNotFoundError):
        download("whole", tmp_path / "no" / "folder")
    assert names(tmp_path) == []


def test_a_closed_client_ends_a_download(address, tmp_path):
    client = goutube.connect(address)

    def progress(done, total):
        if done:
            client.close()

    with pytest.raises(errors.UnavailableError):
        client.download("whole", tmp_path / "copy", streams=1, progress=progress)
    assert not [t for t in threading.enumerate() if t.name == "goutube-download"]
    assert names(tmp_path) == ["copy.part", "copy.resume"]


def test_both_clients_have_the_same_arguments():
    """What one takes, the other one takes."""
    import inspect  # noqa: PLC0415 - only here

    sync, aio = inspect.signature(Client.download), inspect.signature(AsyncClient.download)
    assert list(sync.parameters.values())[1:] == list(aio.parameters.values())[1:]
