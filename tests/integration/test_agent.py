"""A real agent: it serves, keeps what it acknowledged, ends as it is told, and refuses in one line."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager

import grpc
import pytest

from goutube.api import streaming_pb2
from tests.support.agents import SMALL_JOURNAL

pytestmark = pytest.mark.net

PRODUCE = "/streaming.v1.Streaming/ProduceStream"
CONSUME = "/streaming.v1.Streaming/ConsumeStream"


class Process:
    """An agent as a child process; its log lines are read as they come."""

    def __init__(self, data_dir, *arguments):
        environ = {
            key: value for key, value in os.environ.items() if not key.startswith("GOUTUBE_")
        }
        self.child = subprocess.Popen(
            [sys.executable, "-m", "goutube", "agent", "--data-dir", str(data_dir),
             "--rpc-port", "0", "--node-name", "n1", "--log-format", "json", *SMALL_JOURNAL,
             *arguments],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environ, text=True,
        )  # fmt: skip
        self.lines = []

    def until(self, event):
        """The first line of an event."""
        for text in self.child.stderr:
            line = json.loads(text)
            self.lines.append(line)
            if line["event"] == event:
                return line
        raise AssertionError(f"{event} never came; {self.lines}")

    def end(self, number=signal.SIGTERM):
        """(exit status, what else was on stderr)."""
        self.child.send_signal(number)
        _, rest = self.child.communicate(timeout=30)
        return self.child.returncode, rest


@contextmanager
def agent(data_dir, *arguments):
    process = Process(data_dir, *arguments)
    try:
        yield process
    finally:
        if process.child.poll() is None:
            process.child.kill()
        process.child.wait(10)
        process.child.stderr.close()


def refused(data_dir, *arguments):
    """(exit status, lines on stderr) of an agent that cannot start."""
    with agent(data_dir, *arguments) as process:
        _, text = process.child.communicate(timeout=30)
        return process.child.returncode, text.splitlines()


def produce(channel, point, *frames):
    call = channel.stream_unary(PRODUCE)
    requests = (
        streaming_pb2.ProduceRequest(point=point, frame=frame).SerializeToString()
        for frame in frames
    )
    answer = streaming_pb2.ProduceResponse.FromString(call(requests, timeout=10))
    return [(record.point, record.offset) for record in answer.records]


def consume(channel, point):
    request = streaming_pb2.ConsumeRequest(point=point).SerializeToString()
    answers = channel.unary_stream(CONSUME)(request, timeout=10)
    return b"".join(streaming_pb2.ConsumeResponse.FromString(answer).frame for answer in answers)


def http_status(address, path):
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_serves_and_ends_cleanly(tmp_path):
    with agent(tmp_path / "data", "--http-port", "0") as process:
        ready = process.until("agent_ready")
        with grpc.insecure_channel(ready["rpc_address"]) as channel:
            assert produce(channel, "a", b"x" * 256, b"y" * 256) == [("a", 256)]
            assert consume(channel, "a") == b"x" * 256 + b"y" * 256
        assert http_status(ready["http_address"], "/livez") == (200, "ok\n")
        assert http_status(ready["http_address"], "/readyz") == (200, "ok\n")
        metrics = http_status(ready["http_address"], "/metrics")[1]
        assert "goutube_append_records_total 2.0" in metrics
        assert 'method="ProduceStream",service="streaming.v1.Streaming"' in metrics
        status, rest = process.end()
        assert status == 0
        assert '"agent_stopped"' in rest.splitlines()[-1]
        assert "Traceback" not in rest


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_what_was_acknowledged_is_there_after_any_end(tmp_path, number):
    content = os.urandom(300_000)
    with agent(tmp_path / "data") as process:
        with grpc.insecure_channel(process.until("agent_ready")["rpc_address"]) as channel:
            produce(channel, "a", content[:1000], content[1000:200_000], content[200_000:])
        assert process.end(number)[0] == (-number if number == signal.SIGKILL else 0)
    with agent(tmp_path / "data") as process:
        recovered = process.until("store_recovered")
        assert (recovered["streams"], recovered["boot"]) == (1, 2)
        with grpc.insecure_channel(process.until("agent_ready")["rpc_address"]) as channel:
            assert consume(channel, "a") == content


def test_a_log_that_nobody_reads_holds_nothing_up(tmp_path):
    """Standard error is a full pipe: calls are answered, and the agent ends as it is told."""
    with agent(tmp_path / "data", "--log-level", "debug") as process:
        fcntl.fcntl(process.child.stderr, fcntl.F_SETPIPE_SZ, 4096)
        with grpc.insecure_channel(process.until("agent_ready")["rpc_address"]) as channel:
            for _ in range(100):
                with pytest.raises(grpc.RpcError, match="NOT_FOUND"):
                    consume(channel, "no/such/stream")
        process.child.terminate()
        assert process.child.wait(30) == 0


def test_a_lame_duck_serves_on_and_is_not_ready(tmp_path):
    with agent(tmp_path / "data", "--http-port", "0", "--lame-duck-ms", "600000") as process:
        ready = process.until("agent_ready")
        process.child.terminate()
        process.until("agent_draining")
        assert http_status(ready["http_address"], "/readyz")[0] == 503
        assert http_status(ready["http_address"], "/livez")[0] == 200
        with grpc.insecure_channel(ready["rpc_address"]) as channel:
            assert produce(channel, "a", b"still") == [("a", 0)]
        assert process.end()[0] == 1


def test_a_signal_under_load_loses_nothing_that_was_acknowledged(tmp_path):
    acknowledged = []

    def load(channel):
        try:
            for number in range(100_000):
                acknowledged.append(produce(channel, "a", number.to_bytes(8)))
        except grpc.RpcError:
            return

    with agent(tmp_path / "data") as process:
        with grpc.insecure_channel(process.until("agent_ready")["rpc_address"]) as channel:
            writer = threading.Thread(target=load, args=(channel,))
            writer.start()
            while len(acknowledged) < 20:
                writer.join(0.01)
            status, rest = process.end()
            writer.join(30)
        assert status == 0
        assert "Traceback" not in rest
    with agent(tmp_path / "data") as process:
        address = process.until("agent_ready")["rpc_address"]
        with grpc.insecure_channel(address) as channel:
            content = consume(channel, "a")
    kept = [int.from_bytes(content[place : place + 8]) for place in range(0, len(content), 8)]
    assert kept[: len(acknowledged)] == list(range(len(acknowledged)))
    assert len(kept) <= len(acknowledged) + 1


def test_a_data_directory_in_use_is_one_line_and_status_1(tmp_path):
    with agent(tmp_path / "data") as process:
        process.until("agent_ready")
        status, lines = refused(tmp_path / "data")
    assert status == 1
    assert len(lines) == 1
    assert f"in use by another agent (process {process.child.pid})" in lines[0]


def test_ports_in_use_are_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        status, lines = refused(tmp_path / "a", "--rpc-port", port)
        assert status == 1
        assert port in lines[-1]
        assert "rpc_port" in lines[-1]
        status, lines = refused(tmp_path / "b", "--http-port", port)
        assert status == 1
        assert f"http_port = '127.0.0.1:{port}' (from --http-port) cannot be bound" in lines[-1]


def test_a_missing_parent_and_a_file_are_one_line(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    for data_dir in (tmp_path / "none" / "data", tmp_path / "file"):
        status, lines = refused(data_dir)
        assert status == 1
        assert len(lines) == 1
        assert str(data_dir) in lines[0]


def test_another_nodes_directory_is_refused(tmp_path):
    with agent(tmp_path / "data") as process:
        process.until("agent_ready")
        process.end()
    status, lines = refused(tmp_path / "data", "--node-name", "n2")
    assert status == 1
    assert "node_name = 'n1', not 'n2'" in lines[-1]


def test_settings_that_are_wrong_are_one_line_and_status_2(tmp_path):
    status, lines = refused(tmp_path / "data", "--hash-function", "md6", "--zone", "z")
    assert status == 2
    assert len(lines) == 1
    assert "hash_function" in lines[0]
    assert "zone is not built yet" in lines[0]
    assert not (tmp_path / "data").exists()
