"""The wire contract: messages, method paths, codecs of the hot messages, and errors as statuses.

``*_pb2`` are the generated classes, in a descriptor pool of their own, so that a user's stubs of
the same packages load beside them. ``codecs`` reads and writes the hot messages without them.
``status`` is the only table between errors and gRPC codes.
"""

from goutube.api import codecs, methods, pool, status
from goutube.api.proto.goutube.v1 import admin_pb2, cluster_pb2, stream_pb2
from goutube.api.proto.streaming.v1 import streaming_pb2

__all__ = [
    "admin_pb2",
    "cluster_pb2",
    "codecs",
    "methods",
    "pool",
    "status",
    "stream_pb2",
    "streaming_pb2",
]
