"""One table of crash points: the page is printed from it, and each one is a place in the product."""

from collections.abc import Iterable
from pathlib import Path

from goutube.crash_points import CrashPoint
from tests.house.pages import crash_points_page
from tests.house.tree import ROOT, copy_tree

_TABLE = "crash_points.py"
_MODEL = "sim"
"""It stands in for the runtime; a place that is only there is none of the product."""


def unused(root: Path, points: Iterable[CrashPoint]) -> list[str]:
    """The points that no module of the product names, but their own table."""
    package = root / "goutube"
    modules = [path for path in package.rglob("*.py") if path.name != _TABLE]
    text = "".join(m.read_text() for m in modules if m.relative_to(package).parts[0] != _MODEL)
    groups = (package / _TABLE).read_text().partition("class DocumentPoints")[2]
    return [p for p in points if f"CrashPoint.{p.name}" not in text + groups]


def test_the_page_is_printed_from_the_table():
    """docs/CRASH_POINTS.md is what make pages prints."""
    assert (ROOT / "docs" / "CRASH_POINTS.md").read_text() == crash_points_page()


def test_every_point_is_a_place_in_the_product():
    """And says in a sentence what is there."""
    assert unused(ROOT, CrashPoint) == []
    assert [point for point in CrashPoint if not point.meaning.endswith(".")] == []


def test_a_point_that_is_nowhere_is_noticed(tmp_path):
    """Without the module that has it, a point is a name of nothing."""
    root = copy_tree(tmp_path, "goutube")
    (root / "goutube" / "storage" / "hard_state.py").write_text("")
    assert [point.partition("-")[0] for point in unused(root, CrashPoint)] == ["hard"] * 3
