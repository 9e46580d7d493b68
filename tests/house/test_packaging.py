"""The package: versions agree, importing is light, archives hold what they should."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.house.archives import KERNELS, directory_faults, sdist_faults, wheel_faults
from tests.house.tree import ROOT, copy_tree, files

_HEAVY = (
    "aiohttp",
    "asyncio",
    "click",
    "grpc",
    "google.protobuf",
    "numpy",
    "pydantic",
    "rich",
    "uvloop",
)


def version_faults(root: Path) -> list[str]:
    """Whether the changelog's top entry is the version in pyproject.toml."""
    declared = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    top = re.search(r"^## \[([^\]]+)\]", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    if top is None or top.group(1) != declared:
        return [f"CHANGELOG.md begins with {top and top.group(1)}, pyproject.toml says {declared}"]
    return []


def test_the_version_is_one():
    """pyproject.toml, the changelog and the installed package name the same version."""
    assert version_faults(ROOT) == []
    assert (
        version("goutube")
        == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    )


def test_a_stale_changelog_is_noticed(tmp_path):
    """A version that the changelog does not know is a fault."""
    root = copy_tree(tmp_path, "pyproject.toml", "CHANGELOG.md")
    path = root / "pyproject.toml"
    path.write_text(re.sub(r'(?m)^version = ".*"', 'version = "99.0.0"', path.read_text()))
    assert version_faults(root)


def test_importing_is_light():
    """import goutube loads none of what a server or a client needs."""
    program = f"import sys, goutube; print([m for m in {_HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def _whole_wheel() -> list[str]:
    names = [
        str(p.relative_to(ROOT)) for p in files(ROOT, "goutube", ".py", ".pyi", ".proto", ".typed")
    ]
    names += [f"goutube/_native/{kernel}.cpython-311-x86_64-linux-gnu.so" for kernel in KERNELS]
    return [*names, "goutube-0.1.0.dist-info/licenses/LICENSE"]


def test_a_bad_wheel_is_noticed():
    """A missing module, a missing kernel and a stray source are found; a whole wheel has no fault."""
    names = _whole_wheel()
    assert wheel_faults(names) == []
    assert len(wheel_faults(names[1:])) == 1
    assert len(wheel_faults(name for name in names if "/framing.c" not in name)) == 1
    assert len(wheel_faults([*names, "goutube/_native/framing.pyx"])) == 1
    assert len(wheel_faults([*names, "tests/conftest.py"])) == 1


def test_a_bad_source_archive_is_noticed():
    """An archive without sources lacks them all, and generated C is refused."""
    faults = sdist_faults(["goutube-0.1.0/csrc/framing.c"])
    assert "csrc/framing.c does not belong in a source archive" in faults
    assert "setup.py is missing" in faults


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_archives_are_right(tmp_path):
    """The source archive builds on its own, and both archives hold what they should."""
    build = [sys.executable, "-m", "build", "--outdir", str(tmp_path), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert directory_faults(tmp_path) == []
