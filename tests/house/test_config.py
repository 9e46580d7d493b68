"""One table of settings: the page is printed from it, and says what a setting needs to say."""

from __future__ import annotations

import dataclasses

from goutube.config import FIELDS
from tests.house.pages import configuration_page
from tests.house.tree import ROOT


def setting_faults(fields) -> list[str]:
    """Settings without a meaning, and numbers without a unit or a reason."""
    faults = []
    for field in fields:
        if not field.help.endswith("."):
            faults.append(f"{field.name} has no sentence that says what it means")
        if field.default.isdecimal() and " to " not in field.help:
            faults.append(f"{field.name} is a number without bounds and unit")
        if field.name != field.name.lower() or field.env != "GOUTUBE_" + field.name.upper():
            faults.append(f"{field.name} has flag, variable and key that do not agree")
    return faults


def test_the_page_is_printed_from_the_schema():
    """docs/CONFIGURATION.md is what make pages prints."""
    assert (ROOT / "docs" / "CONFIGURATION.md").read_text() == configuration_page()


def test_every_setting_says_what_it_is():
    """The schema as it is has no setting without meaning, unit and bounds."""
    assert setting_faults(FIELDS) == []


def test_an_undocumented_setting_is_noticed():
    """One setting more is not on the page, and one without a meaning is a fault."""
    attic = dataclasses.replace(FIELDS[0], name="attic", env="GOUTUBE_ATTIC", help="")
    assert configuration_page([*FIELDS, attic]) != configuration_page()
    assert setting_faults([attic])
