"""The commands as processes against a real agent: pipes, statuses, signals, a kill -9."""

import hashlib
import json
import os
import pty
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

import goutube
from tests.support.agents import SMALL_JOURNAL

pytestmark = pytest.mark.net

GOUTUBE = [sys.executable, "-m", "goutube"]
KEYS = {"settled", "topology_version", "nodes", "shards"}


class Node:
    """An agent and the commands that talk to it."""

    def __init__(self, data_dir, address="127.0.0.1:0"):
        words = ["--data-dir", str(data_dir), "--rpc-port", address, "--http-port", "off"]
        more = ["--log-format", "json", "--node-name", "n1", "--shard-count", "4", *SMALL_JOURNAL]
        self.process = subprocess.Popen([*GOUTUBE, "agent", *words, *more], stderr=subprocess.PIPE)
        events = map(json.loads, self.process.stderr)
        self.address = next(e["rpc_address"] for e in events if e["event"] == "agent_ready")
        self.environ = {**os.environ, "GOUTUBE_SERVER": self.address, "TERM": "xterm"}
        self.environ.pop("PYTHONUNBUFFERED", None)  # what users do not set must not be needed
        self.drain = threading.Thread(target=self.process.stderr.read)
        self.drain.start()

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.wait(30)
        self.drain.join()
        self.process.stderr.close()
        return self.process.returncode

    def start(self, *words, **options):
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([*GOUTUBE, *words], env=self.environ, **{**pipes, **options})

    def run(self, *words, stdin=b""):
        process = self.start(*words)
        out, err = process.communicate(stdin, timeout=60)
        return process.returncode, out, err.decode()

    def json(self, *words, stdin=b""):
        status, out, err = self.run(*words, "--json", stdin=stdin)
        assert (status, err) == (0, "")
        return json.loads(out)


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    one = Node(tmp_path_factory.mktemp("agent") / "data")
    yield one
    assert one.stop() == 0


def _one_line(err):
    assert err.startswith("goutube: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err


def test_a_file_goes_in_and_comes_out_whole_and_by_ranges(node, tmp_path):
    content = random.Random(1).randbytes(3_100_000)
    source, target = tmp_path / "in", tmp_path / "out"
    source.write_bytes(content)
    answer = node.json("produce", "files/a", str(source), "--seal")
    assert answer == {
        "stream": "files/a",
        "offset": 0,
        "next_offset": len(content),
        "bytes": len(content),
        "records": 12,
        "sealed": True,
    }
    assert node.run("consume", "files/a") == (0, content, "")
    assert node.run("consume", "files/a", "-o", str(target)) == (0, b"", "")
    assert target.read_bytes() == content
    part = node.run("consume", "files/a", "--offset", "1000003", "--limit", "3000008")
    assert part == (0, content[1000003:3000008], "")
    assert node.run("consume", "files/a", "--offset=-5") == (0, content[-5:], "")
    assert node.run("consume", "files/a", "--offset", "latest") == (0, b"", "")
    assert node.run("consume", "files/a", "--follow")[:2] == (0, content)


def test_lines_become_records(node):
    assert node.json("produce", "lines", "--records", "lines", stdin=b"a\n\nbc")["records"] == 3
    status, out, _ = node.run("consume", "lines", "--json")
    records = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [(r["offset"], r["value"]) for r in records] == [(0, "YQo="), (2, "Cg=="), (3, "YmM=")]
    assert all(r["timestamp_ms"] > 1_700_000_000_000 for r in records)
    assert node.run("consume", "lines", "--tail", "2") == (0, b"\nbc", "")
    assert node.run("consume", "lines", "--offset", "@0") == (0, b"a\n\nbc", "")


def test_a_live_pipe_reaches_a_follower_as_it_is_written(node):
    node.json("streams", "create", "live")
    follower = node.start("consume", "live", "--follow")
    producer = node.start("produce", "live", "-", "--seal")
    for text in (b"one", b"two", b"three"):
        producer.stdin.write(text)
        producer.stdin.flush()
        assert follower.stdout.read(len(text)) == text
    assert producer.communicate(timeout=30)[0] == b""
    assert producer.returncode == 0
    assert follower.communicate(timeout=30) == (b"", b"")
    assert follower.returncode == 0


def test_records_are_followed_line_by_line(node):
    node.run("produce", "events", "--records", "lines", stdin=b"1\n")
    follower = node.start("consume", "events", "--follow", "--json")
    assert json.loads(follower.stdout.readline())["value"] == "MQo="
    node.run("produce", "events", "--records", "lines", "--seal", stdin=b"2\n")
    assert json.loads(follower.stdout.readline())["value"] == "Mgo="
    assert follower.communicate(timeout=30) == (b"", b"")
    assert follower.returncode == 0


def test_a_terminal_on_stderr_gets_a_progress_bar_and_a_pipe_none(node, tmp_path):
    source = tmp_path / "in"
    source.write_bytes(bytes(1 << 20))
    ours, theirs = pty.openpty()
    commands = [
        ["produce", "bar", str(source)],
        ["consume", "bar"],
        ["download", "bar", "-o", str(tmp_path / "out")],
    ]
    for words in commands:
        process = node.start(*words, stderr=theirs, stdout=subprocess.DEVNULL)
        assert process.wait(30) == 0
        process.stdin.close()
        assert b"1.0/1.0 MiB" in os.read(ours, 1 << 16)
    os.close(theirs)
    os.close(ours)
    assert node.run("consume", "bar")[2] == ""


def test_a_download_is_made_and_gone_on_with(node, tmp_path):
    content = os.urandom(3_000_000)
    node.run("produce", "down", stdin=content)
    target = tmp_path / "copy"
    status, out, told = node.run("download", "down", "-o", str(target), "--streams", "3")
    assert (status, out) == (0, b"")
    assert f"down: 3000000 bytes from offset 0 are in {target}." in told
    assert target.read_bytes() == content
    words = ("--offset", "1MiB", "--limit", "2MiB")
    result = node.json("download", "down", "-o", str(target), *words)
    assert (result["offset"], result["next_offset"], result["resumed_bytes"]) == (
        1 << 20,
        2 << 20,
        0,
    )
    assert target.read_bytes() == content[1 << 20 : 2 << 20]
    (tmp_path / "other.part").write_bytes(b"mine")
    status, _, told = node.run("download", "down", "-o", str(tmp_path / "other"))
    assert status == 1
    assert "other.part is there" in told
    status, _, told = node.run("download", "down", "-o", str(target), "--streams", "0")
    assert status == 2
    assert "--streams" in told


def test_a_shell_completes_words():
    """The script of ``completion bash``, in a bash of its own."""
    program = """
        eval "$(goutube completion bash)"
        complete_words() {
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _goutube_completion "$1"
            echo "${COMPREPLY[*]}"
        }
        complete_words goutube strea
        complete_words goutube streams s
        complete_words goutube consume x --fo
        complete_words goutube produce x --records w
    """
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environ = {**os.environ, "PATH": path}
    out = subprocess.check_output(["bash", "-c", program], env=environ, text=True)
    assert out.splitlines() == ["streams", "seal stat", "--follow", "whole"]
    for shell in ("zsh", "fish"):
        script = subprocess.check_output([*GOUTUBE, "completion", shell], text=True)
        assert f"_GOUTUBE_COMPLETE={shell}_complete" in script


def test_streams_are_described_listed_trimmed_and_removed(node):
    words = ("--content-type", "text/plain", "--metadata", "k=v", "--metadata", "w=x=y")
    made = node.json("streams", "create", "admin/a", *words)
    assert made["content_type"] == "text/plain"
    assert made["metadata"] == {"k": "v", "w": "x=y"}
    node.json("produce", "admin/a", "--records", "lines", stdin=b"one\ntwo\n")
    assert node.json("streams", "trim", "admin/a", "--before", "4")["start_offset"] == 4
    described = node.json("streams", "stat", "admin/a")
    wanted = {"name": "admin/a", "start_offset": 4, "end_offset": 8, "sealed": False}
    assert wanted.items() <= described.items()
    assert node.json("streams", "seal", "admin/a")["sealed"] is True
    assert node.json("streams", "seal", "admin/a")["sealed"] is True
    assert [one["name"] for one in node.json("streams", "ls", "admin/")] == ["admin/a"]
    assert node.run("streams", "ls", "admin/")[1] == b"admin/a\t4\t8\tyes\n"
    assert node.json("streams", "rm", "admin/a") == {"name": "admin/a", "removed": True}
    assert node.json("streams", "ls", "admin/") == []


@pytest.mark.parametrize(
    ("words", "status", "named"),
    [
        (["consume", "no/such"], 1, "no/such"),
        (["streams", "stat", "no/such"], 1, "no/such"),
        (["streams", "rm", "no/such"], 1, "no/such"),
        (["consume", "../etc/passwd"], 2, "'..'"),
        (["produce", "a//b"], 2, "a//b"),
        (["produce", "sealed", "-"], 1, "sealed"),
        (["streams", "create", "sealed"], 1, "sealed"),
        (["consume", "sealed", "--offset", "100"], 1, "100"),
        (["consume", "sealed", "-o", "/nonexistent/out"], 1, "/nonexistent/out"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(node, words, status, named):
    node.run("produce", "sealed", "--seal", stdin=b"end")
    code, out, err = node.run(*words, stdin=b"x")
    assert (code, out) == (status, b"")
    assert named in _one_line(err)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_closed_stdout_ends_consume_quietly(node, tmp_path, options):
    source = tmp_path / "big"
    source.write_bytes(bytes(8 << 20))
    node.json("produce", "big", str(source))
    consumer = node.start("consume", "big", *options)
    assert len(consumer.stdout.read(10)) == 10
    consumer.stdout.close()
    assert consumer.stderr.read() == b""
    assert consumer.wait(30) == 141
    consumer.stdin.close()
    consumer.stderr.close()


def test_a_short_answer_that_nobody_reads_ends_quietly(node):
    reader, writer = os.pipe()
    os.close(reader)
    process = node.start("cluster", "status", stdout=writer)
    os.close(writer)
    assert process.communicate(timeout=30) == (None, b"")
    assert process.returncode == 141


def test_a_read_that_is_refused_leaves_the_output_file_as_it_was(node, tmp_path):
    node.run("produce", "short", stdin=b"short")
    target = tmp_path / "out"
    target.write_bytes(b"precious")
    assert node.run("consume", "short", "--offset", "99", "-o", str(target))[0] == 1
    assert target.read_bytes() == b"precious"


@pytest.mark.parametrize("command", ["consume", "produce"])
def test_ctrl_c_ends_a_live_command_quietly_with_130(node, command):
    stream = f"interrupted/{command}"
    node.run("produce", stream, stdin=b"begun")
    words = ["consume", stream, "--follow"] if command == "consume" else ["produce", stream, "-"]
    process = node.start(*words)
    if command == "consume":
        assert process.stdout.read(5) == b"begun"
    else:
        process.stdin.write(b"+more")
        process.stdin.flush()
        follower = node.start("consume", stream, "--follow", "--limit", "10")
        assert follower.communicate(timeout=30)[0] == b"begun+more"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30) == (b"", b"")
    assert process.returncode == 130


def test_cluster_status_has_the_keys_that_scripts_rely_on(node):
    answer = node.json("cluster", "status")
    assert answer.keys() >= KEYS
    assert answer["settled"] is True
    assert [one["name"] for one in answer["nodes"]] == ["n1"]
    assert len(answer["shards"]) == 4
    assert node.run("cluster", "status")[0] == 0


def test_cluster_ring_tells_tokens_and_shares(node):
    answer = node.json("cluster", "ring")
    assert answer["hash_function"] == "xxh64"
    assert answer["shard_count"] == 4
    told = [(one["name"], one["tokens"], one["share"]) for one in answer["nodes"]]
    assert told == [("n1", 256, 1.0)]
    assert node.run("cluster", "ring")[1].startswith(b"n1\t256\t100.00%\t127.0.0.1:")


def test_cluster_locate_names_the_shard_that_holds_the_stream(node):
    shards = set()
    with goutube.connect(node.address) as client:
        for number in range(8):
            name = f"located/{number}"
            shards.add(client.create(name).stream_id >> 48)
    assert len(shards) > 1
    shard = node.json("streams", "create", name := "located/last")["stream_id"] >> 48
    answer = node.json("cluster", "locate", name)
    assert (answer["shard"], answer["leader"], answer["replicas"]) == (shard, "n1", ["n1"])
    assert node.run("cluster", "locate", name)[1].startswith(f"shard:    {shard}\n".encode())
    assert node.run("cluster", "locate", "a//b")[0] == 1


@contextmanager
def _deaf_address(*, listening):
    """An address where nobody listens, or one that takes connections and never says a word."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        if listening:
            taken.listen()
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.mark.parametrize("listening", [False, True])
@pytest.mark.parametrize(
    "words", [["cluster", "status"], ["consume", "a"], ["produce", "a"], ["streams", "ls"]]
)
def test_a_server_that_does_not_answer_is_told_soon(words, listening):
    with _deaf_address(listening=listening) as address:
        begun = time.monotonic()
        done = subprocess.run(
            [*GOUTUBE, *words, "--server", address, "--timeout", "0.5"],
            input=b"x",
            capture_output=True,
            timeout=60,
            check=False,
        )
        # Starting the interpreter takes seconds on a busy machine; without the option it were 30.
        assert time.monotonic() - begun < 25
    assert (done.returncode, done.stdout) == (1, b"")
    assert address in _one_line(done.stderr.decode())


def test_one_of_several_addresses_is_enough(node):
    with _deaf_address(listening=False) as address:
        words = ("streams", "ls", "--server", f"{address},{node.address}")
        assert node.run(*words)[0] == 0


def test_what_was_produced_survives_kill_9_and_the_log_is_whole(tmp_path):
    data_dir = tmp_path / "data"
    content = random.Random(2).randbytes(1_500_000)
    one = Node(data_dir)
    assert one.run("produce", "a", stdin=content)[0] == 0
    one.stop(signal.SIGKILL)
    checked = one.json("log", "verify", str(data_dir))
    assert (checked["damaged"], checked["node"]) == (False, "n1")
    two = Node(data_dir)
    status, out, _ = two.run("consume", "a")
    assert status == 0
    assert hashlib.sha256(out).digest() == hashlib.sha256(content).digest()
    assert two.stop() == 0
    assert one.run("log", "inspect", str(data_dir))[0] == 0
    assert one.run("log", "verify", str(data_dir))[0] == 0


def test_damage_makes_log_verify_end_with_1(tmp_path):
    data_dir = tmp_path / "data"
    one = Node(data_dir)
    assert one.run("produce", "a", stdin=b"x" * 100_000)[0] == 0
    assert one.stop() == 0
    (segment,) = [
        path
        for path in data_dir.rglob("*")
        if path.is_file() and b"x" * 9000 in path.read_bytes() and "journal" not in path.name
    ]
    content = bytearray(segment.read_bytes())
    content[content.index(b"x" * 9000) + 4000] ^= 1
    segment.write_bytes(content)
    status, out, err = one.run("log", "verify", str(data_dir))
    assert (status, out) == (1, b"")
    assert segment.name in err
    assert one.run("log", "verify", str(data_dir), "--json")[0] == 1


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--hash-function", "sha1"], "sha1"),
        (["--zone", "z"], "zone"),
        (["--rpc-port", "0.0.0.0:0"], "insecure"),
    ],
)
def test_an_agent_refuses_wrong_settings_with_2(tmp_path, words, named):
    done = subprocess.run(
        [*GOUTUBE, "agent", "--data-dir", str(tmp_path / "data"), *words],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert named in _one_line(done.stderr.decode())
    assert not (tmp_path / "data").exists()


def test_an_agent_on_a_directory_or_port_in_use_ends_with_1(node, tmp_path):
    data_dir = node.process.args[node.process.args.index("--data-dir") + 1]
    for words, named in (
        (["--data-dir", data_dir, "--rpc-port", "127.0.0.1:0"], data_dir),
        (["--data-dir", str(tmp_path / "d"), "--rpc-port", node.address], node.address),
    ):
        done = subprocess.run(
            [*GOUTUBE, "agent", "--http-port", "off", *words],
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout) == (1, b"")
        assert named in done.stderr.decode().splitlines()[-1]
        assert "Traceback" not in done.stderr.decode()
