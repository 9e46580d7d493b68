"""A listener on its own thread and event loop, so that tests can be plain synchronous clients."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import contextmanager

from goutube.node import NodeOptions, open_node
from goutube.runtime import DiskJobs, Driver, OsDisk, SystemClock, SystemEntropy
from goutube.server import Listener, ServerOptions
from goutube.storage import small_storage

GRACE_S = 5.0


class Serving:
    """One listener that is up; ``call`` runs coroutines on its loop."""

    def __init__(self, loop, listener, driver, address):
        self.loop, self.listener, self.driver, self.address = loop, listener, driver, address

    def call(self, coroutine):
        """Run a coroutine on the server's loop and return its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def begin(self, coroutine) -> Future:
        """The same, without waiting."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)


class Supervisor:
    """A node that fails fails the test."""

    def node_unhealthy(self):
        raise AssertionError("the disk failed")

    def node_failed(self, error):
        raise AssertionError("the node failed") from error


@contextmanager
def serving(make_driver, **options):
    """Serve what the coroutine ``make_driver()`` returns, on a free port of 127.0.0.1."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start():
        driver = await make_driver()
        listener = Listener(driver, ServerOptions(address="127.0.0.1:0", version="t", **options))
        return Serving(loop, listener, driver, await listener.start())

    server = asyncio.run_coroutine_threadsafe(start(), loop).result(60)
    try:
        yield server
    finally:
        server.call(server.listener.stop(0.2))
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


@contextmanager
def serving_node(path, **options):
    """Serve a real node whose data lies under ``path``."""
    disk = OsDisk(path)
    storage = small_storage(2 << 20, 1 << 20)

    async def make_driver():
        node = open_node(
            disk,
            SystemClock(),
            SystemEntropy(),
            NodeOptions(node_name="n", shard_count=8, hash_function="xxh64", storage=storage),
        )
        driver = Driver(node, DiskJobs(disk), SystemClock(), Supervisor())
        driver.start()
        return driver

    with serving(make_driver, **options) as server:
        try:
            yield server
        finally:
            server.call(server.listener.stop(0.2))
            server.call(server.driver.stop())
            disk.close()
