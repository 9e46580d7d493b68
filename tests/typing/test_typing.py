"""The public client's types: mypy finds in ``public_names`` nothing but what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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


def test_every_public_name_is_among_them():
    """A name that is added to the front door is added here too."""
    text = (HERE / "public_names.py").read_text()
    assert [name for name in goutube.__all__ if f"goutube.{name}" not in text] == []
