"""The rival of the end-to-end benches: a bare gRPC server on uvloop, without a stream or a disk.

``Echo`` answers every message of a bidirectional call with a few bytes, as an append is answered;
``Pour`` sends messages of one size, as a read is answered: other bytes each time, out of more
memory than processors have caches, as they come to whoever sends what he has stored.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final

import grpc
import grpc.aio
import uvloop

from goutube.client.transport import expect_large_messages

ECHO: Final = "/bench.Echo/Echo"
POUR: Final = "/bench.Echo/Pour"
OPTIONS: Final = (
    ("grpc.max_send_message_length", 64 << 20),
    ("grpc.max_receive_message_length", 64 << 20),
)
_ANSWER: Final = bytes(16)
_POOL_BYTES: Final = 64 << 20


async def _echo(_request: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> None:
    while await context.read() is not grpc.aio.EOF:
        await context.write(_ANSWER)


@cache
def _messages(size: int) -> list[bytes]:
    # Not bytes(size): that is one page of zeros, again and again, which no copy has to fetch.
    return [os.urandom(size) for _ in range(-(-_POOL_BYTES // size))]


async def _pour(request: bytes, context: grpc.aio.ServicerContext) -> None:
    size, count = map(int, request.split())
    messages = _messages(size)
    for number in range(count):
        await context.write(messages[number % len(messages)])


async def _serve() -> None:
    server = grpc.aio.server(options=OPTIONS)
    handlers = {
        "Echo": grpc.stream_stream_rpc_method_handler(_echo),
        "Pour": grpc.unary_stream_rpc_method_handler(_pour),
    }
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("bench.Echo", handlers)])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


@contextmanager
def echo_process() -> Iterator[tuple[str, int]]:
    """A bare server in a process of its own; its address and its process id."""
    words = [sys.executable, "-m", "bench.echo"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            yield child.stdout.readline().strip(), child.pid
        finally:
            child.kill()


@contextmanager
def echo_server() -> Iterator[str]:
    """A bare server in a process of its own; its address."""
    with echo_process() as (address, _):
        yield address


def pour(address: str, size: int, message_bytes: int, *, keep: bool) -> float:
    """Seconds of a bare client for ``size`` bytes, its connection open and the messages made.

    In a process of its own: ours changes how the process that it is in keeps memory.

    Args:
        keep: whether the bare one does so, too.
    """
    words = [sys.executable, "-m", "bench.echo", "pour", address, str(size), str(message_bytes)]
    words += ["keep"] if keep else []
    return float(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def _pour_here(address: str, size: int, message_bytes: int) -> float:
    with grpc.insecure_channel(address, OPTIONS) as channel:
        assert not list(channel.unary_stream(POUR)(b"%d 0" % message_bytes))
        began = time.perf_counter()
        answers = channel.unary_stream(POUR)(b"%d %d" % (message_bytes, size // message_bytes))
        assert sum(map(len, answers)) == size
        return time.perf_counter() - began


if __name__ == "__main__":
    if sys.argv[1:2] == ["pour"]:
        if sys.argv[5:] == ["keep"]:
            expect_large_messages()
        print(_pour_here(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
    else:
        uvloop.run(_serve())
