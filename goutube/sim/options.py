"""What a seed decides before anything happens: how large, how hostile, how long."""

from __future__ import annotations

from random import Random
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from goutube.limits import KIB
from goutube.storage import StorageConfig, small_storage

_SCRUB_MS: Final = 100
"""Where the journal is emptied often all files are read again often, too; elsewhere never."""
SUPERBLOCKS: Final = ("write journal 0 ", "write journal 4096 ")
_OPERATIONS: Final = (
    *SUPERBLOCKS,
    "write shards",
    "sync shards",
    "sync journal",
    "allocate ",
    "create ",
    "rename ",
    "remove ",
    "truncate ",
    "make_directory ",
    "sync_directory ",
)


class Options(Struct, frozen=True):
    """One seed's world; each seed leaves most of the hostile things out, so that others show.

    Attributes:
        lives: how often the node is started, apart from the last time, when all is well.
        think_us: how long a client waits before it does something, about.
        life_us: the longest that a life lasts.
        record_bytes: sizes of records to choose from.
        loss: the chance of each message that its call breaks there.
        delay_us: the longest way of a message; ``sync_us`` of an effect on the disk.
        cut_share: of the ends of lives that are power cuts; the others are kills.
        sudden_share: of the lives that end in the middle of an operation of the disk.
        io_errors: the chance of a life that one operation of the disk fails.
        ambush_share: of these and of the sudden ends that come right behind an operation of a kind
            out of ``ambush_kinds``, so that what is rare is met, too.
        full_share: of the lives in which the disk runs full.
        rot_share: of the lives in which bits rot.
        evictions: the chance of a moment that the page cache drops what counts as clean.
    """

    shard_count: int
    storage: StorageConfig
    stream_count: int
    writer_count: int
    strict_share: float
    reader_count: int
    keeper_count: int
    lives: int
    think_us: int
    life_us: int
    record_bytes: tuple[int, ...]
    loss: float
    delay_us: int
    sync_us: int
    cut_share: float
    sudden_share: float
    io_errors: float
    ambush_share: float
    ambush_kinds: tuple[str, ...]
    full_share: float
    rot_share: float
    evictions: float


def draw_options(chance: Random) -> Options:
    """Choose one world."""
    small, mixed, large = (12, 40, 300), (12, 700, 3_000, 9_000), (40, 9_000, 30_000, 70_000)
    storage = small_storage(
        journal_bytes=chance.choice([256, 256, 512]) * KIB,
        segment_bytes=chance.choice([64, 64, 128, 1024]) * KIB,
    )
    storage = replace(storage, heads_percent_max=400)
    think_us = chance.choice([2_000, 20_000, 60_000])
    options = Options(
        shard_count=chance.choice([1, 1, 2, 4, 24]),
        storage=replace(storage, checkpoint_ms=chance.choice([20, 500, 5_000])),
        stream_count=chance.randint(1, 6),
        writer_count=chance.randint(1, 4),
        strict_share=chance.choice([0.0, 0.3]),
        reader_count=chance.randint(0, 3),
        keeper_count=chance.choice([0, 1, 1]),
        lives=chance.randint(2, 6),
        think_us=think_us,
        life_us=think_us * chance.choice([10, 40, 150]),
        record_bytes=chance.choice([small, small, mixed, mixed, large]),
        loss=chance.choice([0.0, 0.01, 0.05]),
        delay_us=chance.choice([100, 2_000, 50_000]),
        sync_us=chance.choice([200, 5_000, 50_000]),
        cut_share=chance.choice([0.0, 0.7, 1.0]),
        sudden_share=chance.choice([0.0, 0.8]),
        io_errors=chance.choice([0.0, 0.0, 0.5]),
        ambush_share=chance.choice([0.0, 0.5, 1.0]),
        ambush_kinds=tuple(chance.sample(_OPERATIONS, chance.randint(1, len(_OPERATIONS)))),
        full_share=chance.choice([0.0, 0.0, 0.3]),
        rot_share=chance.choice([0.0, 0.0, 0.3]),
        evictions=chance.choice([0.0, 0.1]),
    )
    if options.storage.checkpoint_ms > 20:
        return options
    return replace(options, storage=replace(options.storage, scrub_interval_ms=_SCRUB_MS))
