"""Small libraries that are put before the C library, built when a test wants one."""

import shutil
import subprocess
from pathlib import Path


def why_no_preload():
    """Why none can be built here; empty if one can."""
    return "" if shutil.which("gcc") else "gcc is not installed"


def build_preload(name, folder):
    """Build ``tests/support/NAME.c``; the path for ``LD_PRELOAD``."""
    source, library = Path(__file__).with_name(f"{name}.c"), folder / f"{name}.so"
    command = ["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, source, "-ldl"]
    subprocess.run(command, check=True)
    return library
