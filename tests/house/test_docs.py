"""Documents are true: every file they name is there, every command they show runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.house.tree import ROOT, copy_tree

_PATH = re.compile(
    r"(?<![\w/.<-])((?:csrc|goutube|tests|bench|docs|\.ci)/[\w./-]*\w|[A-Z]{4,}\.md|LICENSE|Makefile"
    r"|(?:pyproject|setup|buf)\.(?:toml|py|yaml))(?![\w*])"
)
_LINK = re.compile(r"\]\(([^)#:]+)\)")
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def documents(root: Path) -> list[Path]:
    """Every page of the project."""
    pages = [*root.glob("*.md"), *(root / "docs").rglob("*.md"), *(root / "bench").glob("*.md")]
    return sorted([*pages, *(root / "csrc").glob("*.md")])


def blocks(page: Path, *languages: str) -> list[str]:
    """The fenced blocks of a page in these languages."""
    return [text for language, text in _BLOCK.findall(page.read_text()) if language in languages]


def missing_files(root: Path) -> Iterator[str]:
    """Paths that a page names although nothing is there."""
    for page in documents(root):
        text = page.read_text()
        where = page.relative_to(root)
        for name in sorted({match.group(1) for match in _PATH.finditer(text)}):
            if not any(
                (base / name).exists() or (base / f"{name}.py").exists()
                for base in (root, page.parent)
            ):
                yield f"{where} names {name}"
        for link in sorted(set(_LINK.findall(text))):
            if not (page.parent / link).exists():
                yield f"{where} links to {link}"


def test_every_named_file_is_there():
    """The pages as they are name nothing that is gone."""
    assert list(missing_files(ROOT)) == []


def test_a_name_of_nothing_is_noticed(tmp_path):
    """A page that names and links to what is not there has two faults."""
    root = copy_tree(tmp_path, "docs", "README.md")
    for page in documents(root):
        page.write_text("")
    (root / "docs" / "STATUS.md").write_text("see `goutube/attic/heap.py` and [this](ATTIC)\n")
    assert len(list(missing_files(root))) == 2


def test_the_readme_begins_with_two_commands():
    """The first two fenced sh blocks hold one command each: serve, then test."""
    assert blocks(ROOT / "README.md", "sh")[:2] == ["./dev serve\n", "./dev test\n"]
