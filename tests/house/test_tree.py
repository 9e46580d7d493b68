"""The plan in the documents, the contracts in pyproject.toml and the packages are one tree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from tests.house.tree import ROOT, copy_tree


def tree_faults(root: Path) -> list[str]:
    """Rooms that one of the three knows and another does not, and floors in another order."""
    drawn = _drawn(root)
    contracted = _contracted(root)
    faults = [] if drawn == contracted else [f"docs draw {drawn}, contracts say {contracted}"]
    package = root / "goutube"
    present = {p.name for p in package.iterdir() if p.is_dir() and (p / "__init__.py").exists()}
    present |= {p.stem for p in package.glob("*.py") if p.stem != "__init__"}
    rooms = {room for floor in contracted for room in floor}
    faults += [f"goutube/{room} is on no floor" for room in sorted(present - rooms)]
    faults += [f"goutube/{room} is on a floor, but not there" for room in sorted(rooms - present)]
    return faults


def _drawn(root: Path) -> list[set[str]]:
    """The floors of docs/ARCHITECTURE.md, from the top."""
    page = (root / "docs" / "ARCHITECTURE.md").read_text()
    plan = next(block for block in re.findall(r"```\n(.*?)```", page, re.DOTALL) if "csrc" in block)
    floors = [re.split(r" {2,}", line)[0] for line in plan.splitlines()]
    return [set(re.split(r" [·│] ", floor)) for floor in floors if floor != "csrc"]


def _contracted(root: Path) -> list[set[str]]:
    """The floors of the layers contract, from the top."""
    tools = tomllib.loads((root / "pyproject.toml").read_text())["tool"]
    contracts = tools["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["id"] == "floors")
    return [set(re.findall(r"\w+", layer)) for layer in layers]


def test_the_three_are_one():
    """The tree as it is has the floors that the documents draw."""
    assert tree_faults(ROOT) == []


def test_a_new_room_is_noticed(tmp_path):
    """A package that nobody has drawn is a fault, and so is one that is gone."""
    root = copy_tree(tmp_path, "goutube", "pyproject.toml", "docs/ARCHITECTURE.md")
    (root / "goutube" / "attic").mkdir()
    (root / "goutube" / "attic" / "__init__.py").write_text("")
    assert tree_faults(root) == ["goutube/attic is on no floor"]
    (root / "goutube" / "names.py").rename(root / "goutube" / "attic" / "names.py")
    assert "goutube/names is on a floor, but not there" in tree_faults(root)
