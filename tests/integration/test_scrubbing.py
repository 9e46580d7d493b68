"""A real agent finds a flipped byte in a sealed segment before anybody reads it, and says so."""

from __future__ import annotations

import json
import urllib.request

import pytest

import goutube
from goutube.errors import CorruptionError
from tests.support.agents import SMALL_JOURNAL, RestartedAgent, started

pytestmark = pytest.mark.net

BATCH = bytes(range(256)) * 40


@pytest.fixture
def agent(tmp_path):
    settings = ["--shard-count", "1", "--segment-bytes", "64KiB", "--scrub-interval", "1s",
                "--scrub-bytes-per-s", "1MiB", "--http-port", "127.0.0.1:0"]  # fmt: skip
    with started(RestartedAgent(tmp_path / "data", *settings, *SMALL_JOURNAL)) as agent:
        agent.folder = tmp_path / "data"
        yield agent


def lines(agent, event):
    """The log's lines of one event, as they come."""
    while (text := agent._lines.get(timeout=30)) is not None:
        line = json.loads(text)
        if line["event"] == event:
            yield line


def metrics(agent):
    """The scrubber's numbers."""
    (address,) = {
        line["http_address"] for line in map(json.loads, agent.log_lines) if "http_address" in line
    }
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        rows = [line.split(" ") for line in answer.read().decode().splitlines()]
    return {row[0]: float(row[1]) for row in rows if row[0].startswith("goutube_scrub")}


def test_a_flipped_byte_in_an_idle_segment(agent):
    """Reported by file, position, stream and offsets; a read of it is refused, others are not."""
    with goutube.connect(agent.address) as client:
        for _ in range(20):
            client.append("idle", BATCH)
        stream_id = client.stat("idle").stream_id
        ended = lines(agent, "scrub_ended")
        assert next(line for line in ended if line["segments"] >= 2)["damages"] == 0
        path = min(agent.folder.glob("shards/0000/*.idx")).with_suffix(".seg")
        with path.open("r+b") as file:
            place = file.read().index(BATCH) + 5_000
            file.seek(place)
            file.write(b"\xff")
        found = next(lines(agent, "store_damaged"))
        assert found["path"] == f"shards/0000/{path.name}"
        assert found["position"] <= place < found["position"] + found["bytes"]
        assert found["lost"] == [f"stream {stream_id}: 0 to {len(BATCH)}"]
        assert next(lines(agent, "scrub_ended"))["damages"] == 1
        numbers = metrics(agent)
        assert numbers["goutube_scrub_damages_total"] == 1
        assert numbers["goutube_scrub_bytes_total"] > 2 * 64 * 1024
        assert numbers["goutube_scrub_passes_total"] >= 2
        assert numbers["goutube_scrub_last_pass_seconds"] > 1e9
        with pytest.raises(CorruptionError, match=rf"'idle'.* offsets 0 to {len(BATCH)} are gone"):
            b"".join(client.read("idle", 0))
        assert b"".join(client.read("idle", len(BATCH))) == BATCH * 19
