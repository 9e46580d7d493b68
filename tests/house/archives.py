"""What a source archive and a wheel may hold: ``python -m tests.house.archives DIRECTORY``.

The wheel carries what runs; the source archive what builds and tests, without generated C.
"""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from tests.house.tree import ROOT, files

KERNELS = ("checksum", "disk", "framing", "hashing", "journal", "wire")

_SDIST_FILES = (
    "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "MANIFEST.in", "Makefile", "README.md", "buf.yaml",
    "dev", "pyproject.toml", "setup.py",
)  # fmt: skip
_SDIST_FOLDERS = {
    "csrc": (".pyx", ".pxd", ".h"),
    "tests": (".py",),
    "bench": (".py",),
    "docs": (".md",),
}
_SDIST_BANNED = re.compile(r"\.(so|c|pyc)$|/build/|/\.venv/|__pycache__")
_WHEEL_ALLOWED = re.compile(
    r"goutube/[\w/]*\w+\.(py|pyi|proto)|goutube/py\.typed|goutube/_native/\w+\.[\w.-]+\.so"
    r"|goutube-[\w.]+\.dist-info/.*"
)


def wheel_faults(names: Iterable[str], root: Path = ROOT) -> list[str]:
    """What a wheel lacks, and what does not belong there."""
    present = {name for name in names if not name.endswith("/")}
    faults = [
        f"{name} does not belong in a wheel"
        for name in sorted(present)
        if not _WHEEL_ALLOWED.fullmatch(name)
    ]
    wanted = {
        str(path.relative_to(root))
        for path in files(root, "goutube", ".py", ".pyi", ".proto", ".typed")
    }
    faults += [f"{name} is missing" for name in sorted(wanted - present)]
    for kernel in KERNELS:
        if not any(name.startswith(f"goutube/_native/{kernel}.c") for name in present):
            faults.append(f"the kernel {kernel} is missing")
    if not any(name.endswith("/licenses/LICENSE") for name in present):
        faults.append("the licence is missing")
    return faults


def sdist_faults(names: Iterable[str], root: Path = ROOT) -> list[str]:
    """What a source archive lacks, and what does not belong there."""
    present = {name.partition("/")[2] for name in names}
    wanted = set(_SDIST_FILES)
    wanted |= {
        str(path.relative_to(root)) for path in files(root, "goutube", ".py", ".pyi", ".proto")
    }
    for folder, suffixes in _SDIST_FOLDERS.items():
        wanted |= {str(path.relative_to(root)) for path in files(root, folder, *suffixes)}
    faults = [f"{name} is missing" for name in sorted(wanted - present)]
    return faults + [
        f"{name} does not belong in a source archive"
        for name in sorted(present)
        if _SDIST_BANNED.search(name)
    ]


def directory_faults(directory: Path) -> list[str]:
    """Faults of the one source archive and the one wheel in a directory."""
    (sdist,) = directory.glob("*.tar.gz")
    (wheel,) = directory.glob("*.whl")
    with tarfile.open(sdist) as archive:
        faults = sdist_faults(member.name for member in archive if member.isfile())
    with zipfile.ZipFile(wheel) as archive:
        faults += wheel_faults(archive.namelist())
    return faults


if __name__ == "__main__":
    FAULTS = directory_faults(Path(sys.argv[1]))
    sys.exit("\n".join(FAULTS) or None)
