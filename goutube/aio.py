"""The asyncio client: ``async with goutube.aio.connect("host:7373") as client: ...``."""

from goutube.client import AsyncClient
from goutube.client import connect_async as connect

__all__ = ["AsyncClient", "connect"]
