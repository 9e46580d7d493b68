"""The synchronous client where an event loop runs already: in a coroutine, and in a notebook."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap

import pytest

import goutube
from tests.house.test_docs import blocks
from tests.house.tree import ROOT

pytestmark = pytest.mark.net

PROGRAMS = blocks(ROOT / "README.md", "python")
DEFAULT_ADDRESS = "127.0.0.1:7373"


@pytest.fixture
def address():
    with goutube.LocalCluster() as cluster:
        yield cluster.address


def test_the_readme_has_programs():
    assert len(PROGRAMS) >= 3
    assert any("open(" in program for program in PROGRAMS)


def test_the_readme_runs_in_a_coroutine(address, tmp_path, monkeypatch, capsys):
    """Calls block the loop meanwhile, and bring what they bring elsewhere."""
    monkeypatch.chdir(tmp_path)

    async def main():
        for program in PROGRAMS:
            exec(program.replace(DEFAULT_ADDRESS, address), {})
            await asyncio.sleep(0)

    asyncio.run(main())
    assert "b'hello world'" in capsys.readouterr().out


def test_both_clients_live_in_one_loop(address):
    """The synchronous one appends between the steps of an asyncio follower."""

    async def main():
        with goutube.connect(address) as client:
            client.append("both", b"0")
            async with goutube.aio.connect(address) as aio:
                follower = aio.read("both", follow=True)
                seen = [await anext(follower)]
                for number in range(1, 6):
                    client.append("both", b"%d" % number)
                    seen.append(await anext(follower))
                await follower.aclose()
            return b"".join(seen)

    assert asyncio.run(main()) == b"012345"


NOTEBOOK = """
    import sys
    import nbformat
    from nbclient import NotebookClient

    cells = ["import asyncio; asyncio.get_running_loop()", *sys.argv[1:]]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=100, kernel_name="python3").execute()
    for cell in notebook.cells:
        print(cell.outputs)
"""


@pytest.mark.slow
def test_the_readme_runs_in_a_notebook(address, tmp_path):
    """A real kernel, whose cells run within its loop; a cell that fails fails the test."""
    pytest.importorskip("nbclient", reason="it is in the dependency group notebook")
    pytest.importorskip("ipykernel", reason="it is in the dependency group notebook")

    def run(*cells):
        return subprocess.run(
            [sys.executable, "-c", textwrap.dedent(NOTEBOOK), *cells],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )

    done = run(*(program.replace(DEFAULT_ADDRESS, address) for program in PROGRAMS))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "b'hello world'" in done.stdout
    assert run("1 / 0").returncode == 1
