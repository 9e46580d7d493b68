"""Run in a process of its own: each kernel call with its n-th allocation failing, for n = 1, 2, ...

Needs ``failing_malloc.c`` before the C library, and PYTHONMALLOC=malloc. Prints a line of JSON for
each call: its name, how many allocations were made to fail, and what was wrong.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import json
import sys
import tempfile

import goutube._native as native
from tests.support.kernel_calls import Call, DiskCalls, kernel_calls

_LIBRARY = ctypes.PyDLL(None)
_ARM, _DISARM, _LIVE = (
    _LIBRARY.fail_allocation,
    _LIBRARY.fail_no_allocation,
    _LIBRARY.allocations_live,
)
_ARM.argtypes, _ARM.restype = [ctypes.c_long, ctypes.c_int], None
_LIVE.restype = ctypes.c_long
REPEATS = 40
"""How often a failing call is repeated to see whether something leaks each time."""
ALLOCATIONS_MAX = 2000


_PLAIN = (bool, int, str, bytes, bytearray, type(None), type)


def _comparable(value: object) -> object:
    """A kernel's answer as values that compare.

    A reading that finds no memory outside of the interpreter says so as an error of the disk.
    """
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, tuple | list):
        parts = [_comparable(part) for part in value]
        return MemoryError if MemoryError in parts else parts
    if isinstance(value, native.ReadRun) and value.error_number == errno.ENOMEM:
        return MemoryError
    names = [name for name in dir(value) if name[0] != "_"]
    return [_comparable(getattr(value, name)) for name in names]


def attempt(call: Call, number: int, *, others: bool = False) -> tuple[bool, object]:
    """Call with an allocation failing: whether one did, and the outcome."""
    outcome: object
    _ARM(number, others)
    try:
        outcome = call()
    except MemoryError:
        outcome = MemoryError
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is told
        outcome = f"raised {type(error).__name__}"
    return bool(_DISARM()), _comparable(outcome)


def check(name: str, call: Call, disk: DiskCalls, *, others: bool = False) -> dict[str, object]:
    """Try one call with every of its allocations failing."""
    expected, faults, number = _comparable(call()), [], 0
    while number < ALLOCATIONS_MAX:
        number += 1
        fired, outcome = attempt(call, number, others=others)
        if disk.pending:  # the job was submitted, and its end could not be told at once
            disk.collect()
        if outcome is not MemoryError and outcome != expected:
            faults.append(f"{number}: {outcome!r:.200}")
        if not fired:
            break
        if (again := _comparable(call())) != expected:
            faults.append(f"{number}: afterwards {again!r:.200}")
        if _leaks(call, number, disk, others=others):
            faults.append(f"{number}: leaks")
    return {"call": name, "others": others, "failed": number - 1, "faults": faults}


def _leaks(call: Call, number: int, disk: DiskCalls, *, others: bool) -> bool:
    """Whether more is allocated each time that the call fails there."""
    before = 0
    for repeat in range(2 * REPEATS):
        if repeat == REPEATS:
            gc.collect()
            before = _LIVE()
        attempt(call, number, others=others)
        if disk.pending:
            disk.collect()
    gc.collect()
    return _LIVE() - before >= REPEATS


def main() -> None:
    """Try them all, or those whose name begins with an argument."""
    with tempfile.TemporaryDirectory() as folder:
        disk = DiskCalls(folder)
        calls = kernel_calls(folder) | disk.calls()
        wanted = tuple(sys.argv[1:]) or ("",)
        for name, call in calls.items():
            if name.startswith(wanted):
                print(json.dumps(check(name, call, disk)), flush=True)
        if "DiskThreads.submit_read".startswith(wanted):
            call = calls["DiskThreads.submit_read"]
            print(json.dumps(check("DiskThreads.submit_read", call, disk, others=True)), flush=True)


if __name__ == "__main__":
    main()
