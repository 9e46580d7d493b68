"""Every command and every program that a document shows runs, against a real agent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.test_docs import blocks, documents
from tests.house.tree import ROOT
from tests.support.agents import SMALL_JOURNAL

pytestmark = pytest.mark.net

_DEFAULT_ADDRESS = "127.0.0.1:7373"
_COMMANDS_OF_README = 2
"""The first two blocks set up and test this very checkout; .ci/bare-debian runs them."""


def examples(page: Path) -> Iterator[tuple[str, str]]:
    """(language, text) of what a page shows to be run, in order of language and place."""
    skipped = _COMMANDS_OF_README if page.name == "README.md" and page.parent == ROOT else 0
    for text in blocks(page, "sh")[skipped:]:
        yield "sh", text
    for text in blocks(page, "python"):
        yield "python", text


PAGES = [page for page in documents(ROOT) if any(examples(page))]


@pytest.fixture
def address(tmp_path):
    """The address of an agent on a free port, stopped by SIGTERM with status 0."""
    words = ("agent", "--data-dir", str(tmp_path / "data"), "--rpc-port", "127.0.0.1:0")
    more = ("--http-port", "off", "--log-format", "json", "--node-name", "examples")
    agent = subprocess.Popen(
        [sys.executable, "-m", "goutube", *words, *more, *SMALL_JOURNAL],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert agent.stderr is not None
        lines = []
        for line in agent.stderr:
            lines.append(line)
            event = json.loads(line)
            if event["event"] == "agent_ready":
                yield event["rpc_address"]
                break
        else:
            pytest.fail("the agent ended:\n" + "".join(lines))
        agent.terminate()
        agent.communicate(timeout=30)
        assert agent.returncode == 0
    finally:
        agent.kill()
        agent.communicate()


def run(language: str, text: str, place: Path, address: str) -> subprocess.CompletedProcess[str]:
    """Run one example in a scratch directory, with the default address taken to be the agent's."""
    environment = {
        **os.environ,
        "GOUTUBE_SERVER": address,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    program = ["bash", "-euo", "pipefail", "-c"] if language == "sh" else [sys.executable, "-c"]
    return subprocess.run(
        [*program, text.replace(_DEFAULT_ADDRESS, address)],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_shows_runs(page, address, tmp_path):
    """Its commands and programs end with 0, one after the other in one directory."""
    place = tmp_path / "place"
    place.mkdir()
    for language, text in examples(page):
        done = run(language, text, place, address)
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"


def test_a_wrong_example_is_noticed(address, tmp_path):
    """A command that fails in the middle of a block fails the block."""
    done = run("sh", "goutube streams stat nothing/there\ntrue\n", tmp_path, address)
    assert done.returncode == 1
    assert "nothing/there" in done.stderr
