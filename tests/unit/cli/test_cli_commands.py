"""What the commands for a server do with a client: bytes through, JSON keys, statuses."""

import base64
import json
from contextlib import ExitStack

import pytest

from goutube.cli import main, session
from goutube.errors import StreamExistsError, StreamNotFoundError, UnavailableError
from goutube.model import AppendResult, Record, StreamId, StreamInfo, StreamProperties


class Memory:
    """A client over a dictionary, with the part of the real one's surface that commands use."""

    def __init__(self):
        self.streams = {}
        self.sealed = set()
        self.asked = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def append(self, stream, *, records, seal, timeout_s):
        there = self.streams.setdefault(stream, [])
        first = sum(map(len, there))
        there.extend(records)
        if seal:
            self.sealed.add(stream)
        return AppendResult(first, sum(map(len, there)), StreamId(1))

    def create(self, stream, *, content_type="", metadata=None, **_retention):
        if stream in self.streams:
            raise StreamExistsError(f"{stream} is there")
        self.streams[stream] = []
        return self.stat(stream)

    def stat(self, stream):
        if stream not in self.streams:
            raise StreamNotFoundError(f"there is no stream {stream!r}")
        end = sum(map(len, self.streams[stream]))
        count = len(self.streams[stream])
        sealed = stream in self.sealed
        properties = StreamProperties("text/plain", {"k": "v"})
        return StreamInfo(stream, StreamId(1), 0, end, count, sealed, 0, 1500, properties)

    def list(self, prefix):
        return [self.stat(name) for name in sorted(self.streams) if name.startswith(prefix)]

    def seal(self, stream):
        self.sealed.add(stream)
        return self.stat(stream)

    def trim(self, stream, before):
        self.asked = before
        return self.stat(stream)

    def delete(self, stream):
        self.stat(stream)
        del self.streams[stream]

    def read(self, stream, **asked):
        self.asked = asked
        self.stat(stream)
        yield from self.streams[stream]

    def records(self, stream, **asked):
        self.asked = asked
        offset = 0
        for value in self.streams[stream]:
            yield Record(offset, 5, value)
            offset += len(value)


@pytest.fixture
def client(monkeypatch):
    memory = Memory()
    monkeypatch.setattr(session, "connect", lambda *_, **__: memory)
    return memory


@pytest.fixture
def typed(monkeypatch, tmp_path):
    """Make bytes the standard input."""

    def stdin(data):
        path = tmp_path / "stdin"
        path.write_bytes(data)
        monkeypatch.setattr("sys.stdin", opened.enter_context(path.open()))

    with ExitStack() as opened:
        yield stdin


@pytest.mark.parametrize(
    ("options", "records"),
    [
        (["--records", "lines"], [b"one\n", b"\n", b"two"]),
        (["--records", "whole"], [b"one\n\ntwo"]),
        (["--chunk-size", "3"], [b"one", b"\n\nt", b"wo"]),
        ([], [b"one\n\ntwo"]),
    ],
)
def test_produce_cuts_its_input_into_records(client, typed, options, records):
    typed(b"one\n\ntwo")
    assert main(["produce", "a", "-", *options]) == 0
    assert client.streams["a"] == records


def test_produce_tells_where_the_bytes_lie(client, typed, capsys):
    client.streams["a"] = [b"12345"]
    typed(b"x\ny\n")
    assert main(["produce", "a", "--records", "lines", "--seal", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "stream": "a",
        "offset": 5,
        "next_offset": 9,
        "bytes": 4,
        "records": 2,
        "sealed": True,
    }
    assert client.sealed == {"a"}


def test_produce_of_nothing_makes_the_stream_and_keeps_one_that_is_there(client, typed, capsys):
    client.streams["old"] = [b"123"]
    for stream, end in (("new", 0), ("old", 3)):
        typed(b"")
        assert main(["produce", stream, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["next_offset"] == end


@pytest.mark.parametrize("records", ["lines", "whole"])
def test_a_record_over_the_limit_is_refused_by_name(client, typed, capsys, records):
    typed(b"x" * ((16 << 20) + 1))
    assert main(["produce", "a", "--records", records]) == 1
    assert "16777216" in capsys.readouterr().err


def test_consume_writes_the_bytes_alone(client, capfdbinary):
    client.streams["a"] = [b"\x00\xff", b"b\n"]
    assert main(["consume", "a"]) == 0
    assert capfdbinary.readouterr() == (b"\x00\xffb\n", b"")


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ([], {"offset": "earliest"}),
        (["--offset", "1KiB", "--limit", "2KiB"], {"offset": 1024, "limit": 2048}),
        (["--offset", "-5"], {"last_bytes": 5}),
        (["--offset", "latest", "--follow"], {"offset": "latest", "follow": True}),
        (["--offset", "@5"], {"timestamp_ms": 5000}),
        (["--tail", "3"], {"last_records": 3}),
    ],
)
def test_consume_asks_for_what_was_typed(client, options, asked):
    client.streams["a"] = []
    assert main(["consume", "a", *options]) == 0
    assert client.asked == {"limit": None, "follow": False, "timeout_s": 30.0, **asked}


def test_consume_as_json_gives_a_line_for_each_record(client, capsys):
    client.streams["a"] = [b"\xff", b"two"]
    assert main(["consume", "a", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [base64.b64decode(line["value"]) for line in lines] == [b"\xff", b"two"]
    assert [(line["offset"], line["timestamp_ms"]) for line in lines] == [(0, 5), (1, 5)]


def test_an_unknown_stream_leaves_the_output_file_as_it_was(client, tmp_path, capsys):
    target = tmp_path / "out"
    target.write_bytes(b"precious")
    assert main(["consume", "nope", "-o", str(target)]) == 1
    assert target.read_bytes() == b"precious"
    assert capsys.readouterr().err == "goutube: there is no stream 'nope'\n"
    client.streams["a"] = [b"1", b"2"]
    assert main(["consume", "a", "-o", str(target)]) == 0
    assert target.read_bytes() == b"12"


def test_stat_as_json_has_the_keys_that_scripts_rely_on(client, capsys):
    client.streams["a"] = [b"123"]
    assert main(["streams", "stat", "a", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    wanted = {"name": "a", "start_offset": 0, "end_offset": 3, "sealed": False}
    assert wanted.items() <= printed.items()
    assert main(["streams", "stat", "a"]) == 0
    assert "end_offset:" in capsys.readouterr().out


def test_ls_prints_names_by_prefix(client, capsys):
    client.streams |= {"a/1": [b"x"], "a/2": [], "b": []}
    assert main(["streams", "ls", "a/"]) == 0
    assert capsys.readouterr().out == "a/1\t0\t1\tno\na/2\t0\t0\tno\n"
    assert main(["streams", "ls", "--json"]) == 0
    assert [info["name"] for info in json.loads(capsys.readouterr().out)] == ["a/1", "a/2", "b"]


def test_streams_are_made_sealed_trimmed_and_removed(client, capsys):
    for words in (["create", "a"], ["seal", "a"], ["trim", "a", "--before", "1KiB"], ["rm", "a"]):
        assert main(["streams", *words]) == 0
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("goutube: a: ")
    assert (client.sealed, client.asked, client.streams) == ({"a"}, 1024, {})
    assert main(["streams", "rm", "a"]) == 1


def test_an_error_of_several_lines_is_told_in_one(monkeypatch, capsys):
    def refuse(*_, **__):
        raise UnavailableError("nobody\n  answers")

    monkeypatch.setattr(session, "connect", refuse)
    assert main(["streams", "ls"]) == 1
    assert capsys.readouterr().err == "goutube: nobody answers\n"


@pytest.mark.parametrize(("failure", "status"), [(KeyboardInterrupt, 130), (BrokenPipeError, 141)])
def test_an_interrupted_command_ends_quietly(monkeypatch, capfd, failure, status):
    def fail(*_, **__):
        raise failure

    monkeypatch.setattr(session, "connect", fail)
    monkeypatch.setattr("goutube.cli.root.drop_stdout", lambda: None)
    assert main(["streams", "ls"]) == status
    assert capfd.readouterr() == ("", "")


def test_a_fault_of_ours_is_no_traceback(monkeypatch, capsys):
    def fail(*_, **__):
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(session, "connect", fail)
    assert main(["streams", "ls"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
