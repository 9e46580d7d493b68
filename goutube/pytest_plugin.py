"""pytest's fixture ``goutube_cluster``; installed with the package, it loads nothing until used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from goutube import LocalCluster


@pytest.fixture(scope="session")
def goutube_cluster() -> Iterator[LocalCluster]:
    """A real cluster of one node, started for the first test that asks and shared by all.

    ``goutube.connect(goutube_cluster.address)`` is a client. Tests that must not see each other's
    streams use names of their own.
    """
    import goutube  # noqa: PLC0415 - only for tests that ask for it

    with goutube.LocalCluster() as cluster:
        yield cluster
