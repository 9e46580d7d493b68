"""Imports point down: the contracts of pyproject.toml hold, and each would notice a breach."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.tree import ROOT, copy_tree, files

_LINT = "from importlinter.cli import lint_imports_command as lint; lint()"


def lint(root: Path, *contracts: str) -> subprocess.CompletedProcess[str]:
    """Run the contracts (all, or those named) over the package of a tree."""
    chosen = [word for contract in contracts for word in ("--contract", contract)]
    return subprocess.run(
        [sys.executable, "-c", _LINT, "--config", "pyproject.toml", "--no-cache", *chosen],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )


def kernel_imports(root: Path) -> list[str]:
    """Lines of csrc that import Goutube: kernels stand below everything."""
    return [
        f"{path.relative_to(root)}:{number}: {line.strip()}"
        for path in files(root, "csrc", ".pyx", ".pxd")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if line.split("#")[0].split()[:1] in (["from"], ["import"], ["cimport"])
        and "goutube" in line.split("#")[0]
    ]


def test_every_contract_is_kept():
    """The tree as it is breaks no contract."""
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("contract", "path", "line"),
    [
        ("floors", "goutube/storage/store.py", "import goutube.node"),
        ("floors", "goutube/ring/hashes.py", "import goutube.storage"),
        ("floors", "goutube/routing/session.py", "import goutube.membership"),
        ("core", "goutube/node/commands.py", "import time"),
        ("core", "goutube/membership/packet.py", "import random"),
        ("core", "goutube/storage/store.py", "import socket"),
        ("words", "goutube/model.py", "import numpy"),
        ("kernels", "goutube/config/schema.py", "import goutube._native"),
        ("wire", "goutube/node/commands.py", "import goutube.api"),
        ("client", "goutube/server/__init__.py", "import goutube.client"),
        ("loop", "goutube/server/__init__.py", "import uvloop"),
    ],
)
def test_one_bad_import_is_noticed(tmp_path, contract, path, line):
    """A copy of the tree with this one import more fails the contract that forbids it."""
    root = copy_tree(tmp_path, "goutube", "pyproject.toml")
    broken = root / path
    broken.write_text(f"{broken.read_text()}\n{line}\n")
    done = lint(root, contract)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout


def test_a_room_on_no_floor_is_noticed(tmp_path):
    """A new package must be placed on a floor before it lands."""
    root = copy_tree(tmp_path, "goutube", "pyproject.toml")
    (root / "goutube" / "attic").mkdir()
    (root / "goutube" / "attic" / "__init__.py").write_text("")
    done = lint(root, "floors")
    assert done.returncode == 1
    assert "attic" in done.stdout + done.stderr


def test_kernels_import_nothing_of_ours(tmp_path):
    """csrc knows no class of Goutube, and the checker sees one that does."""
    assert kernel_imports(ROOT) == []
    (tmp_path / "csrc").mkdir()
    (tmp_path / "csrc" / "bad.pyx").write_text("from goutube.errors import GoutubeError\n")
    assert len(kernel_imports(tmp_path)) == 1
