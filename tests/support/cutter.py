"""A TCP proxy that breaks connections and holds answers back when it is told to."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager, suppress


class Cutter:
    """Stands between a client and ``target``; all methods may be called from any thread."""

    def __init__(self, loop, target):
        self._loop = loop
        self._host, _, port = target.rpartition(":")
        self._port = int(port)
        self._writers = set()
        self._tasks = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self.connections = 0
        self.address = ""

    def do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    async def _open(self, port=0):
        self._refusing = False
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def hold(self):
        """Let nothing more through from the server to the client."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def cut(self):
        """Reset every connection; answers that were held are lost, new connections flow."""
        self.do(self._cut())

    def down(self):
        """Refuse connections, and cut those that are open."""
        self.do(self._down())

    def up(self):
        """Take connections again, at the same address."""
        self.do(self._open(int(self.address.rpartition(":")[2])))

    async def _cut(self):
        for writer in list(self._writers):
            writer.transport.abort()
        self._writers.clear()
        for task in list(self._tasks):
            task.cancel()
        self._flowing.set()

    async def _down(self):
        self._refusing = True  # also who was taken and is not served yet
        self._server.close()
        await self._cut()
        # What the system had taken for us is handed out in the next passes of the loop.
        await asyncio.sleep(0.01)
        await self._cut()

    async def _serve(self, reader, writer):
        self.connections += 1
        serving = asyncio.current_task()
        self._tasks.add(serving)
        try:
            if self._refusing:
                raise ConnectionRefusedError  # it was taken in the moment of the end
            there, back = await asyncio.open_connection(self._host, self._port)
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
            return
        finally:
            self._tasks.discard(serving)
        self._writers |= {writer, back}
        for task in (
            asyncio.create_task(self._pump(reader, back, held=False)),
            asyncio.create_task(self._pump(there, writer, held=True)),
        ):
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, reader, writer, held):
        with suppress(OSError):
            while part := await reader.read(65536):
                if held:
                    await self._flowing.wait()
                writer.write(part)
                await writer.drain()
            writer.close()


@contextmanager
def cutter(target):
    """A proxy before ``target``, on a thread and an event loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    proxy = Cutter(loop, target)
    proxy.do(proxy._open())
    try:
        yield proxy
    finally:
        proxy.down()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
