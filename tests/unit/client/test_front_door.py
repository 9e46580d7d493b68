"""``import goutube`` loads nothing heavy, and every public name is there when it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import goutube

HEAVY = ("grpc", "google", "numpy", "asyncio", "goutube.client", "goutube._native")


def test_the_import_is_light():
    """A fresh interpreter has none of the heavy packages after it."""
    program = f"import goutube, sys; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", goutube.__all__)
def test_every_name_is_there(name):
    """Whatever ``__all__`` lists can be had."""
    assert getattr(goutube, name) is not None


def test_other_names_are_not():
    """A typo is an AttributeError, as in any module."""
    with pytest.raises(AttributeError, match="no attribute 'conect'"):
        goutube.conect  # noqa: B018 - the access is the test


def test_the_version_is_the_package_s():
    """It comes from the installed metadata."""
    assert goutube.__version__.count(".") == 2
