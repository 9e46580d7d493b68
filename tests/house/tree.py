"""The checkout as the house tests see it, and copies of it that may be broken on purpose."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

CORE = ("node", "membership", "routing", "storage", "ring")
"""The rooms that are synchronous and deterministic."""

_SKIPPED = {"__pycache__", "build", "dist", "data"}


def is_generated(path: Path) -> bool:
    """Whether a tool wrote this file."""
    return path.name.endswith(("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi"))


def files(root: Path, folder: str, *suffixes: str) -> Iterator[Path]:
    """Hand-written files of these suffixes under a folder, in the order of their paths."""
    for path in sorted((root / folder).rglob("*")):
        skipped = _SKIPPED.intersection(path.relative_to(root).parts[:-1])
        if path.suffix in suffixes and path.is_file() and not skipped and not is_generated(path):
            yield path


def parse(path: Path) -> ast.Module:
    """One Python file as a syntax tree."""
    return ast.parse(path.read_text(), filename=str(path))


def copy_tree(target: Path, *names: str) -> Path:
    """Copy files and folders of the checkout, without what is built, and return the copy's root."""
    for name in names:
        source = ROOT / name
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.c")
            shutil.copytree(source, target / name, ignore=ignored)
        else:
            shutil.copy(source, target / name)
    return target
