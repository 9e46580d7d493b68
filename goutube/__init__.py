"""Goutube: named, append-only byte streams, durable before they are acknowledged.

``goutube.connect`` and ``goutube.aio.connect`` make clients. Names are loaded when they are first
used: ``import goutube`` itself loads nothing.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from goutube import aio, errors
    from goutube.client import Client, ClusterStatus, connect
    from goutube.model import AppendResult, DownloadResult, Record, StreamInfo, StreamProperties

    __version__: str

__all__ = [
    "AppendResult",
    "Client",
    "ClusterStatus",
    "DownloadResult",
    "Record",
    "StreamInfo",
    "StreamProperties",
    "aio",
    "connect",
    "errors",
]


def __getattr__(name: str) -> object:
    from importlib import import_module, metadata  # noqa: PLC0415 - only for who asks

    if name == "__version__":
        return metadata.version("goutube")
    if name in ("aio", "errors"):
        return import_module(f"goutube.{name}")
    if name in __all__:
        home = "client" if name in ("Client", "ClusterStatus", "connect") else "model"
        return getattr(import_module(f"goutube.{home}"), name)
    raise AttributeError(f"module 'goutube' has no attribute {name!r}")
