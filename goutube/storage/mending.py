"""A shard's hard state, as its file, the journal and the log tell it."""

from __future__ import annotations

from goutube.ports import Disk
from goutube.storage.damage import Mended
from goutube.storage.hard_state import HardState, hard_state_path, look_at_hard_state
from goutube.storage.recovered import RecoveredShard
from goutube.storage.segment import shard_directory


def recover_hard_state(
    disk: Disk, recovered: RecoveredShard, owner: bytes, replayed: HardState | None
) -> None:
    """Find a recovered log's term and vote; what its file must be given is left not stored.

    ``replayed`` is the newest that the journal holds. Where the newest is lost, the log tells the
    term that it has reached. That is enough as long as the shard has one replica: whoever else
    could have been voted for in a later term is this same one, ``owner``.
    """
    log = recovered.log
    path = hard_state_path(shard_directory(log.shard))
    stored, damaged = look_at_hard_state(disk, shard_directory(log.shard))
    if damaged:
        reason = f"{damaged} of its 2 slots {'is' if damaged == 1 else 'are'} damaged"
        recovered.mended.append(Mended(path, reason))
    if replayed is not None:
        # The file may show a newer state that was never synced: it counts as not stored.
        log.hard_state = replayed
    elif stored is not None:
        log.hard_state = stored
        if not damaged:
            log.stored_hard_state = stored
    if log.hard_state.term < log.last_term:
        # Entries behind the marks may have come to the disk before their term did.
        lost = log.hard_state.term < log.term_at(recovered.marked_index)
        if lost and not damaged and not recovered.gaps:
            said = "is missing" if stored is None else f"has lost term {log.last_term}"
            recovered.mended.append(Mended(path, f"{path} {said}"))
        log.hard_state = HardState(log.last_term, owner)
