"""One shard of this node: its log, its catalogue, and who waits for which entry."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from msgspec import Struct

from goutube._native import BATCH_DELTAS, last_delta
from goutube.errors import (
    CorruptionError,
    GoutubeError,
    OutcomeUnknownError,
    StreamNotFoundError,
)
from goutube.model import AppendResult, ProducerStamp, StreamId, stream_id_of
from goutube.node.commands import Append, Reply, ShardStatus
from goutube.node.judge import Proposable, Settled, existing_stream, judge
from goutube.node.losses import Losses
from goutube.node.state import decode_catalogue
from goutube.node.streams import Catalogue, Change, Stream, Tail, stream_info
from goutube.storage import (
    EntryKind,
    HardState,
    NewEntry,
    RecoveredEntry,
    RecoveredShard,
    ShardLog,
    checkpoint_path,
    shard_directory,
)


class _Waiting(Struct, frozen=True):
    """Who is answered once the entry at ``index`` is committed, and with what.

    Without a result and an error the answer is the stream as it is then, or nothing if it is gone.
    """

    index: int
    token: int
    stream_name: str
    result: AppendResult | None
    error: GoutubeError | None


class Shard:
    """A replica that leads its shard.

    Args:
        vote: 16 bytes, this node's incarnation: a lone voter elects itself.
        is_ours: whether a stream's name belongs to this shard.
    """

    def __init__(
        self, recovered: RecoveredShard, vote: bytes, is_ours: Callable[[str], bool]
    ) -> None:
        self.log: ShardLog = recovered.log
        checkpoint = recovered.checkpoint
        path = checkpoint_path(shard_directory(self.log.shard), self.log.checkpoint_slot)
        self.catalogue = (
            decode_catalogue(checkpoint.state, checkpoint.index, path)
            if checkpoint
            else Catalogue()
        )
        recovered.forget_state()
        self._losses = Losses(self.catalogue, recovered, is_ours)
        for entry in recovered.entries():
            self._losses.fold(_recovered_change(entry))
        for damage in self._losses.finish():
            self.log.note_damage(damage)
        self.log.fault = self.log.fault or self._losses.doubt
        accepted = [gap.last_index for gap in recovered.gaps if gap.accepted]
        uncovered = max(accepted, default=0) > self.log.checkpoint_index
        self.renew_checkpoint = (recovered.renew_checkpoint or uncovered) and not self.log.fault
        """Whether the catalogue should be written anew: a checkpoint of it is damaged, or none
        covers what was given up."""
        self.tail = Tail(self.catalogue)
        self._vote = vote
        self.checkpointing = False
        """Whether a checkpoint of the catalogue is being written."""
        self.deleted_names: dict[int, str] = {}
        """Stream id -> name of streams whose deletion has just been committed."""
        self._term = 0
        """The term that this node leads in; 0 until the first proposal of this life."""
        self._uncommitted: deque[Change] = deque()
        self._waiting: deque[_Waiting] = deque()

    def stream_named(self, name: str, stream_id: StreamId) -> Stream:
        """The committed stream of a name, if it is the one meant.

        Raises:
            StreamNotFoundError: it is not there.
            CorruptionError: it may have been there.
        """
        try:
            return existing_stream(self.catalogue.by_name.get(name), name, stream_id)
        except StreamNotFoundError as error:
            if self._losses.doubt:
                raise CorruptionError(
                    f"{error.message}, as far as is known: {self._losses.doubt}", stream=name
                ) from None
            raise

    def check_end(self, stream: Stream) -> None:
        """Check that a stream ends where it seems to.

        Raises:
            CorruptionError: bytes behind its end may be lost.
        """
        if self._losses.doubts(stream.stream_id):
            raise CorruptionError(
                f"the stream {stream.name!r} may have gone on beyond {stream.end}: "
                f"{self._losses.doubt}",
                stream=stream.name,
                offset=stream.end,
            )

    def in_doubt(self, stream: Stream) -> bool:
        """Whether a stream may have gone on behind its end, for all that is known."""
        return not stream.sealed and self._losses.doubts(stream.stream_id)

    def propose(self, token: int, command: Proposable, now_ms: int) -> Reply | None:
        """Judge a command and append its entry, if it needs one.

        Returns:
            the answer, where it can be given at once.
        """
        result: AppendResult | None = None
        error: GoutubeError | None = None
        if self.log.fault:
            fault = f"shard {self.log.shard} takes no writes: {self.log.fault}"
            return Reply(token, error=CorruptionError(fault, shard=self.log.shard))
        try:
            verdict = judge(self.tail, command, now_ms)
        except GoutubeError as refusal:
            error = refusal
        else:
            if isinstance(verdict, Settled):
                result = verdict.result
            else:
                appended = self._append(verdict)
                result = appended if isinstance(command, Append) else None
        index = self.log.last_index
        waiting = _Waiting(index, token, command.name, result, error)
        if not self._uncommitted:
            return self._answer(waiting)
        self._waiting.append(waiting)
        return None

    def _append(self, entry: NewEntry) -> AppendResult:
        if not self._term:
            self._term = self.log.hard_state.term + 1
            self.log.set_hard_state(HardState(self._term, self._vote))
        index = self.log.append(entry, self._term)
        batch, stamp, last_stamp = entry.batch, entry.stamp_ms, entry.stamp_ms
        count = size = checksum = 0
        if batch is not None:
            count, size, checksum = batch.record_count, len(batch.data), batch.checksum
            if batch.flags & BATCH_DELTAS:
                last_stamp += last_delta(count, batch.flags, batch.tables)
        stream_id = StreamId(entry.stream_id) or stream_id_of(self.log.shard, index)
        change = Change(
            index, entry.kind, entry.flags, stream_id, entry.offset, entry.ordinal, stamp,
            last_stamp, count, size, checksum, entry.producer, entry.control,
        )  # fmt: skip
        self.tail.propose(change)
        self._uncommitted.append(change)
        return AppendResult(entry.offset, entry.offset + size, stream_id)

    def commit(self) -> tuple[list[Change], list[Reply]]:
        """Fold in what the log has committed: the changes, and the answers that are due."""
        commit_index = self.log.commit_index
        changes: list[Change] = []
        while self._uncommitted and self._uncommitted[0].index <= commit_index:
            change = self._uncommitted.popleft()
            if change.kind == EntryKind.DELETE:
                self.deleted_names[change.stream_id] = self.catalogue.by_id[change.stream_id].name
            self.catalogue.apply(change)
            self.tail.committed(change)
            changes.append(change)
        replies: list[Reply] = []
        while self._waiting and self._waiting[0].index <= self.catalogue.applied_index:
            replies.append(self._answer(self._waiting.popleft()))
        return changes, replies

    def fail(self, error: GoutubeError) -> Iterable[Reply]:
        """The answers for everybody who waits, once nothing more will be committed.

        A refusal that waited rests on entries that may never be: only the failure is certain.
        """
        waiting, self._waiting = self._waiting, deque()
        self._uncommitted.clear()
        return [Reply(w.token, error=error if w.error else _unconfirmed(w, error)) for w in waiting]

    def _answer(self, waiting: _Waiting) -> Reply:
        if waiting.error is not None:
            return Reply(waiting.token, error=waiting.error)
        if waiting.result is not None:
            return Reply(waiting.token, waiting.result)
        stream = self.catalogue.by_name.get(waiting.stream_name)
        return Reply(waiting.token, stream_info(stream) if stream is not None else None)

    @property
    def behind(self) -> int:
        """How many entries the next start would have to fold behind the catalogue's checkpoint.

        None that a checkpoint would spare it: a catalogue in doubt is never written down.
        """
        if self.log.fault:
            return 0
        return self.catalogue.applied_index - self.log.checkpoint_index

    @property
    def scans_long(self) -> bool:
        """Whether a start would scan a long sealed segment, which a catalogue now spares it."""
        log = self.log
        if len(log.segments) < 2 or self.behind < len(self.catalogue.by_id):
            return False
        newest = log.segments[-2]
        return newest.sealed and newest.long and newest.last_index > log.checkpoint_index

    def status(self) -> ShardStatus:
        """What the shard is doing."""
        log = self.log
        return ShardStatus(
            log.shard,
            log.hard_state.term,
            log.last_index,
            self.catalogue.applied_index,
            len(self.catalogue.by_id),
            log.fault,
            tuple(log.damages),
        )


def _recovered_change(entry: RecoveredEntry) -> Change:
    header = entry.header
    producer = None
    if header.kind == EntryKind.BATCH and header.producer_id != bytes(16):
        producer = ProducerStamp(header.producer_id, header.epoch, header.sequence)
    return Change(
        header.index,
        header.kind,
        header.flags,
        header.stream_id,
        header.offset,
        header.ordinal,
        header.stamp,
        entry.last_stamp,
        header.record_count,
        header.data_bytes,
        header.checksum,
        producer,
        entry.control,
    )


def _unconfirmed(waiting: _Waiting, failure: GoutubeError) -> OutcomeUnknownError:
    """What was on its way to a disk that failed may be found there by the next start."""
    error = OutcomeUnknownError(
        f"a write to {waiting.stream_name!r} was under way when {failure.message}; it may have "
        "happened",
        stream=waiting.stream_name,
    )
    error.__cause__ = failure
    return error
