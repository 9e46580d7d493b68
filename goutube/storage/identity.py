"""Whose data directory this is: the format file, the boot counter, the registry of replicas.

``format`` is written last when a directory is founded and never changes; ``format-copy`` is there
should it be damaged. ``boot`` counts the openings. ``registry`` says which replica of each shard
the directory holds, so that a replica whose files are gone is known to be lost and never taken for
a new, empty one.
"""

from __future__ import annotations

import json
import struct
from typing import Final

from msgspec import Struct
from msgspec.structs import asdict

from goutube.crash_points import BOOT_POINTS, COPY_POINTS, FORMAT_POINTS, REGISTRY_POINTS
from goutube.errors import CorruptionError, DataDirError
from goutube.ports import Disk, Entropy
from goutube.storage.document import read_document, write_document

FORMAT_PATH: Final = "format"
FORMAT_COPY_PATH: Final = "format-copy"
BOOT_PATH: Final = "boot"
REGISTRY_PATH: Final = "registry"
LOCK_PATH: Final = "lock"
_FORMAT_MAGIC: Final = b"gtF1"
_BOOT_MAGIC: Final = b"gtB1"
_REGISTRY_MAGIC: Final = b"gtR1"
_BOOT: Final = struct.Struct("<Q")
_REPLICA: Final = struct.Struct("<IIQ")
DATA_FORMAT: Final = 1
REPLICA_LIVE: Final = 1


class Identity(Struct, frozen=True):
    """What a data directory was founded as; ``boot`` is the number of this opening, from 1."""

    data_format: int
    cluster_id: str
    incarnation: str
    node_name: str
    shard_count: int
    hash_function: str
    journal_bytes: int
    boot: int


def found(
    disk: Disk,
    entropy: Entropy,
    node_name: str,
    shard_count: int,
    hash_function: str,
    journal_bytes: int,
) -> Identity:
    """Make an empty directory this node's: a cluster of one, replica 1 of every shard.

    Raises:
        DataDirError: the directory holds something already.
    """
    strangers = [name for name in disk.list("") if not _left_by_founding(name)]
    if strangers:
        raise DataDirError(
            f"the data directory has no format file but holds {strangers[0]!r}; "
            "name an empty directory, or restore the format file",
            found=strangers[0],
        )
    identity = Identity(
        data_format=DATA_FORMAT,
        cluster_id=entropy.token_bytes(16).hex(),
        incarnation=entropy.token_bytes(16).hex(),
        node_name=node_name,
        shard_count=shard_count,
        hash_function=hash_function,
        journal_bytes=journal_bytes,
        boot=0,
    )
    write_registry(disk, dict.fromkeys(range(shard_count), 1))
    return identity


def finish_founding(disk: Disk, identity: Identity) -> None:
    """Write the format file: from here on the directory is founded."""
    write_document(disk, FORMAT_PATH, _FORMAT_MAGIC, _encode(identity), FORMAT_POINTS)


def write_format_copy(disk: Disk, identity: Identity) -> None:
    """Write the copy of the format file, once that is durable."""
    write_document(disk, FORMAT_COPY_PATH, _FORMAT_MAGIC, _encode(identity), COPY_POINTS)


def _encode(identity: Identity) -> bytes:
    body = {key: value for key, value in asdict(identity).items() if key != "boot"}
    return json.dumps(body, sort_keys=True).encode()


def _left_by_founding(name: str) -> bool:
    # An interrupted founding leaves these; they hold no stream, for the format file comes last.
    return name in (LOCK_PATH, REGISTRY_PATH, "journal", "lost+found") or name.endswith(".tmp")


def is_founded(disk: Disk) -> bool:
    """Whether the directory holds a format file, or the copy of one that is gone."""
    return disk.exists(FORMAT_PATH) or disk.exists(FORMAT_COPY_PATH)


def read_identity(disk: Disk) -> Identity:
    """The identity of a founded directory; without the number of its last opening.

    Raises:
        CorruptionError: neither the format file nor its copy is whole.
        DataDirError: it is of a format that this release does not know.
    """
    for path in (FORMAT_PATH, FORMAT_COPY_PATH):
        try:
            return read_format(disk, path)
        except (CorruptionError, FileNotFoundError):
            continue
    raise CorruptionError(
        f"neither {FORMAT_PATH} nor {FORMAT_COPY_PATH} is whole, so nobody knows whose directory "
        f"this is. Put back {FORMAT_PATH} from a copy of the directory; nothing was changed",
        path=FORMAT_PATH,
    )


def read_format(disk: Disk, path: str) -> Identity:
    """What a format file, or its copy, says.

    Raises:
        CorruptionError, FileNotFoundError: it is damaged or missing.
        DataDirError: it is of a format that this release does not know.
    """
    fields = json.loads(read_document(disk, path, _FORMAT_MAGIC))
    if fields["data_format"] != DATA_FORMAT:
        raise DataDirError(
            f"the data directory has format {fields['data_format']}, says its file "
            f"{path}; this release reads {DATA_FORMAT}. Use the release that wrote it",
            path=path,
            version=fields["data_format"],
        )
    return Identity(**fields, boot=0)


def read_boot(disk: Disk) -> int:
    """The number of the last opening.

    Raises:
        CorruptionError, FileNotFoundError: the document is damaged or missing.
    """
    return int(_BOOT.unpack(read_document(disk, BOOT_PATH, _BOOT_MAGIC))[0])


def count_boot(disk: Disk, identity: Identity) -> Identity:
    """Count one more opening, durably, and return the identity that carries it."""
    boot = identity.boot + 1
    write_document(disk, BOOT_PATH, _BOOT_MAGIC, _BOOT.pack(boot), BOOT_POINTS)
    return Identity(**{**asdict(identity), "boot": boot})


def write_registry(disk: Disk, replicas: dict[int, int]) -> None:
    """Write down which replica of each shard lies here."""
    body = b"".join(_REPLICA.pack(shard, REPLICA_LIVE, replicas[shard]) for shard in replicas)
    write_document(disk, REGISTRY_PATH, _REGISTRY_MAGIC, body, REGISTRY_POINTS)


def read_registry(disk: Disk) -> dict[int, int]:
    """Shard -> number of the live replica that this directory holds.

    Raises:
        CorruptionError, FileNotFoundError: the document is damaged or missing.
    """
    body = read_document(disk, REGISTRY_PATH, _REGISTRY_MAGIC)
    return {
        shard: number
        for shard, state, number in _REPLICA.iter_unpack(body)
        if state == REPLICA_LIVE
    }
