"""The n-th allocation in a kernel call fails, for each n: ``MemoryError``, and nothing else happens.

No crash, no leak, no other answer, and the next call is right; a job of the disk threads that was
submitted is heard of. Each allocation of the interpreter counts, and of the kernels' own C.
"""

import inspect
import json
import os
import subprocess
import sys

import pytest

import goutube._native as native
from tests.house.tree import ROOT
from tests.support.kernel_calls import DiskCalls, kernel_calls
from tests.support.preloads import build_preload, why_no_preload

SANITIZED = "asan" in os.environ.get("LD_PRELOAD", "")
MADE_BY_OTHERS = {"EntryHeader", "EntryPick", "EntryScan", "JournalGroup", "JournalRecord", "ReadRun",
                  "AppendRequest", "AppendResponse", "ReadResponse"}  # fmt: skip


def test_every_kernel_is_called(tmp_path):
    """Also the one that is added next."""
    kernels = {name for name in native.__all__ if callable(getattr(native, name))}
    names = [*kernel_calls(str(tmp_path)), *DiskCalls(str(tmp_path)).calls()]
    called = {name.split()[0] for name in names}
    assert kernels - MADE_BY_OTHERS - called == set()
    submits = [n for n, _ in inspect.getmembers(native.DiskThreads) if n.startswith("submit_")]
    assert {f"DiskThreads.{name}" for name in submits} <= called


@pytest.mark.skipif(bool(why_no_preload()), reason=why_no_preload())
@pytest.mark.skipif(SANITIZED, reason="the sanitizer has allocations of its own")
@pytest.mark.slow
@pytest.mark.timeout(200)
def test_the_nth_allocation_fails(tmp_path):
    """In each call; some allocate nothing."""
    library = build_preload("failing_malloc", tmp_path)
    environ = os.environ | {"LD_PRELOAD": str(library), "PYTHONMALLOC": "malloc"}
    ended = subprocess.run(
        [sys.executable, "-m", "tests.support.failing_allocations"],
        env=environ, capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    lines = [json.loads(line) for line in ended.stdout.splitlines()]
    assert (ended.returncode, ended.stderr) == (0, ""), f"behind {lines[-1:]}"
    assert [line for line in lines if line["faults"]] == []
    assert sum(line["failed"] for line in lines) > 200
