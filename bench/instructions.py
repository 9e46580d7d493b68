"""``python -m bench.instructions``: how many instructions the kernels need for one operation.

Unlike seconds, instructions are the same on a busy machine: so this is a gate that can be trusted.
The work of ``bench.kernel_work`` runs under callgrind; counted is what is executed in our own
shared objects, so that the interpreter, libc and their versions do not matter. The compiler does:
what ``instructions.json`` expects was recorded with one; with another the figures are only printed.

A figure more than 5 % above what is expected fails; so does one more than 5 % below, until it is
recorded: the gate would not notice its loss later. ``--record`` writes what was counted.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, TypedDict

from bench.kernel_work import CALLS, WORK

EXPECTED: Final = Path(__file__).with_name("instructions.json")
TOLERANCE: Final = 0.05
_OBJECT: Final = re.compile(r"ob=\((\d+)\)(?: (.*))?")
_COST_LINE: Final = (*"0123456789+-*",)
"""How a line with a place and a cost begins; the place may be relative to the last one."""
_OURS: Final = "/goutube/_native/"


class Counts(TypedDict):
    """What was counted, and what else decides about it.

    Attributes:
        compiler: its name and major version.
        flags: what the interpreter was built with, and so its extensions are.
        path: the implementation of CRC-32C that was chosen.
        instructions: for one operation, by the name of the work.
    """

    compiler: str
    flags: str
    path: str
    instructions: dict[str, float]


def own_instructions(lines: Iterable[str]) -> int:
    """Instructions executed in our own objects, by one of callgrind's files.

    Source: "Callgrind Format Specification", Valgrind documentation.
    """
    names: dict[str, str] = {}
    ours = called = False
    total = 0
    for line in lines:
        if found := _OBJECT.match(line):
            if found[2] is not None:
                names[found[1]] = found[2]
            ours = _OURS in names[found[1]]
        elif line.startswith("cob="):
            number, _, path = line[5:].rstrip().partition(")")
            if path:
                names[number] = path.strip()
        elif line.startswith("calls="):
            called = True  # the next line is the cost of the call: it is counted where it arises
        elif line.startswith(_COST_LINE):
            if ours and not called:
                total += int(line.split()[1])
            called = False
    return total


def count() -> Counts:
    """Run the work and count."""
    environ = {**os.environ, "PYTHONHASHSEED": "0"}
    with tempfile.TemporaryDirectory() as folder:
        parts = f"{folder}/part"
        words = ["--tool=callgrind", f"--callgrind-out-file={parts}", "--dump-before=getpriority"]
        done = subprocess.run(
            ["valgrind", "--quiet", *words, sys.executable, "-m", "bench.kernel_work"],
            check=True, stdout=subprocess.PIPE, text=True, env=environ,
        )  # fmt: skip
        # Part 1 is what came before the first mark.
        counted = {}
        for number, (name, (operations, _)) in enumerate(WORK.items(), 2):
            with Path(f"{parts}.{number}").open(encoding="utf-8") as file:
                counted[name] = round(own_instructions(file) / (CALLS * operations), 1)
    flags = str(sysconfig.get_config_var("CFLAGS"))
    return Counts(compiler=_compiler(), flags=flags, path=done.stdout.strip(), instructions=counted)


def _compiler() -> str:
    version = subprocess.run(
        [os.environ.get("CC", "gcc"), "-dumpversion"], check=True, capture_output=True, text=True
    ).stdout
    return f"{os.environ.get('CC', 'gcc')} {version.split('.')[0].strip()}"


def compare(expected: Mapping[str, float], counted: Mapping[str, float]) -> dict[str, str]:
    """What is wrong, by name; empty where all is as expected."""
    wrong = {}
    for name in expected.keys() | counted.keys():
        if name not in counted:
            wrong[name] = "is expected, and was not counted"
        elif name not in expected:
            wrong[name] = "was counted, and nothing is expected of it"
        elif counted[name] > expected[name] * (1 + TOLERANCE):
            wrong[name] = "needs more"
        elif counted[name] < expected[name] * (1 - TOLERANCE):
            wrong[name] = "needs less: record it"
    return wrong


def judge(expected: Counts, counted: Counts) -> int:
    """Print a table of both; 1 where something is wrong."""
    wrong = compare(expected["instructions"], counted["instructions"])
    for name, figure in counted["instructions"].items():
        told = expected["instructions"].get(name, 0.0)
        print(f"{name:32} {figure:14,.1f} {told:14,.1f}  {wrong.get(name, '')}")
    ours, theirs = (
        {key: told[key] for key in ("compiler", "flags", "path")} for told in (counted, expected)
    )
    if ours != theirs:
        print(f"counted with {ours}, recorded with {theirs}: not judged")
        return 0
    if wrong:
        print("a kernel has changed; if that is meant: python -m bench.instructions --record")
    return 1 if wrong else 0


def main() -> int:
    """Count, then compare or record."""
    parser = argparse.ArgumentParser(prog="python -m bench.instructions")
    parser.add_argument("--record", action="store_true", help="expect what is counted now")
    wanted = parser.parse_args()
    counted = count()
    if wanted.record:
        EXPECTED.write_text(json.dumps(counted, indent=1) + "\n", encoding="utf-8")
        return 0
    return judge(json.loads(EXPECTED.read_text(encoding="utf-8")), counted)


if __name__ == "__main__":
    sys.exit(main())
