"""The public client's types: mypy finds in ``public_names`` nothing but what it says."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import goutube

HERE = Path(__file__).parent


def mypy(*paths: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--warn-unused-ignores", *map(str, paths)],
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )


def test_types_are_what_the_file_says():
    """Every public name has its type, and every marked mistake is one."""
    done = mypy(HERE / "public_names.py", HERE / "mistakes.py")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_expectation_would_be_noticed(tmp_path):
    """The check can fail."""
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "import goutube\nfrom typing import assert_type\n"
        "assert_type(goutube.connect().stat('s').end_offset, str)\n"
    )
    done = mypy(wrong)
    assert done.returncode == 1
    assert "assert-type" in done.stdout


def pyright(place: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Check a program strictly, with the package as if it were installed in an environment."""
    environment = place / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (packages,) = environment.glob("lib/*/site-packages")
    shutil.copytree(Path(goutube.__file__).parent, packages / "goutube")
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    (place / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict"}')
    (place / "program.py").write_text(program)
    return subprocess.run(
        [sys.executable, "-m", "pyright", "--pythonpath", environment / "bin/python", "program.py"],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_pyright_agrees(tmp_path):
    """The same file is clean to the other type checker, and a wrong expectation is not."""
    pytest.importorskip("pyright", reason="it is in the dependency group lint")
    program = (HERE / "public_names.py").read_text()
    done = pyright(tmp_path, program)
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "wrong").mkdir()
    done = pyright(tmp_path / "wrong", f"{program}\nassert_type(goutube.connect(), str)\n")
    assert done.returncode == 1
    assert done.stdout.count("error:") == 1, done.stdout


def test_every_public_name_is_among_them():
    """A name that is added to the front door is added here too."""
    text = (HERE / "public_names.py").read_text()
    assert [name for name in goutube.__all__ if f"goutube.{name}" not in text] == []
