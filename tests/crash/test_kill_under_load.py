"""kill -9 at random moments under load: nothing acknowledged is lost, doubled, changed or moved."""

import os
import random
import struct
import threading
import time
from statistics import median

import pytest

import goutube
from goutube.errors import GoutubeError, OutcomeUnknownError
from tests.support.agents import restarted_agent

pytestmark = [pytest.mark.crash, pytest.mark.slow]

KILLS = int(os.environ.get("GOUTUBE_CI_CRASHES", "60"))
SEED = int(os.environ.get("GOUTUBE_CRASH_SEED", "20261123"))
WRITERS = 6
HEAD = struct.Struct("<4sIII")
"""Of every append: a tag, its writer, its number, the length of what follows."""
BULK = 1 << 20
"""The largest append that is one batch, whole or not there; with its header too much for the journal."""
RESTART_SECONDS_MAX = 2.0
"""For the median: one start may meet a machine that is busy with something else."""


class Writer(threading.Thread):
    """Appends numbered, self-describing pieces to one stream, and notes what was acknowledged."""

    def __init__(self, address: str, number: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.address, self.number, self.stop = address, number, stop
        self.stream = f"crash/{number // 2}"  # two writers share a stream
        self.acknowledged: dict[int, tuple[int, int]] = {}
        self.unknown: set[int] = set()
        self.refused: set[int] = set()
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            self._write()
        except BaseException as error:  # noqa: BLE001 - told by the test's thread
            self.failure = error

    def _write(self) -> None:
        chance = random.Random(SEED * 1000 + self.number)
        with goutube.connect(self.address, timeout_s=20) as client:
            number = 0
            while not self.stop.is_set():
                number += 1
                size = chance.choice([0, 20, 300, 5_000, 100_000, BULK - HEAD.size])
                piece = piece_of(self.number, number, size)
                try:
                    result = client.append(self.stream, piece)
                except OutcomeUnknownError:
                    self.unknown.add(number)
                except GoutubeError:
                    self.refused.add(number)
                else:
                    assert result.next_offset - result.offset == len(piece)
                    self.acknowledged[number] = (result.offset, len(piece))


def piece_of(writer: int, number: int, size: int) -> bytes:
    """The bytes of one append: they say whose they are, and can be made again by the checker."""
    body = random.Random(writer << 32 | number).randbytes(size)
    return HEAD.pack(b"PIEC", writer, number, size) + body


def check(content: bytes, writers: list[Writer]) -> int:
    """Every piece of a stream is somebody's, whole, in order, once, where its writer was told."""
    place, found = 0, {writer.number: {} for writer in writers}
    while place < len(content):
        tag, writer, number, size = HEAD.unpack_from(content, place)
        piece = piece_of(writer, number, size)
        assert tag == b"PIEC", f"bytes nobody wrote at {place}"
        assert content[place : place + len(piece)] == piece, f"changed bytes at {place}"
        assert number not in found[writer], f"writer {writer} number {number} is there twice"
        assert number > max(found[writer], default=0), f"writer {writer}: {number} out of order"
        found[writer][number] = place
        place += len(piece)
    for writer in writers:
        for number, (offset, _) in writer.acknowledged.items():
            where = found[writer.number].get(number)
            assert where == offset, f"writer {writer.number}: {number} told {offset}, is at {where}"
        strangers = found[writer.number].keys() - writer.acknowledged.keys() - writer.unknown
        # The append that was under way when the writers were stopped was answered or is unknown.
        assert not strangers, f"writer {writer.number}: refused, but there: {sorted(strangers)}"
    return sum(map(len, found.values()))


@pytest.mark.timeout(1800)
def test_no_acknowledged_byte_is_lost_doubled_or_moved(tmp_path):
    """Kill and restart again and again under six writers; then read every stream and compare."""
    print(f"repeat: GOUTUBE_CI_CRASHES={KILLS} GOUTUBE_CRASH_SEED={SEED} pytest -m crash")
    chance = random.Random(SEED)
    stop = threading.Event()
    restarts: list[float] = []
    with restarted_agent(tmp_path / "data") as agent:
        writers = [Writer(agent.address, number, stop) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        for _ in range(KILLS):
            stop.wait(chance.uniform(0.05, 0.6))  # how long the load runs before the next kill
            agent.end()
            began = time.perf_counter()
            agent.start()
            restarts.append(time.perf_counter() - began)
        stop.set()
        for writer in writers:
            writer.join(timeout=60)
            assert not writer.is_alive()
            assert writer.failure is None, writer.failure
        pieces = 0
        with goutube.connect(agent.address) as client:
            for stream in sorted({writer.stream for writer in writers}):
                content = b"".join(client.read(stream))
                pieces += check(content, [w for w in writers if w.stream == stream])
    acknowledged = sum(len(writer.acknowledged) for writer in writers)
    unknown = sum(len(writer.unknown) for writer in writers)
    print(
        f"{KILLS} kills, {acknowledged} acknowledged, {unknown} unknown, {pieces} pieces found; "
        f"restart median {median(restarts):.2f} s, longest {max(restarts):.2f} s"
    )
    assert acknowledged >= 5 * KILLS, "too few acknowledgements: this run shows nothing"
    assert median(restarts) < RESTART_SECONDS_MAX
