"""Every fuzzer for a while, on kernels that tell libFuzzer which of their branches an input took.

They are built by clang with its sanitizers into ``build/fuzz``; the kernels in place stay as they are.
``GOUTUBE_FUZZ_SECONDS`` is how long each fuzzer runs, 10 by default.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import site
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.golden import FOLDER, load

ROOT = Path(__file__).parents[2]
FUZZERS = sorted(path.stem for path in Path(__file__).parent.glob("fuzz_*.py"))

SEEDS = {"fuzz_index": ".idx", "fuzz_checkpoint": "/checkpoint-"}
"""What is in the paths of the real files that a fuzzer begins with."""

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def package() -> Path:
    """A copy of the package with its kernels instrumented; only what changed is made anew."""
    pytest.importorskip("atheris")
    if shutil.which("clang") is None:
        pytest.skip("fuzzing needs clang (Debian: apt-get install clang)")
    folders = ["--build-base=build/fuzz", "--build-lib=build/fuzz/lib"]
    (ROOT / "build").mkdir(exist_ok=True)
    with (ROOT / "build" / "fuzz.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several processes of pytest the first one makes it
        subprocess.run(
            [sys.executable, "setup.py", "-q", "build", *folders],
            cwd=ROOT,
            env=os.environ | {"GOUTUBE_BUILD": "fuzz", "CC": "clang"},
            check=True,
            capture_output=True,
        )
    return ROOT / "build" / "fuzz" / "lib"


def _run(arguments: list[str], package: Path) -> subprocess.CompletedProcess[str]:
    """Python with libFuzzer and the sanitizers before everything else; the first finding ends it."""
    runtime = Path(site.getsitepackages()[0]) / "asan_with_fuzzer.so"  # atheris brings it
    environment = {
        "LD_PRELOAD": str(runtime),
        "PYTHONPATH": f"{package}:{ROOT}",
        "PYTHONMALLOC": "malloc",  # its own allocator would hide what runs past a buffer
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    }
    return subprocess.run(
        [sys.executable, "-P", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        check=False,
        capture_output=True,
        text=True,
    )


def _seeds(folder: Path, part: str) -> list[str]:
    """A folder of files of one kind, as releases have written them; nothing where none is named."""
    if not part:
        return []
    folder.mkdir()
    for archive in sorted(FOLDER.glob("*.zip")):
        disk, _ = load(archive.stem)
        for path in (path for path in disk.names if part in path):
            name = f"{archive.stem}-{path.replace('/', '-')}"
            (folder / name).write_bytes(bytes(disk.names[path].cached))
    assert any(folder.iterdir())
    return [str(folder)]


@pytest.mark.parametrize("name", FUZZERS)
def test_fuzzer(name, package, tmp_path):
    """No input that a fuzzer finds in its time breaks a kernel or divides it from its twin."""
    seconds = os.environ.get("GOUTUBE_FUZZ_SECONDS", "10")
    options = [f"-max_total_time={seconds}", f"-artifact_prefix={tmp_path}/", "-timeout=20"]
    seeds = _seeds(tmp_path / "seeds", SEEDS.get(name, ""))
    run = _run(["-m", f"tests.fuzz.{name}", *options, *seeds], package)
    assert run.returncode == 0, run.stderr[-6000:]
    assert "inline 8-bit counters" in run.stderr or "Instrumenting goutube." in run.stderr
    assert "Done" in run.stderr


def test_an_overrun_is_noticed(package):
    """A read one byte past a buffer ends the process with a report: the sanitizer is there."""
    code = (
        "import ctypes\n"
        "from goutube import _native\n"
        f"assert _native.__file__.startswith({str(package)!r})\n"
        "memory = ctypes.CDLL(None).malloc\n"
        "memory.restype = ctypes.c_void_p\n"
        "buffer = (ctypes.c_char * 101).from_address(memory(100))\n"
        "_native.crc32c(buffer)\n"
    )
    run = _run(["-c", code], package)
    assert run.returncode != 0
    assert "heap-buffer-overflow" in run.stderr
