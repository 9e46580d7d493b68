"""docs/FORMATS.md is the layout that the code packs: no gap, no overlap, the same widths."""

from __future__ import annotations

import re
import struct
from pathlib import Path

from tests.house.tree import ROOT, copy_tree

_NAMED = re.compile(r"`(<[0-9A-Za-z]+)` in\s+`([a-z_/.]+)`")
_FIELD = re.compile(r"\d*[a-zA-Z]")


def format_faults(root: Path) -> list[str]:
    """Where the page contradicts itself or the code."""
    faults = []
    page = (root / "docs" / "FORMATS.md").read_text()
    for place, table in _layouts(page):
        faults += _gaps(place, table)
    for match in _NAMED.finditer(page):
        layout, path = match.groups()
        if f'"{layout}"' not in (root / path).read_text():
            faults.append(f"{path} packs nothing as {layout}")
        widths = [struct.calcsize(f"<{field}") for field in _FIELD.findall(layout)]
        _, table = next(item for item in _layouts(page) if item[0] > match.start())
        told = [width for _, width in table][: len(widths)]
        if told != [str(width) for width in widths]:
            faults.append(f"{path} packs {layout} as {widths}, the page says {told}")
    return faults


def _layouts(page: str) -> list[tuple[int, list[tuple[str, str]]]]:
    """Every table that begins with position and bytes: its place in the page, (position, bytes)."""
    found = []
    for match in re.finditer(r"\| position \| bytes \|.*\n\|.*\n((?:\|.*\n)+)", page):
        rows = [
            tuple(cell.strip() for cell in row.split("|")[1:3])
            for row in match.group(1).splitlines()
        ]
        found.append((match.start(), rows))
    return found


def _gaps(place: int, table: list[tuple[str, str]]) -> list[str]:
    faults = []
    expected = 0
    for position, width in table:
        if not (position.isdecimal() and width.isdecimal()):
            break
        if int(position) != expected:
            faults.append(f"at {place}: a field stands at {position}, not {expected}")
        expected = int(position) + int(width)
    return faults


def test_the_page_is_what_the_code_packs():
    """Every table is free of gaps, and every struct format is packed where the page says."""
    assert format_faults(ROOT) == []


def test_a_wrong_page_is_noticed(tmp_path):
    """A width that is off by one row, and a format that no code has, are both found."""
    root = copy_tree(tmp_path, "goutube", "docs/FORMATS.md")
    page = root / "docs" / "FORMATS.md"
    right = page.read_text()
    page.write_text(right.replace("| 8 | 4 | length n", "| 8 | 8 | length n"))
    assert format_faults(root)
    page.write_text(right.replace("`<4sIIIQQQQ`", "`<4sIIIQQQI`"))
    assert format_faults(root)
