"""Log lines cannot be forged by what users send, and metrics read the node when they are asked."""

import fcntl
import io
import json
import logging
import os
import subprocess
import sys

import pytest
import structlog

from goutube.observe import LineWriter, Metrics, Sample, events, get_log, set_up_logs


@pytest.fixture(autouse=True)
def _restore():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:], root.level = handlers, level


def lines_of(write, **options):
    stream = io.StringIO()
    set_up_logs(stream=stream, **options)
    write()
    return stream.getvalue().splitlines()


def test_a_line_is_one_json_object_with_fixed_first_fields():
    (line,) = lines_of(
        lambda: get_log().info(events.AGENT_READY, rpc="127.0.0.1:1", n=3), fields={"node": "n1"}
    )
    found = json.loads(line)
    assert list(found)[:3] == ["ts", "level", "event"]
    assert found["ts"].endswith("Z")
    assert {key: found[key] for key in ("level", "event", "rpc", "n", "node")} == {
        "level": "info",
        "event": "agent_ready",
        "rpc": "127.0.0.1:1",
        "n": 3,
        "node": "n1",
    }


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_user_text_forges_no_line_and_steers_no_terminal(log_format):
    evil = 'x\n{"event": "forged"}\x1b[2J\u2028'
    lines = lines_of(lambda: get_log().warning(events.RPC_FAULT, name=evil), log_format=log_format)
    assert len(lines) == 1
    assert "\x1b[2J" not in lines[0]


def test_long_fields_are_cut():
    (line,) = lines_of(lambda: get_log().info(events.RPC_FAULT, name="a" * 5000))
    assert len(json.loads(line)["name"]) == 1024 + 3


@pytest.fixture
def full_pipe():
    """The ends of a pipe that takes no byte, and how many are in it."""
    read_end, write_end = os.pipe()
    size = fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
    os.write(write_end, bytes(size))
    yield read_end, write_end, size
    os.close(read_end)
    os.close(write_end)


def test_nobody_waits_for_a_pipe_that_is_not_read(full_pipe):
    """Lines beyond what may wait are dropped, and counted in a line once others get through."""
    read_end, write_end, size = full_pipe
    lines = LineWriter(write_end, lines_max=5)
    set_up_logs(stream=lines)
    for number in range(20):
        get_log().info("later", number=number)
    assert not lines.drain(0)
    text = b""
    while b"log_lines_dropped" not in text[size:]:
        text += os.read(read_end, 4096)
    assert lines.drain(30)
    found = [json.loads(line) for line in text[size:].splitlines()]
    through = [line["number"] for line in found if line["event"] == "later"]
    assert through == list(range(len(through)))
    assert len(through) in range(5, 11)  # five that wait, and what the thread has taken before
    assert sum(line.get("count", 0) for line in found) == 20 - len(through)


def test_a_pipe_without_a_reader_is_given_up():
    """The process goes on; its lines go nowhere."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    lines = LineWriter(write_end)
    lines.write("one\n")
    assert lines.drain(30)
    lines.write("two\n")
    assert lines.drain(0)
    os.close(write_end)


def test_levels_below_the_set_one_are_silent():
    assert lines_of(lambda: get_log().info(events.AGENT_READY), level="warning") == []


def test_an_exception_becomes_fields():
    def write():
        try:
            int("no\ngood")
        except ValueError as error:
            get_log().critical(events.NODE_FAILED, exc_info=error)

    (line,) = lines_of(write)
    found = json.loads(line)
    assert found["error"].startswith("ValueError(")
    assert found["traceback"][0]["frames"]


_WITHOUT_RICH = """
import sys
from goutube.observe import events, get_log, set_up_logs
import goutube.agent
set_up_logs(log_format=sys.argv[1], stream=sys.stdout)
try:
    int("no")
except ValueError as error:
    get_log().critical(events.NODE_FAILED, exc_info=error)
print("rich" in sys.modules)
import rich.console
print(rich.console.__name__)
"""


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_an_agent_loads_no_rich(log_format):
    """structlog is kept from it, and writes its lines all the same; who imports it later has it."""
    told = subprocess.check_output([sys.executable, "-c", _WITHOUT_RICH, log_format], text=True)
    line, *rest = told.splitlines()
    assert "node_failed" in line
    assert "invalid literal for int() with base 10" in line
    assert rest == ["False", "rich.console"]


def test_what_libraries_say_takes_the_same_shape():
    (line,) = lines_of(lambda: logging.getLogger("aiohttp").error("bad %s", "thing"))
    assert json.loads(line)["text"] == "bad thing"


def test_metrics_count_rpcs_and_read_samples_when_asked():
    metrics = Metrics("1.2.3")
    appends = 5
    metrics.watch(
        lambda: [
            Sample("goutube_appends", "Appends.", appends, counter=True),
            Sample("goutube_streams", "Streams.", 2),
        ]
    )
    metrics.rpc_began("goutube.v1.StreamService", "Read")
    metrics.rpc_ended("goutube.v1.StreamService", "Read", "OK", 0.25)
    appends = 7
    content, content_type = metrics.render()
    text = content.decode()
    assert content_type.startswith("text/plain")
    for line in (
        'goutube_build_info{version="1.2.3"} 1.0',
        'goutube_rpc_requests_total{code="OK",method="Read",service="goutube.v1.StreamService"} 1.0',
        'goutube_rpc_in_flight{method="Read",service="goutube.v1.StreamService"} 0.0',
        "goutube_appends_total 7.0",
        "goutube_streams 2.0",
    ):
        assert line in text.splitlines()
    assert "process_open_fds" in text
    assert "_ms" not in text


def test_appends_are_counted_in_the_buckets_that_other_histograms_have():
    metrics = Metrics("t")
    for seconds in (0.0, 0.0001, 0.00010001, 0.0002, 5.0, 13.1072, 13.2, 99.0):
        metrics.append_seconds.observe(seconds)
        metrics.loop_lag_seconds.observe(seconds)

    def series(name):
        lines = [
            line for line in metrics.render()[0].decode().splitlines() if line.startswith(name)
        ]
        return [line.removeprefix(name) for line in lines if "_created" not in line]

    ours = series("goutube_append_ack_seconds")
    assert ours == series("goutube_event_loop_lag_seconds")
    assert len(ours) == 21
