"""The HTTP port of operators: is it alive, is it ready, what do its numbers say."""

from __future__ import annotations

from typing import Final

from aiohttp import hdrs, web

from goutube.limits import KIB
from goutube.observe import Probes

_LINE_BYTES_MAX: Final = 4 * KIB
_HEADERS_BYTES_MAX: Final = 8 * KIB
_BODY_BYTES_MAX: Final = 1 * KIB
_IDLE_S: Final = 15.0
_STOP_S: Final = 1.0


class Gateway:
    """Serves ``/livez``, ``/readyz`` (with ``?verbose`` each check) and ``/metrics``."""

    def __init__(self, probes: Probes) -> None:
        self._probes = probes
        application = web.Application(client_max_size=_BODY_BYTES_MAX)
        application.router.add_get("/livez", self._livez)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/metrics", self._metrics)
        application.on_response_prepare.append(_finish_headers)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            keepalive_timeout=_IDLE_S,
            max_line_size=_LINE_BYTES_MAX,
            max_field_size=_HEADERS_BYTES_MAX,
            shutdown_timeout=_STOP_S,
        )

    async def start(self, host: str, port: int) -> int:
        """Serve on an address; returns the port, which matters where 0 was asked for.

        Raises:
            OSError: the address is taken, or is not this machine's.
        """
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Close the port and its connections; stopping what never started is fine."""
        await self._runner.cleanup()

    async def _livez(self, _request: web.Request) -> web.Response:
        # That this runs at all shows that the event loop turns.
        if self._probes.alive():
            return web.Response(text="ok\n")
        return web.Response(status=503, text="failed: restart this process\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        checks = self._probes.checks()
        ready = all(check.passed for check in checks)
        text = "ok\n" if ready else "not ready\n"
        if "verbose" in request.query:
            rows = [
                f"[{'+' if check.passed else '-'}] {check.name}: {check.text}" for check in checks
            ]
            text = "\n".join([*rows, text])
        return web.Response(status=200 if ready else 503, text=text)

    async def _metrics(self, _request: web.Request) -> web.Response:
        body, content_type = self._probes.metrics()
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: content_type})


async def _finish_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.popall(hdrs.SERVER, None)
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
