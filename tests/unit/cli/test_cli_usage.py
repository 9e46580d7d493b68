"""Wrong usage, settings and help: exit statuses and the one line that tells what is wrong."""

import json

import pytest

from goutube.cli import main
from goutube.config import FIELDS


def _line(capsys):
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("goutube: ")
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["consme"], "consme"),
        (["consume"], "STREAM"),
        (["consume", "a", "--ofset", "1"], "--ofset"),
        (["consume", "a", "--offset", "noon"], "'noon'"),
        (["consume", "a", "--limit", "1KB"], "'1KB'"),
        (["consume", "a", "--offset", "9", "--limit", "3"], "--limit 3"),
        (["consume", "a", "--offset", "9", "--tail", "3"], "--tail"),
        (["consume", "a", "--json", "-o", "b"], "--json"),
        (["consume", "a", "--server", "localhost"], "'localhost'"),
        (["consume", "a", "--server", "localhost:0"], "'localhost:0'"),
        (["consume", "a", "--server", " , "], "HOST:PORT"),
        (["consume", "a", "--timeout", "0"], "--timeout"),
        (["produce", "", "f"], "is empty"),
        (["produce", "/abs", "f"], "'/abs'"),
        (["produce", "a/../b", "f"], "'..'"),
        (["produce", "a\x01", "f"], "control character"),
        (["produce", "n" * 256, "f"], "255"),
        (["produce", "a", "f", "--records", "words"], "'words'"),
        (["produce", "a", "f", "--chunk-size", "0"], "--chunk-size"),
        (["produce", "a", "f", "--chunk-size", "17MiB"], "16777216"),
        (["bench", "produce", "--size", "0"], "16777216"),
        (["bench", "produce", "--size", "17MiB"], "16777216"),
        (["bench", "produce", "--records", "0"], "--records"),
        (["bench", "consume", "a", "--by", "chunks", "--records", "5"], "--records"),
        (["bench", "latency", "--rate", "5", "--clients", "2"], "--clients"),
        (["bench", "latency", "--seconds", "0"], "--seconds"),
        (["streams", "trim", "a"], "--before"),
        (["streams", "create", "a", "--metadata", "x"], "'x'"),
        (["agent", "--json"], "--check"),
        (["agent", "--check", "--hash-function", "sha1"], "sha1"),
        (["agent", "--check", "--config", "/nonexistent.toml"], "/nonexistent.toml"),
    ],
)
def test_wrong_usage_ends_with_2_and_one_line_that_names_it(capsys, arguments, named):
    assert main(arguments) == 2
    assert named in _line(capsys)


def test_a_failure_ends_with_1_and_one_line_that_names_it(capsys, tmp_path):
    missing = tmp_path / "missing"
    assert main(["log", "verify", str(missing)]) == 1
    assert str(missing) in _line(capsys)
    assert not missing.exists()
    assert main(["log", "inspect", str(tmp_path)]) == 1
    assert "no data directory" in _line(capsys)
    assert main(["produce", "a", str(missing)]) == 1
    assert str(missing) in _line(capsys)


@pytest.mark.parametrize(
    "command",
    [
        "agent",
        "produce",
        "consume",
        "streams ls",
        "streams stat",
        "streams create",
        "streams seal",
        "streams trim",
        "streams rm",
        "cluster status",
        "cluster members",
        "cluster ring",
        "cluster locate",
        "log inspect",
        "log verify",
        "log repair",
    ],
)
def test_the_help_of_each_command_shows_what_to_type(capsys, command):
    assert main([*command.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert f"  goutube {command}" in text.partition("Examples:")[2]
    assert command == "agent" or "--json" in text


def test_no_command_shows_help_as_wrong_usage(capsys):
    assert main([]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "consume" in captured.err


def test_check_prints_every_setting_with_its_source(capsys, tmp_path, monkeypatch):
    file = tmp_path / "goutube.toml"
    file.write_text('virtual_node_count = 7\nnode_name = "from-file"\nmax_chunk_size = 1000\n')
    monkeypatch.setenv("GOUTUBE_NODE_NAME", "from-env")
    monkeypatch.setenv("GOUTUBE_MAX_CHUNK_SIZE", "2000")
    arguments = ["agent", "--check", "--config", str(file), "--max-chunk-size", "3000"]
    assert main([*arguments, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert list(printed) == [field.name for field in FIELDS]
    assert printed["virtual_node_count"] == {"value": "7", "source": str(file)}
    assert printed["node_name"] == {"value": "from-env", "source": "GOUTUBE_NODE_NAME"}
    assert printed["max_chunk_size"] == {"value": "3000", "source": "--max-chunk-size"}
    assert printed["hash_function"] == {"value": "xxh64", "source": "default"}
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "max_chunk_size\t3000\t--max-chunk-size" in lines


def test_a_switch_takes_no_value_or_one(capsys):
    for flag, value in (("--insecure", "true"), ("--insecure=false", "false")):
        assert main(["agent", "--check", "--json", flag]) == 0
        assert json.loads(capsys.readouterr().out)["insecure"]["value"] == value


@pytest.mark.parametrize("flag", [a for f in FIELDS for a in (f.flag, *f.aliases)])
def test_every_flag_of_the_agent_is_known(capsys, flag):
    assert main(["agent", flag, "--check", "--nonsense"]) == 2
    assert "--nonsense" in capsys.readouterr().err
