"""``goutube bench``: what it counts is true, and it leaves nothing behind."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time

import pytest

import goutube
from goutube.cli import main
from goutube.cli.bench_runs import Producing, Waiting
from goutube.cli.bench_tables import percentiles
from goutube.errors import InvariantError, StreamSealedError
from tests.support.agents import SMALL_JOURNAL, restarted_agent
from tests.support.gossiping import wait_until

pytestmark = pytest.mark.net
LATENCIES = ["min", "median", "p90", "p99", "p99_9", "max"]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with restarted_agent(
        tmp_path_factory.mktemp("bench") / "data", "--shard-count", "4", *SMALL_JOURNAL
    ) as agent:
        yield agent.address


@pytest.fixture
def client(address):
    with goutube.connect(address) as connected:
        yield connected


@pytest.fixture
def measured(address, capsys):
    """Run a command; its status, and what it printed as JSON."""

    def run(*words):
        status = main(["bench", *words, "--server", address, "--json"])
        told = capsys.readouterr()
        assert told.err == ""
        return status, json.loads(told.out)

    return run


def test_produce_counts_what_is_there(measured, client):
    status, told = measured("produce", "--records", "250", "--size", "10", "--keep")
    info = client.stat(told["stream"])
    assert status == 0
    assert told["stream"].startswith("bench/")
    assert (info.record_count, info.end_offset) == (told["records"], told["bytes"]) == (250, 2500)
    assert told["records_per_s"] == pytest.approx(250 / told["seconds"], rel=0.01)
    assert list(told["latency_ms"]) == LATENCIES
    assert told["interrupted"] is False
    client.delete(told["stream"])


def test_produce_ends_when_its_time_is_over(measured, client):
    status, told = measured("produce", "load/a", "--seconds", "0.2")
    assert (status, told["stream"]) == (0, "load/a")
    assert client.stat("load/a").record_count == told["records"] >= 100
    assert told["records"] % 100 == 0


def test_clients_share_the_records(measured, client):
    status, told = measured(
        "produce", "load/shared", "--records", "1003", "--clients", "3", "--size", "10"
    )
    info = client.stat("load/shared")
    assert (status, told["clients"]) == (0, 3)
    assert (info.record_count, info.end_offset) == (told["records"], told["bytes"]) == (1003, 10030)
    status, told = measured("produce", "--records", "2", "--clients", "3")
    assert (status, told["records"]) == (0, 2)
    client.delete("load/shared")


def test_one_failed_client_ends_all(client, address):
    """The others have no end of their own: they are told to stop."""

    class Broken:
        def producer(self, *_, **__):
            raise StreamSealedError("broken")

    with goutube.connect(address) as other, pytest.raises(StreamSealedError, match="broken"):
        Producing(None, 60.0, 10, 0.0).run([client, Broken(), other], "load/broken")
    client.delete("load/broken")


@pytest.mark.parametrize("by", ["records", "batches", "chunks"])
def test_consume_reads_all_that_was_made(measured, client, by):
    status, told = measured("consume", "--records", "3000", "--size", "7", "--by", by)
    assert (status, told["by"], told["bytes"]) == (0, by, 21000)
    assert told.get("records") == (None if by == "chunks" else 3000)
    assert list(client.list("bench/")) == []


@pytest.mark.parametrize("by", ["records", "batches"])
def test_consume_stops_after_so_many_records(measured, client, by):
    client.append("load/few", records=[b"1", b"22", b"333"])
    _, told = measured("consume", "load/few", "--records", "2", "--by", by)
    assert (told["records"], told["bytes"]) == (2, 3)
    client.delete("load/few")


@pytest.mark.parametrize(
    ("words", "count"),
    [(["--rate", "200", "--seconds", "0.25"], 50), (["--clients", "3", "--seconds", "0.2"], None)],
)
def test_latency_of_each_append(measured, client, words, count):
    status, told = measured("latency", "load/waits", *words)
    assert status == 0
    assert client.stat("load/waits").record_count == told["records"]
    assert told["records"] == count or (count is None and told["records"] >= 3)
    assert [*told["latency_ms"].values()] == sorted(told["latency_ms"].values())
    client.delete("load/waits")


def test_an_open_loop_counts_from_when_an_append_was_due():
    """One stall is seen in every append that it kept waiting."""

    class Stalling:
        def __init__(self):
            self.end = None

        async def __aenter__(self):
            return self

        async def __aexit__(self, *_):
            return None

        async def stat(self, _stream):
            self.end = asyncio.get_running_loop().time() + 0.3

        async def append(self, _stream, _record, *, timeout_s):
            await asyncio.sleep(max(0, self.end - asyncio.get_running_loop().time()))

    run = Waiting(0.4, 10, 100.0, 1)
    asyncio.run(run.run(Stalling, "a"))
    figures = run.figures()
    assert figures["records"] == 40
    assert figures["latency_ms"]["median"] > 50  # 20 of them were due 100 ms before the stall's end


def test_a_timer_that_rings_early_makes_no_append_quicker(monkeypatch):
    """Sent before it was due, an append counts from when it was sent."""

    class Slow:
        async def __aenter__(self):
            return self

        async def __aexit__(self, *_):
            return None

        async def stat(self, _stream):
            return None

        async def append(self, _stream, _record, *, timeout_s):
            until = time.perf_counter() + 0.001
            while time.perf_counter() < until:
                pass

    sleep = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda wait: sleep(wait / 2))
    run = Waiting(0.2, 10, 100.0, 1)
    asyncio.run(run.run(Slow, "a"))
    assert run.figures()["latency_ms"]["min"] >= 1


def test_what_an_append_meets_is_raised(client, address, capsys):
    client.append("load/sealed", b"x", seal=True)
    for words in (["latency"], ["latency", "--rate", "100"], ["produce"]):
        assert main(["bench", words[0], "load/sealed", *words[1:], "--server", address]) == 1
        told = capsys.readouterr()
        assert "sealed at 1" in told.err
        assert (told.out, told.err.count("\n")) == ("", 1)
    with pytest.raises(StreamSealedError):
        Producing(1, None, 1, 0.0).run([client], "load/sealed")
    client.delete("load/sealed")


def test_a_lost_record_is_not_overlooked(client):
    run = Producing(100, None, 5, 0.0)
    run.run([client], "load/less")
    run.check(client.stat("load/less"))
    client.append("load/less", b"somebody else's")
    with pytest.raises(
        InvariantError, match="100 records were acknowledged, and 'load/less' has 101"
    ):
        run.check(client.stat("load/less"))
    client.delete("load/less")


def test_ctrl_c_tells_what_was_measured_and_cleans_up(address, client):
    words = ["bench", "produce", "--seconds", "60", "--json", "--server", address]
    environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "goutube", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environ,
    ) as process:  # fmt: skip
        wait_until(lambda: any(info.record_count for info in client.list("bench/")), 20)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    told = json.loads(out)
    assert (process.returncode, err) == (130, b"")
    assert told["interrupted"] is True
    assert told["records"] > 0
    assert list(client.list("bench/")) == []


def test_a_table_for_people(address, capsys):
    assert (
        main(["bench", "produce", "--records", "2000", "--size", "1KiB", "--server", address]) == 0
    )
    lines = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert (lines["records"].strip(), lines["bytes"].strip()) == ("2,000", "2,048,000")
    assert {"stream", "clients", "seconds", "records/s", "MiB/s", "latency"} == lines.keys() - {
        "records",
        "bytes",
    }
    assert lines["latency"].strip().startswith("min ")


def test_a_server_that_is_not_there_is_one_line(capsys):
    began = time.monotonic()
    for command in ("produce", "consume", "latency"):
        words = ["bench", command, "--server", "127.0.0.1:9", "--timeout", "0.3"]
        assert main(words) == 1
        told = capsys.readouterr()
        assert (told.out, told.err.count("\n")) == ("", 1)
        assert "127.0.0.1:9" in told.err
    assert time.monotonic() - began < 30


def test_percentiles_are_values_that_were_seen():
    assert percentiles([]) is None
    assert percentiles([0.001]) == dict.fromkeys(LATENCIES, 1.0)
    seen = percentiles([number / 1000 for number in range(1000, 0, -1)])
    assert [*seen.values()] == [1.0, 500.0, 900.0, 990.0, 999.0, 1000.0]
