"""One table of errors: each class is drawn, mapped, printed, documented, and raised somewhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from goutube import errors
from goutube.api.status import CODES, from_rpc, to_rpc
from tests.house.pages import error_classes, errors_page, load_errors
from tests.house.tree import ROOT, copy_tree, files, parse

_DRAWN = re.compile(r"^((?:[|`] {3}|\|-- |`-- | {4})*)([A-Z]\w+)")


def error_faults(root: Path) -> Iterator[str]:
    """Classes of a tree's errors.py that are missing somewhere, and reasons that are not unique."""
    module = load_errors(root)
    classes = error_classes(module)
    drawn = _drawn_tree(module.__doc__ or "")
    mapped = _names_in(*_table_of_codes(root)[0])
    page = (root / "docs" / "ERRORS.md").read_text()
    used = _names_used(root)
    reasons: dict[str, str] = {}
    for error in classes:
        name, parent = error.__name__, error.__bases__[0].__name__
        if drawn.get(name, "") != (parent if parent in drawn else ""):
            yield f"{name} is not drawn below {parent} at the head of errors.py"
        if not error.__doc__:
            yield f"{name} has no docstring"
        if f"| `{name}` |" not in page and f"`{name}` is not among them" not in page:
            yield f"{name} is not in docs/ERRORS.md: run make pages"
        if name not in used and not error.__subclasses__():
            yield f"{name} is never raised"
        if issubclass(error, AssertionError):
            continue
        if name not in mapped:
            yield f"{name} has no gRPC code in goutube/api/status.py"
        if reasons.setdefault(error.reason, name) != name:
            yield f"{name} and {reasons[error.reason]} share the reason {error.reason}"


def _drawn_tree(docstring: str) -> dict[str, str]:
    """Class -> parent, as the tree in a docstring draws them; the roots have ''."""
    parents = {}
    path: list[str] = []
    for line in docstring.splitlines():
        match = _DRAWN.match(line)
        if match:
            depth = len(match.group(1)) // 4
            name = match.group(2)
            path[depth:] = [name]
            parents[name] = path[depth - 1] if depth else ""
    return parents


def _names_in(*nodes: ast.AST) -> set[str]:
    """Every name and attribute that these mention."""
    found = set()
    for node in (below for above in nodes for below in ast.walk(above)):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
    return found


def _table_of_codes(root: Path) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """goutube/api/status.py: the table from class to code, and the rest of it."""
    table, rest = [], []
    for node in parse(root / "goutube" / "api" / "status.py").body:
        is_table = isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "CODES"
        (table if is_table else rest).append(node)
    return table, rest


def _names_used(root: Path) -> set[str]:
    """Names mentioned in the package, but for the declarations and the table of codes."""
    apart = {root / "goutube" / "errors.py", root / "goutube" / "api" / "status.py"}
    trees = [parse(path) for path in files(root, "goutube", ".py") if path not in apart]
    return _names_in(*trees, *_table_of_codes(root)[1])


def test_the_errors_are_whole():
    """The tree as it is has no class that is missing somewhere."""
    assert list(error_faults(ROOT)) == []


def test_the_page_is_printed_from_the_classes():
    """docs/ERRORS.md is what make pages prints."""
    assert (ROOT / "docs" / "ERRORS.md").read_text() == errors_page()


def test_an_undocumented_error_is_noticed(tmp_path):
    """A class more in errors.py, and nowhere else, is missed in each of the places."""
    root = copy_tree(tmp_path, "goutube", "docs/ERRORS.md")
    path = root / "goutube" / "errors.py"
    path.write_text(path.read_text() + '\n\nclass AtticError(UsageError):\n    reason = "CONFIG"\n')
    faults = list(error_faults(root))
    assert len(faults) == 6, faults
    assert all("AtticError" in fault for fault in faults)


def test_the_table_of_codes_is_total_and_leads_back():
    """Every class crosses the wire and comes back as itself, with its fields."""
    for error_class in error_classes(errors):
        if not issubclass(error_class, errors.GoutubeError):
            continue
        code, message, trailers = to_rpc(error_class("a sentence", place=7))
        assert code is CODES[error_class]
        back = from_rpc(code, message, trailers)
        assert type(back) is error_class
        assert (back.message, back.fields) == ("a sentence", {"place": "7"})
