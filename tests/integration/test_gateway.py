"""The HTTP port answers probes, hides what it is made of, and bears garbage."""

import asyncio
import urllib.error
import urllib.request
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from goutube.gateway import Gateway
from goutube.observe import Check, Probes

pytestmark = pytest.mark.net


@asynccontextmanager
async def serving(state):
    gateway = Gateway(
        Probes(lambda: state.alive, lambda: state.checks, lambda: (b"a 1\n", "text/plain; v=1"))
    )
    port = await gateway.start("127.0.0.1", 0)
    try:
        yield port
    finally:
        await gateway.stop()


def state_of(alive=True, ready=True):
    return SimpleNamespace(
        alive=alive, checks=[Check("storage", True, "ok"), Check("serving", ready, "draining")]
    )


def fetch(port, path, method="GET"):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, response.read().decode(), response.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers


def answers(state, *requests):
    async def main():
        async with serving(state) as port:
            return [await asyncio.to_thread(fetch, port, *request) for request in requests]

    return asyncio.run(main())


def test_a_ready_node():
    livez, readyz, metrics = answers(state_of(), ("/livez",), ("/readyz",), ("/metrics",))
    assert livez[:2] == (200, "ok\n")
    assert readyz[:2] == (200, "ok\n")
    assert metrics[:2] == (200, "a 1\n")
    assert metrics[2]["Content-Type"] == "text/plain; v=1"
    assert "Server" not in livez[2]


def test_a_node_that_drains_is_alive_and_not_ready():
    livez, readyz, verbose = answers(
        state_of(ready=False), ("/livez",), ("/readyz",), ("/readyz?verbose",)
    )
    assert livez[0] == 200
    assert readyz[:2] == (503, "not ready\n")
    assert verbose[1] == "[+] storage: ok\n[-] serving: draining\nnot ready\n"


def test_a_failed_node_is_not_alive():
    assert answers(state_of(alive=False), ("/livez",))[0][0] == 503


def test_nothing_else_is_served():
    assert [answer[0] for answer in answers(state_of(), ("/",), ("/livez", "POST"))] == [404, 405]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\xff\xfe garbage\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_garbage_is_refused_and_the_port_serves_on(request_bytes):
    async def main():
        async with serving(state_of()) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request_bytes)
            answer = await reader.read(4096)
            writer.close()
            return answer, await asyncio.to_thread(fetch, port, "/livez")

    answer, livez = asyncio.run(main())
    assert answer.split(b" ")[1] == b"400"
    assert b"Traceback" not in answer
    assert livez[0] == 200


def test_a_port_in_use_is_an_error():
    async def main():
        async with serving(state_of()) as port:
            second = Gateway(Probes(lambda: True, list, lambda: (b"", "")))
            with pytest.raises(OSError, match="in use"):
                await second.start("127.0.0.1", port)
            await second.stop()

    asyncio.run(main())
