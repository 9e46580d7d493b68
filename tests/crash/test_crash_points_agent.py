"""A real agent kills itself at each crash point; the next one has all that was acknowledged."""

import copy
import shutil
import signal
import time
from contextlib import suppress

import pytest

import goutube
from goutube.crash_points import CRASH_VARIABLE, CrashPoint
from goutube.errors import GoutubeError, StreamNotFoundError
from goutube.limits import KIB
from tests.support.agents import RestartedAgent

pytestmark = [pytest.mark.crash, pytest.mark.slow]

SETTINGS = ("--journal-bytes", str(256 * KIB), "--segment-bytes", str(64 * KIB),
            "--shard-count", "1", "--lame-duck-ms", "0")  # fmt: skip
SLOWLY = ("--compaction-bytes-per-s", str(64 * KIB))
PATIENCE_S = 20
NOT_HERE = {
    CrashPoint.INDEX_DROPPED: "a seal must overtake the journal group under way",
    CrashPoint.HEADS_DROPPED: "the log of a lone node never loses a suffix",
    CrashPoint.RESERVE_RELEASED: "the disk must be full; tests/crash/test_disk_full.py fills one",
}
"""Places that a small agent cannot be led to for certain; the disk in memory can."""
PIECE = bytes(range(250)) * 8


class Directory:
    """A data directory, and what its clients know of it.

    Attributes:
        kept: acknowledged bytes by stream; ``doubtful``: those of whose fate nobody has heard.
        gone: streams whose deletion was asked for.
    """

    def __init__(self, path):
        self.path = path
        self.kept = {}
        self.doubtful = {}
        self.gone = set()

    def copy_to(self, path):
        """The same directory elsewhere."""
        copied = copy.deepcopy(self)
        copied.path = path
        shutil.copytree(self.path, path)
        return copied

    def files(self, ending):
        return sorted(self.path.glob(f"shards/0000/*{ending}"))

    def append(self, client, name, data):
        self.doubtful[name] = data
        client.append(name, data)
        self.kept[name] = self.kept.get(name, b"") + self.doubtful.pop(name)

    def check(self):
        """Start an agent, and find all that was acknowledged."""
        agent = RestartedAgent(self.path, *SETTINGS)
        try:
            agent.start()
            with goutube.connect(agent.address, timeout_s=10) as client:
                for name, kept in self.kept.items():
                    found = self._found(client, name)
                    assert found in (kept, kept + self.doubtful.get(name, b"")) or (
                        found is None and name in self.gone
                    ), f"{name} is not as it was"
                client.append("after", b"it goes on")
        finally:
            agent.end()

    def _found(self, client, name):
        try:
            return b"".join(client.read(name))
        except StreamNotFoundError:
            return None


def live(directory, life, crash_at, settings=SETTINGS):
    """One life of an agent; whether it killed itself."""
    environ = {CRASH_VARIABLE: crash_at} if crash_at else {}
    agent = RestartedAgent(directory.path, *settings, environ=environ)
    try:
        try:
            agent.start()
            with goutube.connect(agent.address, timeout_s=1) as client:
                life(directory, agent, client)
        except (AssertionError, GoutubeError):
            if agent.child.wait(timeout=PATIENCE_S) != -signal.SIGKILL:
                raise
            return True
        if agent.child.poll() is None:
            agent.child.send_signal(signal.SIGTERM)
        return agent.child.wait(timeout=PATIENCE_S) == -signal.SIGKILL
    finally:
        agent.end()


def fill(directory, _agent, client):
    """Small appends and bulk ones, as many as make the journal go around."""
    for number in range(60):
        directory.append(client, f"s{number % 3}", PIECE)
    directory.append(client, "bulk", PIECE * 50)
    for number in range(30):
        directory.append(client, f"s{number % 3}", PIECE * 3)


def shrink(directory, agent, client):
    """Most of what there is goes."""
    for _ in range(2):
        directory.append(client, "front", PIECE * 30)
    fill(directory, agent, client)
    for name in ("front", "s0", "s1", "bulk"):
        directory.gone.add(name)
        client.delete(name)


def rest(_directory, _agent, _client):
    """Nothing but a start and an end."""


def until(agent, condition):
    began = time.monotonic()
    while not condition():
        assert agent.child.poll() is None
        assert time.monotonic() - began < PATIENCE_S
        time.sleep(0.01)


def tidy(directory, agent, client):
    """Wait until a segment is rewritten, and the first one is gone."""
    directory.append(client, "s2", PIECE * 40)
    oldest = directory.files(".seg")[0].name.partition("-")[0]

    def done():
        names = [path.name for path in directory.files(".seg")]
        return any("-000001" in name for name in names) and not names[0].startswith(oldest)

    until(agent, done)


def stop_tidying(directory, agent, client):
    """End while a compaction waits for its next slice: one with nothing to copy does not wait."""
    directory.append(client, "s2", PIECE * 40)

    def copied():
        for path in directory.files(".seg.tmp"):
            with suppress(FileNotFoundError):
                if path.stat().st_size > KIB:
                    return True
        return False

    until(agent, copied)


@pytest.fixture(scope="module")
def templates(tmp_path_factory):
    """Directories to begin with: what a kill left, what a clean end left, and with what is dead."""
    folder = tmp_path_factory.mktemp("templates")
    killed, dead = Directory(folder / "killed"), Directory(folder / "dead")
    assert live(killed, fill, "group-durable:40")
    assert not live(dead, shrink, None)
    unmade = Directory(folder / "unmade")
    assert live(unmade, fill, "segment-created:2")
    half = killed.copy_to(folder / "half")
    (half.path / "shards/0000/half.idx.tmp").write_bytes(b"half")
    spoilt = dead.copy_to(folder / "spoilt")
    spoil(spoilt)
    unmarked = Directory(folder / "unmarked")
    assert live(unmarked, fill, "bulk-durable:1")
    rotten, torn = (unmarked.copy_to(folder / name) for name in ("rotten", "torn"))
    change_end(rotten, lambda sector: bytes([sector[0] ^ 1]) + sector[1:])
    change_end(torn, lambda sector: bytes(len(sector)))
    return {"new": Directory(folder / "new"), "killed": killed, "dead": dead, "half": half,
            "unmade": unmade, "spoilt": spoilt, "unmarked": unmarked, "rotten": rotten,
            "torn": torn}  # fmt: skip


def change_end(directory, change):
    """Have a sector near the end of the newest segment be something else."""
    path = directory.files(".seg")[-1]
    content = path.read_bytes()
    start = (len(content.rstrip(b"\0")) - KIB) // 512 * 512
    path.write_bytes(
        content[:start] + change(content[start : start + 512]) + content[start + 512 :]
    )


def spoil(directory):
    """One byte of an entry's header in the newest segment is not what it was, nor has it heads.

    With them it would be the first read that notices.
    """
    path = directory.files(".seg")[-1]
    for heads in directory.files(".heads"):
        heads.unlink()
    content = bytearray(path.read_bytes())
    places = [i for i in range(256, len(content) - 4, 8) if content[i : i + 4] == b"gtE1"]
    content[places[-2] + 9] ^= 1
    path.write_bytes(content)


def way_to(point):
    """(directory, life, settings) that lead to a place."""
    match point.partition("-")[0]:
        case "replay" if point is CrashPoint.REPLAY_ENTRIES_WRITTEN:
            return "killed", rest, SETTINGS
        case "replay" if point not in (CrashPoint.REPLAY_WRITTEN, CrashPoint.REPLAY_SYNCED):
            return "unmade", rest, SETTINGS
        case "tail":
            starts = {CrashPoint.TAIL_MENDED: "rotten", CrashPoint.TAIL_CUT: "torn"}
            return starts.get(point, "unmarked"), rest, SETTINGS
        case "leaving":
            return "half", rest, SETTINGS
        case "damage":
            return "spoilt", rest, SETTINGS
        case "rewrite" if point is CrashPoint.REWRITE_ABANDONED:
            return "dead", stop_tidying, (*SETTINGS, *SLOWLY)
        case "rewrite" | "revision" | "freed":
            return "dead", tidy, SETTINGS
    if point.endswith(("unlinked", "removed")):
        return "dead", tidy, SETTINGS
    return "new", fill, SETTINGS


@pytest.mark.parametrize("point", [point for point in CrashPoint if point not in NOT_HERE])
def test_an_agent_ends_at_a_place(point, templates, tmp_path):
    """It kills itself there; the next one starts, has everything, and takes more."""
    start, life, settings = way_to(point)
    template = templates[start]
    directory = (
        template.copy_to(tmp_path / start) if start != "new" else Directory(tmp_path / start)
    )
    assert live(directory, life, str(point), settings), f"{point} is not reached"
    if start != "spoilt":
        directory.check()
    else:
        assert not live(directory, rest, None)
