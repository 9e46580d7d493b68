"""The allocator of an agent's and of a client's process: buffers are used again."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
if sys.argv[1] == "agent":
    from goutube.runtime import keep_freed_buffers
    if not keep_freed_buffers():
        sys.exit(3)
if sys.argv[1] == "client":
    import platform
    from goutube.client.transport import expect_large_messages
    if platform.libc_ver()[0] != "glibc":
        sys.exit(3)
    expect_large_messages()
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def turn():
    held = [b"x" * (1 << 20) for _ in range(4)]
turn()
before = faults()
for _ in range(50):
    turn()
print(faults() - before)
"""


def faults(how):
    words = [sys.executable, "-c", FAULTS, how]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environ)
    if done.returncode == 3:
        pytest.skip("this C library has no mallopt")
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


@pytest.mark.parametrize("whose", ["agent", "client"])
def test_buffers_that_were_freed_are_used_again(whose):
    """Four mebibytes, again and again: without it each round costs some 1,000 page faults."""
    assert faults(whose) < 500 < faults("handed back")


CONNECTS = {
    "goutube": """
import goutube
from goutube.client.transport import expect_large_messages
with goutube.connect("127.0.0.1:1", timeout_s=0.1) as client:
    try:
        client.stat("a")
    except goutube.errors.UnavailableError:
        print(expect_large_messages.cache_info().currsize)
""",
    "goutube.aio": """
import asyncio, goutube, goutube.aio
from goutube.client.transport import expect_large_messages
async def main():
    async with goutube.aio.connect("127.0.0.1:1", timeout_s=0.1) as client:
        try:
            await client.stat("a")
        except goutube.errors.UnavailableError:
            print(expect_large_messages.cache_info().currsize)
asyncio.run(main())
""",
}


@pytest.mark.net
@pytest.mark.parametrize("client", CONNECTS)
def test_a_client_that_connects_expects_large_messages(client):
    """Whichever of the two it is; the function's cache knows that it was called."""
    words = [sys.executable, "-c", CONNECTS[client]]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("1\n", 0), done.stderr
