"""What ``bench.cluster`` measures: each scenario works on a real agent and returns its figures."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import uvloop

import goutube
import goutube.aio
from bench.echo import pour
from goutube.cli.bench_runs import Waiting
from goutube.cli.bench_tables import percentiles
from goutube.client.requests import ANSWER_BYTES
from goutube.limits import CHUNK_BYTES_DEFAULT, MIB

POURED_BYTES = (ANSWER_BYTES, CHUNK_BYTES_DEFAULT)
"""Sizes of the bare server's messages."""

RACE_S = 5.0
"""A wait that lasts longer has missed its wake-up."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to measure, and how much.

    Attributes:
        address: of the agent.
        bare: of the bare gRPC server.
        folder: on the disk that the agent's data lies on.
        quick: small sizes, to see that everything runs.
    """

    address: str
    bare: str
    folder: Path
    quick: bool


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure and what it should be."""

    name: str
    value: float
    limit: float
    at_most: bool

    @property
    def met(self) -> bool:
        """Whether it is as it should be."""
        return self.value <= self.limit if self.at_most else self.value >= self.limit


@dataclass(frozen=True, slots=True)
class Found:
    """What a scenario was run with, what it saw, and what of that has a goal."""

    settings: dict[str, Any]
    figures: dict[str, Any]
    goals: list[Goal]


def latency(place: Place) -> Found:
    """Durable appends begun at a steady rate, each timed from when it was due."""
    seconds, record_bytes = (1.0 if place.quick else 10.0), 100
    rates = (50, 200) if place.quick else (100, 300, 1000)
    found = {}
    for rate in rates:
        run = Waiting(seconds, record_bytes, float(rate), 1)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            make = partial(goutube.aio.connect, place.address)
            runner.run(run.run(make, f"latency/{rate}"))
        found[f"{rate}/s"] = run.figures()
    settings = {"rates": rates, "seconds": seconds, "record_bytes": record_bytes}
    return Found(settings, found, [])


def file(place: Place) -> Found:
    """A file in and out, beside ``dd`` onto the same disk and bare gRPC messages of the same size.

    They take turns in rounds. In: ``dd conv=fdatasync`` ends when its bytes are durable, as an
    append does. Out: the bare server sends messages from memory, in each round once as large as
    the client's answers and once as large as a record; the faster one counts. Told, too, is what
    the bare client reaches that has the C library keep large buffers, as ours does.
    """
    size, rounds = (32 * MIB, 1) if place.quick else (1024 * MIB, 5)
    source = place.folder / "source"
    _fill(source, size)
    written = _digest(_chunks_of(source))
    took: dict[str, list[float]] = {"dd": [], "in": [], "bare": [], "kept": [], "out": []}
    with goutube.connect(place.address, timeout_s=120) as client:
        for number in range(rounds):
            name = f"file/{number}"
            took["dd"].append(_dd(source, place.folder / "copy"))
            began = time.perf_counter()
            with source.open("rb") as opened:
                end = client.append(name, opened).next_offset
            took["in"].append(time.perf_counter() - began)
            assert end == size
            for kind, keep in (("bare", False), ("kept", True)):
                poured = [pour(place.bare, size, each, keep=keep) for each in POURED_BYTES]
                took[kind].append(min(poured))
            began = time.perf_counter()
            assert sum(map(len, client.read(name))) == size
            took["out"].append(time.perf_counter() - began)
            assert _digest(client.read(name)) == written
            client.delete(name)
    rates = {kind: [size / MIB / one for one in seconds] for kind, seconds in took.items()}
    ratio_in = median(a / b for a, b in zip(rates["in"], rates["dd"], strict=True))
    ratio_out = median(a / b for a, b in zip(rates["out"], rates["bare"], strict=True))
    found = {f"{kind}_mib_per_s": [round(one, 1) for one in each] for kind, each in rates.items()}
    settings = {"bytes": size, "rounds": rounds, "bare_message_bytes": POURED_BYTES}
    return Found(
        settings,
        found,
        [
            Goal("file in, over dd conv=fdatasync", ratio_in, 0.8, at_most=False),
            Goal("file out, over bare gRPC", ratio_out, 0.8, at_most=False),
        ],
    )


def _fill(path: Path, size: int) -> None:
    """Bytes that no disk can make smaller, on the disk before anything is measured."""
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(os.urandom(MIB))
        file.flush()
        os.fsync(file.fileno())


def _chunks_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES_DEFAULT):
            yield chunk


def _digest(chunks: Iterable[bytes]) -> bytes:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.digest()


def _dd(source: Path, copy: Path) -> float:
    """Seconds."""
    words = [f"if={source}", f"of={copy}", "bs=1M", "conv=fdatasync"]
    began = time.perf_counter()
    subprocess.run(["dd", *words], check=True, capture_output=True)
    took = time.perf_counter() - began
    copy.unlink()
    return took


def follow(place: Place) -> Found:
    """From an append's acknowledgement until a follower has its bytes, one append each 20 ms."""
    count, pause_s = (50 if place.quick else 500), 0.02
    seen: dict[int, float] = {}
    acknowledged: dict[int, float] = {}

    def follower() -> None:
        place_now = 0
        with goutube.connect(place.address) as client:
            for chunk in client.read("follow/a", follow=True):
                place_now += len(chunk)
                seen[place_now] = time.perf_counter()

    with goutube.connect(place.address) as client:
        client.create("follow/a")
        thread = threading.Thread(target=follower)
        thread.start()
        for _ in range(count):
            end = client.append("follow/a", bytes(100)).next_offset
            acknowledged[end] = time.perf_counter()
            time.sleep(pause_s)
        client.seal("follow/a")
        thread.join()
    assert max(seen) == count * 100
    # The follower may be told before the one who appended: then it did not wait at all.
    delays = [max(0.0, _first_at(seen, end) - told) for end, told in acknowledged.items()]
    settings = {"appends": count, "pause_s": pause_s, "record_bytes": 100}
    told_ms = _milliseconds(delays)
    goal = Goal("follower's delay, median ms", told_ms["median"], 20.0, at_most=True)
    return Found(settings, {"delay_ms": told_ms}, [goal])


def _first_at(seen: dict[int, float], end: int) -> float:
    return min(when for place, when in seen.items() if place >= end)


def wakeups(place: Place) -> Found:
    """Reads that begin to wait at about the moment at which the bytes are appended."""
    count = 200 if place.quick else int(os.environ.get("GOUTUBE_RACES", "10000"))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        delays = runner.run(race(place.address, count, random.Random(1)))
    missed, told_ms = count - len(delays), _milliseconds(delays)
    return Found(
        {"races": count},
        {"missed": missed, "delay_ms": told_ms},
        [
            Goal("wake-ups missed", missed, 0, at_most=True),
            Goal("wake-up, 99th percentile ms", told_ms["p99"], 10.0, at_most=True),
        ],
    )


def _milliseconds(seconds: list[float]) -> dict[str, float]:
    found = percentiles(seconds)
    assert found is not None, "nothing was measured"
    return found


async def race(address: str, count: int, chance: random.Random) -> list[float]:
    """Seconds from acknowledgement to the waiting reader; one that never came is left out."""
    delays = []
    async with goutube.aio.connect(address) as writer, goutube.aio.connect(address) as reader:
        end = (await writer.append("races/a", b"x")).next_offset

        async def wait_for(offset: int) -> float:
            answers = reader.read("races/a", offset, limit=offset + 1, follow=True)
            assert [chunk async for chunk in answers] == [b"y"]
            return time.perf_counter()

        for _ in range(count):
            waiting = asyncio.create_task(wait_for(end))
            await asyncio.sleep(chance.uniform(0, 0.002))
            end = (await writer.append("races/a", b"y")).next_offset
            told = time.perf_counter()
            try:
                async with asyncio.timeout(RACE_S):
                    delays.append(max(0.0, await waiting - told))
            except TimeoutError:
                continue
    return delays


SCENARIOS = {"latency": latency, "file": file, "follow": follow, "wakeups": wakeups}

DISK_FILLING = {"file"}
"""Those that keep the disk busy for longer than what counts as a stall."""
