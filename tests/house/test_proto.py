"""The wire contract: generated code is what the protos say, and the protos are well formed."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

from tests.house import proto
from tests.house.tree import ROOT

BUF = Path(sys.executable).with_name("buf")


def test_the_generated_code_is_what_the_protos_say(tmp_path):
    """Generating anew gives, byte for byte, the files that are checked in, and no others."""
    paths = proto.generate(tmp_path)
    checked_in = {path.relative_to(proto.PROTOS) for path in proto.PROTOS.rglob("*_pb2*.py*")}
    assert {path for path in checked_in if "__pycache__" not in path.parts} == set(paths)
    for path in paths:
        assert (proto.PROTOS / path).read_text() == (tmp_path / path).read_text(), path


def test_the_runtime_is_not_older_than_the_generator():
    """Generated code refuses an older protobuf; the dependency's floor is what wrote the code."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    floors = dict(
        match.groups()
        for line in project["project"]["dependencies"]
        if (match := re.fullmatch(r"([\w-]+)>=([\d.]+)", line))
    )
    written_by = set()
    for path in proto.PROTOS.rglob("*_pb2.py"):
        written_by |= set(re.findall(r"Protobuf Python Version: ([\d.]+)", path.read_text()))
    assert written_by == {floors["protobuf"]}
    assert floors["grpcio"] == version("grpcio-tools")
    assert f"grpcio-tools=={version('grpcio-tools')}" in project["dependency-groups"]["proto"]


def buf_lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run buf's linter in a folder that has a buf.yaml."""
    return subprocess.run([BUF, "lint"], cwd=folder, capture_output=True, text=True, check=False)


def test_buf_finds_nothing():
    """The protos keep the rules of buf.yaml."""
    done = buf_lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_buf_finds_a_field_without_a_comment(tmp_path):
    """One undocumented field is noticed."""
    folder = tmp_path / "goutube" / "api" / "proto" / "goutube" / "v1"
    folder.mkdir(parents=True)
    (tmp_path / "buf.yaml").write_text((ROOT / "buf.yaml").read_text())
    source = (proto.PROTOS / "goutube" / "v1" / "cluster.proto").read_text()
    (folder / "cluster.proto").write_text(source.replace("  // Its name.\n", ""))
    done = buf_lint(tmp_path)
    assert done.returncode != 0
    assert 'Field "name" should have a non-empty comment' in done.stdout
