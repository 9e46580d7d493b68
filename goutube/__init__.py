"""Goutube: named, append-only byte streams, durable before they are acknowledged.

``goutube.connect`` and ``goutube.aio.connect`` make clients, ``goutube.LocalCluster`` starts
servers for tests and notebooks. Names are loaded when they are first used: ``import goutube``
itself loads nothing.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from goutube import aio, errors
    from goutube.client import Client, ClusterStatus, Producer, RecordBatch, connect
    from goutube.local_cluster import LocalCluster
    from goutube.model import AppendResult, DownloadResult, Record, StreamInfo, StreamProperties
    from goutube.ring import HashRing

    __version__: str

__all__ = [
    "AppendResult",
    "Client",
    "ClusterStatus",
    "DownloadResult",
    "HashRing",
    "LocalCluster",
    "Producer",
    "Record",
    "RecordBatch",
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
        homes = dict.fromkeys(
            ("Client", "ClusterStatus", "Producer", "RecordBatch", "connect"), "client"
        )
        homes.update(HashRing="ring", LocalCluster="local_cluster")
        return getattr(import_module(f"goutube.{homes.get(name, 'model')}"), name)
    raise AttributeError(f"module 'goutube' has no attribute {name!r}")
