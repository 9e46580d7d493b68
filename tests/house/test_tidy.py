"""Sizes, names and leftovers: files are capped first, because files decay before functions do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.tree import CORE, ROOT, copy_tree, files, parse

_LINES_MAX = {".py": 400, ".pyi": 400, ".pyx": 300, ".pxi": 300, ".pxd": 250, ".h": 250}
_TEST_LINES_MAX = 500
_DOOR_LINES_MAX = 40
_FUNCTION_LINES_MAX = 70
_BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "stuff", "tools"}
_LEFTOVER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")  # codespell:ignore


def size_faults(root: Path) -> Iterator[str]:
    """Files and functions that are too long."""
    for folder in ("goutube", "csrc", "tests", "bench"):
        for path in files(root, folder, *_LINES_MAX):
            length = _length(path)
            limit = _lines_max(path, folder)
            if length > limit:
                yield f"{path.relative_to(root)} has {length} lines; the limit is {limit}"
    for path in files(root, "goutube", ".py"):
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > _FUNCTION_LINES_MAX:
                    where = f"{path.relative_to(root)}:{node.lineno}"
                    yield f"{where}: {node.name} has {length} lines; limit {_FUNCTION_LINES_MAX}"


def _length(path: Path) -> int:
    """Lines of a file; a door's lists of names, which the formatter spreads out, count as one."""
    length = len(path.read_text().splitlines())
    if path.name == "__init__.py":
        for node in parse(path).body:
            if isinstance(node, ast.Import | ast.ImportFrom | ast.Assign):
                length -= (node.end_lineno or node.lineno) - node.lineno
    return length


def _lines_max(path: Path, folder: str) -> int:
    if path.name == "__init__.py":
        return _DOOR_LINES_MAX
    return _TEST_LINES_MAX if folder == "tests" else _LINES_MAX[path.suffix]


def name_faults(root: Path) -> Iterator[str]:
    """Modules whose name says nothing, and rooms that repeat their floor's name."""
    for folder in ("goutube", "csrc", "tests", "bench"):
        for path in files(root, folder, *_LINES_MAX):
            if {path.stem, path.parent.name} & _BANNED_NAMES:
                yield f"{path.relative_to(root)}: name it after the noun that it holds"
            if path.stem == path.parent.name and path.suffix == ".py":
                yield f"{path.relative_to(root)}: the module stutters"


def door_faults(root: Path) -> Iterator[str]:
    """Doors without a docstring, and ``__all__`` lists that are not sorted."""
    for path in files(root, "goutube", ".py"):
        if path.name != "__init__.py" or not path.read_text().strip():
            continue
        tree = parse(path)
        if ast.get_docstring(tree) is None:
            yield f"{path.relative_to(root)}: a door's docstring is the floor's contract"
        for node in tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                names = ast.literal_eval(node.value)
                if list(names) != sorted(names, key=_as_ruff_sorts):
                    yield f"{path.relative_to(root)}: __all__ is not sorted"


def crossing_faults(root: Path) -> Iterator[str]:
    """Imports that reach past another floor's door into one of its rooms."""
    for path in files(root, "goutube", ".py"):
        floor = path.relative_to(root / "goutube").parts[0]
        for node in ast.walk(parse(path)):
            for name in _imported(node):
                words = name.split(".")
                inside = len(words) > 2 and (root / "goutube" / words[1]).is_dir()
                if words[0] == "goutube" and inside and words[1] != floor:
                    where = f"{path.relative_to(root)}:{getattr(node, 'lineno', 0)}"
                    yield f"{where}: {name} lies behind the door of goutube.{words[1]}"


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return []


def _as_ruff_sorts(name: str) -> tuple[int, str]:
    kind = 0 if name.isupper() else 1 if name[:1].isupper() else 2
    return kind, name


def leftovers(root: Path) -> Iterator[str]:
    """Marks that something was left for later."""
    for folder in ("goutube", "csrc", "bench"):
        for path in files(root, folder, *_LINES_MAX):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if _LEFTOVER.search(line):
                    yield f"{path.relative_to(root)}:{number}: {line.strip()}"


def chance_faults(root: Path) -> Iterator[str]:
    """What would make two runs of the core differ: sets in order of iteration, addresses, clocks."""
    for room in CORE:
        for path in files(root, f"goutube/{room}", ".py"):
            tree = parse(path)
            unordered = _names_of_sets(tree)
            for node in ast.walk(tree):
                fault = _chance_in(node, unordered)
                if fault:
                    yield f"{path.relative_to(root)}:{getattr(node, 'lineno', 0)}: {fault}"


def _names_of_sets(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _makes_set(node.value):
            names |= {ast.unparse(target) for target in node.targets}
        elif isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation).startswith(
            ("set[", "frozenset[")
        ):
            target = ast.unparse(node.target)
            names |= {target, f"self.{target}"}
    return names


def _makes_set(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        return ast.unparse(node.func) in ("set", "frozenset")
    return isinstance(node, ast.Set | ast.SetComp)


def _chance_in(node: ast.AST, unordered: set[str]) -> str | None:
    if isinstance(node, ast.For | ast.comprehension):
        source = ast.unparse(node.iter)
        if _makes_set(node.iter) or source in unordered:
            return f"iterates over the set {source}: sort it"
    if isinstance(node, ast.Call):
        called = ast.unparse(node.func)
        if called in ("id", "hash"):
            return f"{called}() differs from process to process"
        if called.startswith(("datetime.", "time.")):
            return f"{called}() reads a clock: use ports.Clock"
    return None


CHECKS = [size_faults, name_faults, door_faults, crossing_faults, leftovers, chance_faults]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_tree_is_tidy(check):
    """The tree as it is has none of these faults."""
    assert list(check(ROOT)) == []


@pytest.mark.parametrize(
    ("check", "path", "text"),
    [
        (size_faults, "goutube/storage/heap.py", "pass\n" * 401),
        (size_faults, "csrc/heap.pyx", "pass\n" * 301),
        (size_faults, "goutube/heap/__init__.py", "pass\n" * 41),
        (size_faults, "tests/unit/test_heap.py", "pass\n" * 501),
        (size_faults, "goutube/heap.py", "def heap():\n" + "    pass\n" * 70),
        (name_faults, "goutube/storage/utils.py", ""),
        (name_faults, "goutube/heap/heap.py", ""),
        (door_faults, "goutube/heap/__init__.py", "__all__ = ['b', 'a']\n"),
        (crossing_faults, "goutube/ring/heap.py", "from goutube.storage.store import Store\n"),
        (leftovers, "goutube/heap.py", "# FIX" + "ME\n"),
        (chance_faults, "goutube/node/heap.py", "heap = set()\nfor item in heap:\n    pass\n"),
        (chance_faults, "goutube/node/heap.py", "heap = [x for x in {1, 2}]\n"),
        (chance_faults, "goutube/ring/heap.py", "place = hash('a')\n"),
        (chance_faults, "goutube/node/heap.py", "now = time.monotonic()\n"),
    ],
)
def test_one_untidy_file_is_noticed(tmp_path, check, path, text):
    """A copy of the tree with this one file more has a fault, and the fault names the file."""
    root = copy_tree(tmp_path, "goutube", "csrc")
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)
    assert [fault for fault in check(root) if fault.startswith(path)]
