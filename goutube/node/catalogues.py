"""When the catalogues of shards are written down, so that a start need not fold whole logs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from goutube.node.shard import Shard
from goutube.node.state import encode_catalogue
from goutube.ports import Call, Disk, Outcome
from goutube.storage import Checkpoint, Store, shard_directory, write_checkpoint

_ENTRIES: Final = 50_000
"""A catalogue is written when so many entries would have to be folded at the next start."""


class CatalogueWriter:
    """Writes checkpoints of catalogues, one of a shard at a time.

    Attributes:
        grown: shards that have committed entries since their catalogues were last looked at.
    """

    def __init__(self, store: Store, shards: Sequence[Shard]) -> None:
        self.grown: dict[int, Shard] = {}
        self._store = store
        self._shards = shards
        self._unwritten = [shard for shard in shards if shard.renew_checkpoint]
        """Those whose catalogues are to be written anew."""

    def advance(self, uncovered: Iterable[Shard], *, whole: bool) -> None:
        """Write the catalogues that are due.

        Args:
            uncovered: shards whose catalogues are asked for.
            whole: have all catalogues cover all entries.
        """
        shards = self._shards if whole else list(self.grown.values())
        self.grown.clear()
        least = 1 if whole else _ENTRIES
        due = [shard for shard in shards if shard.behind >= least or shard.scans_long]
        due += self._unwritten
        self._unwritten = []
        for shard in [*due, *uncovered]:
            if not shard.checkpointing:
                self._write(shard)

    def _write(self, shard: Shard) -> None:
        index = shard.catalogue.applied_index
        state = encode_catalogue(shard.catalogue)
        checkpoint = Checkpoint(index, shard.log.term_at(index), state)
        directory, slot = shard_directory(shard.log.shard), 1 - shard.log.checkpoint_slot
        shard.checkpointing = True

        def write(disk: Disk) -> None:
            write_checkpoint(disk, directory, slot, checkpoint)

        def then(outcome: Outcome) -> None:
            shard.checkpointing = False
            if not self._store.fail(outcome):
                shard.log.note_checkpoint(index, slot)

        self._store.start_roomy(lambda ticket: Call(ticket, write), then)
