"""Lives of an agent that end abruptly under load, and what must hold after each of them."""

import random
import threading
from contextlib import contextmanager
from itertools import pairwise
from statistics import median

import goutube
from goutube.errors import CorruptionError, OffsetOutOfRangeError, StreamNotFoundError
from goutube.limits import KIB, MIB
from tests.support.agents import started
from tests.support.piece_writers import (
    FrameWriter,
    Gate,
    LibraryWriter,
    NumberedWriter,
    SealingWriter,
    TrimmingWriter,
)
from tests.support.pieces import BrokenPromiseError, StreamChecker

SMALL = ("--journal-bytes", str(2 * MIB), "--segment-bytes", str(512 * KIB))
"""A ring that is full, and segments that are sealed, many times between two ends."""
ACKNOWLEDGED_PER_KILL_MIN = 10
SHARED = [f"crash/shared-{number}" for number in range(4)]


@contextmanager
def writers_at_work(address, seed):
    """Several writers of each kind, which share streams of several shards; all are stopped."""
    gate = Gate()
    kinds = [
        (NumberedWriter, SHARED),
        (NumberedWriter, SHARED[2:]),
        (FrameWriter, SHARED[:2]),
        (FrameWriter, SHARED),
        (LibraryWriter, SHARED[1:3]),
        (TrimmingWriter, ["crash/trimmed"]),
        (SealingWriter, ["crash/sealed"]),
    ]
    writers = [
        kind(number, address, streams, seed, gate) for number, (kind, streams) in enumerate(kinds)
    ]
    for writer in writers:
        writer.start()
    try:
        yield gate, writers
    except BaseException:
        # What they wait for may never come: an agent whose fault was found does not start again.
        _stop(gate, writers, at_once=True)
        raise
    _stop(gate, writers)
    for writer in writers:
        assert not writer.is_alive(), f"writer {writer.number} hangs"
        if writer.failure is not None:
            raise writer.failure


def _stop(gate, writers, *, at_once=False):
    gate.stop()
    for writer in writers if at_once else ():
        writer.hang_up()
    for writer in writers:
        writer.join(timeout=90)


class Checker:
    """Reads all streams on from where it stopped, and compares them with what writers were told."""

    def __init__(self, client, writers):
        self._client = client
        self._writers = writers
        self._trimmer = next(w for w in writers if isinstance(w, TrimmingWriter))
        self._sealer = next(w for w in writers if isinstance(w, SealingWriter))
        self._streams: dict[str, StreamChecker] = {}
        self._done: set[str] = set()

    def check(self, *, final=False):
        """Every promise that was made before now is kept."""
        trimmed, sealed = self._trimmer.trimmed, list(self._sealer.sealed)
        told: dict[str, dict[int, object]] = {}
        for writer in self._writers:
            for stream, knows in writer.told().items():
                told.setdefault(stream, {})[writer.number] = knows
        for stream in sorted(told.keys() - (set() if final else self._done)):
            checker = self._streams.setdefault(stream, StreamChecker(stream))
            acknowledged = {w: knows.acknowledged for w, knows in told[stream].items()}
            try:
                info = self._read(checker)
            except StreamNotFoundError:
                if any(acknowledged.values()):
                    raise BrokenPromiseError("lost", f"{stream}, {acknowledged}") from None
                continue  # all that was sent to it is of unknown outcome, or was refused
            except CorruptionError as error:  # nobody has damaged anything
                raise BrokenPromiseError("damaged", f"{stream}: {error}") from error
            if stream in sealed:
                self._done.add(stream)
                if not info.sealed:
                    raise BrokenPromiseError("unsealed", stream)
            if stream in self._trimmer.streams and info.start_offset < trimmed:
                raise BrokenPromiseError("untrimmed", f"{info.start_offset}, told {trimmed}")
            checker.compare(told[stream], final=final)

    def _read(self, checker):
        while True:
            info = self._client.stat(checker.name)
            checker.skip_to(info.start_offset)
            if info.end_offset < checker.place:
                raise BrokenPromiseError(
                    "lost", f"{checker.name} ends at {info.end_offset}, was read to {checker.place}"
                )
            try:
                chunks = self._client.read(checker.name, checker.place, limit=info.end_offset)
                checker.read(b"".join(chunks))
            except OffsetOutOfRangeError:
                continue  # trimmed meanwhile
            return info


def kill_again_and_again(new_agent, kills, seed, *, by_itself=False):
    """The whole run; its writers, and how long starts and recoveries took.

    Args:
        by_itself: the agent cuts its own power under the load, and is not killed at a random moment;
            it does not while pieces are checked, or after the last of the kills.
    """
    chance = random.Random(seed)
    pause = threading.Event()
    restarts = []
    with started(new_agent) as agent:
        with (
            writers_at_work(agent.address, seed) as (gate, writers),
            goutube.connect(agent.address, timeout_s=60) as client,
        ):
            checker = Checker(client, writers)
            for _ in range(kills):
                if by_itself:
                    agent.tear()
                else:
                    pause.wait(chance.uniform(0.02, 0.5))  # the load between two kills
                agent.end()
                if chance.random() < 0.2:  # and again, most often while it recovers
                    agent.launch()
                    pause.wait(chance.uniform(0, 1.5))
                    agent.end()
                check_boots(agent)
                restarts.append((agent.start(), agent.recovery_ms / 1e3))
                gate.pause()  # reading must not run after the writers for ever
                checker.check()
                gate.start()
        with goutube.connect(agent.address) as client:
            Checker(client, writers).check(final=True)  # everything that is still there
    return writers, restarts


def end_behind_each_start(agent, ends):
    """Without any load: nothing that comes later makes durable what the start has told."""
    with started(agent):
        for _ in range(ends):
            agent.end()
            check_boots(agent)
            agent.start()


def check_boots(agent):
    """No opening of the directory that a process told of was forgotten by the next one."""
    if any(later <= boot for boot, later in pairwise(agent.boots)):
        raise BrokenPromiseError("changed", f"openings were counted as {agent.boots}")


def check_load(kills, writers):
    """Enough was acknowledged for the run to show something."""
    for writer in writers:
        assert writer.acknowledged_count > 0, (
            f"nothing acknowledged by {writer}: this shows nothing"
        )
    assert sum(w.acknowledged_count for w in writers) >= ACKNOWLEDGED_PER_KILL_MIN * kills


def figures(what, writers, restarts):
    """One line that says how much the run shows."""
    total = {
        name: sum(getattr(writer, f"{name}_count") for writer in writers)
        for name in ("acknowledged", "unknown", "duplicate", "bulk")
    }
    return (
        f"{what}: {total['acknowledged']} acknowledged, {total['unknown']} unknown, "
        f"{total['duplicate']} retries recognized, {total['bulk']} batches over 1 MiB; "
        f"start median {median(start for start, _ in restarts):.2f} s, longest {max(restarts)[0]:.2f} s, "
        f"of which {max(restarts)[1]:.2f} s recovery"
    )
