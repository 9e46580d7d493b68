"""The machine and the versions that a figure was measured with."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

from goutube._native import CPU_PATH


def machine_card() -> str:
    """One line to stand above every figure."""
    model = platform.machine()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return (
        f"{model}, {os.cpu_count()} cores, Linux {platform.release()}, "
        f"Python {platform.python_version()}, grpcio {version('grpcio')}, CRC-32C by {CPU_PATH}"
    )
