"""The descriptor pool of the generated code: Goutube's own, not the process's default one.

The default pool takes each package once; a user's own stubs of ``streaming.v1`` must fit in there.
Generated modules import this one in place of ``google.protobuf.descriptor_pool``.
"""

from __future__ import annotations

from typing import Final

from google.protobuf.descriptor_pool import DescriptorPool

_POOL: Final = DescriptorPool()


def Default() -> DescriptorPool:  # noqa: N802 - the name that generated code calls
    """Return the pool that holds ``goutube.v1`` and ``streaming.v1``."""
    return _POOL
