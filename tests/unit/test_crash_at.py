"""Where a process is to end: what the variable may say, and what the real disk does there."""

import signal
import subprocess
import sys

import pytest

from goutube.config import load
from goutube.crash_points import CRASH_VARIABLE, CrashAt, CrashPoint
from goutube.errors import ConfigError
from goutube.runtime import OsDisk

_PROGRAM = """
import sys
from pathlib import Path
from goutube.crash_points import CrashAt, CrashPoint
from goutube.runtime import OsDisk
disk = OsDisk(Path(sys.argv[1]), crash_at=CrashAt(CrashPoint.BOOT_SYNCED, 3))
for number in range(4):
    print(number, flush=True)
    disk.reached(CrashPoint.BOOT_RENAMED)
    disk.reached(CrashPoint.BOOT_SYNCED)
"""


def test_what_the_variable_says():
    """A name, and how often."""
    assert CrashAt.parse("boot-synced") == (CrashPoint.BOOT_SYNCED, 1)
    assert CrashAt.parse("boot-synced:12") == (CrashPoint.BOOT_SYNCED, 12)


@pytest.mark.parametrize(
    "text", ["boot", "BOOT_SYNCED", "boot-synced:", "boot-synced:0", ":1", "lock-held:x"]
)
def test_anything_else_is_refused(text):
    """And the message shows it."""
    with pytest.raises(ConfigError, match=CRASH_VARIABLE) as refused:
        load({}, None, {CRASH_VARIABLE: text})
    assert repr(text) in refused.value.message


def test_an_agent_that_is_to_end_somewhere_warns():
    """One that is not has nothing to say of it."""
    loaded = load({}, None, {CRASH_VARIABLE: "drained:2"})
    assert loaded.crash_at == (CrashPoint.DRAINED, 2)
    assert any(CRASH_VARIABLE in warning for warning in loaded.warnings)
    assert load({}, None, {}).crash_at is None
    assert not any(CRASH_VARIABLE in warning for warning in load({}, None, {}).warnings)


def test_the_real_disk_kills_its_process_the_nth_time(tmp_path):
    """By SIGKILL, and not before."""
    command = [sys.executable, "-c", _PROGRAM, str(tmp_path / "data")]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (-signal.SIGKILL, "0\n1\n2\n")


def test_without_being_asked_nothing_happens(tmp_path):
    """Every place is passed."""
    disk = OsDisk(tmp_path / "data")
    for point in CrashPoint:
        disk.reached(point)
    disk.close()
