"""The whole server with the world left out: commands and outcomes in, jobs and replies out."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable
from functools import partial
from operator import attrgetter

from msgspec import Struct, field

from goutube._native import ReadRun
from goutube.errors import GoutubeError, StorageError
from goutube.names import check_stream_name
from goutube.node.catalogues import CatalogueWriter
from goutube.node.commands import (
    Append,
    ChangeStream,
    Command,
    CreateStream,
    DescribeStream,
    ListStreams,
    NodeReport,
    Read,
    Reply,
    Result,
)
from goutube.node.control import check_properties
from goutube.node.judge import Proposable
from goutube.node.listing import list_page
from goutube.node.reader import Reader
from goutube.node.reclaim import Reclaimer
from goutube.node.retention import KEEP_ALL, Retention, RetentionLimits
from goutube.node.scrub import Scrubber
from goutube.node.shard import Shard
from goutube.node.space import Space, SpaceWatch
from goutube.node.stats import NodeStats
from goutube.node.streams import Change, stream_info
from goutube.ports import Clock, Disk, Entropy, Job, Outcome, Room
from goutube.ring import ShardMap
from goutube.storage import (
    FLAG_CREATES,
    Checkpointer,
    Damage,
    DirectoryOptions,
    EntryKind,
    OpenedStore,
    StorageConfig,
    open_store,
    shard_directory,
    write_damages,
)

_name_of = attrgetter("name")
_OWN_TOKEN = 0
"""Of what the node itself proposes; nobody waits for the answer."""
_NEEDING_ROOM = (Append, CreateStream, ChangeStream)
_CHORES_MS = 10
"""So long they are put off at most, as long as one journal group follows another."""


class NodeOptions(Struct, frozen=True, kw_only=True):
    """What a node is opened with; sizes of storage are in ``storage``."""

    node_name: str
    shard_count: int
    hash_function: str
    storage: StorageConfig = field(default_factory=StorageConfig)
    retention: RetentionLimits = KEEP_ALL


class Ready(Struct, frozen=True):
    """What is to be done now.

    Attributes:
        deadline_ms: when to call ``advance`` again at the latest, on the monotonic clock.
    """

    jobs: list[Job]
    replies: list[Reply]
    deadline_ms: int | None


class Node:
    """A node that leads all shards of its data directory.

    A round is: ``advance`` with a fresh clock reading, everything that has arrived through
    ``submit``, ``completed`` and ``cancel``, then ``ready`` once.
    """

    def __init__(self, opened: OpenedStore, options: NodeOptions) -> None:
        self.store = opened.store
        self.stats = NodeStats()
        self.recovered = opened
        vote = bytes.fromhex(self.store.identity.incarnation)
        self._map = ShardMap(options.shard_count, options.hash_function)
        self.shards = [
            Shard(recovered, vote, partial(self._is_of, recovered.log.shard))
            for recovered in opened.shards
        ]
        self._streams = sorted(s for shard in self.shards for s in shard.catalogue.by_name.values())
        self._checkpointer = Checkpointer(self.store)
        self._reclaimer = Reclaimer(self.store, self.shards)
        self._retention = Retention(self.shards, options.retention)
        self.scrubber = Scrubber(self.store, self.shards)
        self._replies: list[Reply] = []
        self._reader = Reader(self.store, self._reply, self.stats)
        self._wall_ms = 0
        self._now_ms = 0
        self._space = SpaceWatch(self.store)
        self._appended = False
        """Whether anything was since the free space was last looked after."""
        self._catalogues = CatalogueWriter(self.store, self.shards)
        self._own_trims = False
        """Whether any reply may be to a command of the node's own."""
        self._draining = False
        self._failed = False
        self._stirred = True  # whether anything but reads has happened since the last chores
        self._due_ms: int | None = 0  # at once
        self._chores_ms = 0

    # Events in

    def submit(self, token: int, command: Command) -> None:
        """Take a command; its reply carries ``token``, whatever comes of it."""
        try:
            match command:
                case Append():  # first: it is asked for most often
                    self._propose(token, command)
                case Read():
                    shard = self._shard_of(command.name)
                    stream = shard.stream_named(command.name, command.stream_id)
                    self._reader.begin(token, shard, stream, command)
                case DescribeStream():
                    shard = self._shard_of(command.name)
                    stream = shard.stream_named(command.name, command.stream_id)
                    self._reply(token, stream_info(stream))
                case ListStreams():
                    self._reply(token, list_page(self._streams, command))
                case _:
                    self._propose(token, command)
        except GoutubeError as error:
            self._replies.append(Reply(token, error=error))

    def completed(self, outcome: Outcome) -> None:
        """Take in how a job ended."""
        self._stirred = self._stirred or type(outcome.value) is not ReadRun
        self.store.completed(outcome)

    def cancel(self, token: int) -> None:
        """Forget a read that waits for more; anything else goes on."""
        self._reader.cancel(token)

    def advance(self, wall_ms: int, monotonic_ms: int) -> None:
        """Take in what time it is; called before every round's events."""
        self._wall_ms = wall_ms
        self._now_ms = monotonic_ms

    def drain(self) -> None:
        """Bring everything into the segments and catalogues, so that the next start is quick."""
        if not self._draining and self.healthy:
            self.store.seal_long()
        self._draining = self._stirred = True

    # What comes out

    @property
    def can_wait(self) -> bool:
        """Whether a round may be left out when nothing but commands has come since the last one.

        What they are about waits for the journal group under way, whose end brings a round.
        """
        return not self._replies and self.store.can_wait

    def ready(self) -> Ready:
        """The jobs to start and the replies to give; called once a round."""
        for log in self.store.take_advanced():
            shard = self.shards[log.shard]
            self._catalogues.grown[log.shard] = shard
            changes, replies = shard.commit()
            self._replies += replies
            for change in changes:
                self._committed(shard, change)
        if self._chores_due:
            self._due_ms = self._do_chores()
        elif self._stirred:
            put_off_ms = self._chores_ms + _CHORES_MS
            self._due_ms = put_off_ms if self._due_ms is None else min(self._due_ms, put_off_ms)
        jobs = self.store.ready()
        replies, self._replies = self._replies, []
        if self._own_trims:
            replies = [reply for reply in replies if reply.token != _OWN_TOKEN]
        return Ready(jobs, replies, self._due_ms)

    @property
    def _chores_due(self) -> bool:
        """Not in rounds of nothing but reads, as most of a bulk read are, nor always under load."""
        if self._due_ms is not None and self._now_ms >= self._due_ms:
            return True
        under_load = self.store.grouping and not (self._checkpointer.running or self._draining)
        return self._stirred and not under_load

    def _do_chores(self) -> int | None:
        """All that goes on beside commands; when it does again, if nothing happens first."""
        self._stirred = False
        self._chores_ms = self._now_ms
        deadlines: list[int | None] = []
        if self.store.failure is not None:
            self._fail(self.store.failure)
        else:
            deadlines.append(self._space.advance(self._now_ms, active=self._appended))
            self._appended = False
            self._catalogues.advance(self._reclaimer.take_uncovered(), whole=self._draining)
            if self._draining and self.store.journal_dirty:
                self._checkpointer.ask()
        if self._reclaimer.take_journal_behind() and not self.store.journal_dirty:
            self._checkpointer.renew()
        deadlines.append(self._checkpointer.advance(self._now_ms))
        if self._draining:
            self._reclaimer.stop()
        elif self.healthy:
            deadlines.append(self._reclaimer.advance(self._now_ms))
            deadlines.append(self._retain())
            deadlines.append(self.scrubber.advance(self._now_ms, self._wall_ms))
        return min((due for due in deadlines if due is not None), default=None)

    @property
    def healthy(self) -> bool:
        """Whether the node takes appends as far as its disk is concerned."""
        return self.store.failure is None

    @property
    def drained(self) -> bool:
        """Whether a drain that was asked for is complete, or cannot be completed."""
        if self.store.failure is not None:
            return True
        if self._draining and self.store.stuck:
            return True  # the next start brings it from the journal
        return (
            self._draining
            and self.store.idle
            and not self._checkpointer.running
            and not self.store.journal_dirty
            and not any(shard.behind for shard in self.shards)
        )

    def report(self) -> NodeReport:
        """Who this node is and what its shards are doing."""
        identity = self.store.identity
        return NodeReport(
            bytes.fromhex(identity.cluster_id),
            identity.node_name,
            bytes.fromhex(identity.incarnation),
            identity.boot,
            [shard.status() for shard in self.shards],
        )

    def watch_damage(self, tell: Callable[[Damage], None]) -> None:
        """Have ``tell`` called with all damage that is known, and with what is found later."""
        for shard in self.shards:
            for damage in shard.log.damages:
                tell(damage)
            shard.log.on_damage = tell

    @property
    def space(self) -> Space:
        """How much room the disk has left."""
        return self._space.space

    def watch_space(self, tell: Callable[[Space, Room], None]) -> None:
        """Have ``tell`` called when that changes."""
        self._space.tell = tell

    @property
    def damages(self) -> list[Damage]:
        """The ranges of bytes that are in quarantine."""
        return [damage for shard in self.shards for damage in shard.log.damages]

    @property
    def damaged_ranges(self) -> int:
        """How many ranges of bytes are in quarantine."""
        return len(self.damages)

    @property
    def damaged_bytes(self) -> int:
        """How many bytes they have."""
        return sum(damage.byte_count for damage in self.damages)

    @property
    def stream_count(self) -> int:
        """How many streams there are."""
        return len(self._streams)

    # Inside

    def _is_of(self, shard: int, name: str) -> bool:
        return self._map.shard_of(name) == shard

    def _shard_of(self, name: str) -> Shard:
        return self.shards[self._map.shard_of(check_stream_name(name))]

    def _reply(self, token: int, result: Result = None, error: GoutubeError | None = None) -> None:
        self._replies.append(Reply(token, result, error))

    def _propose(self, token: int, command: Proposable) -> None:
        self._stirred = True
        shard = self._shard_of(command.name)
        if isinstance(command, (CreateStream, ChangeStream)):
            check_properties(command.properties)
        if self.store.failure is not None:
            raise self.store.failure
        if isinstance(command, _NEEDING_ROOM):
            self._space.check()
        reply = shard.propose(token, command, self._wall_ms)
        if shard.log.staged:
            self.store.staged(shard.log)
            self._appended = True
        if reply is not None:
            self._replies.append(reply)

    def _retain(self) -> int:
        """Propose what retention wants trimmed; when to look again."""
        trims, due_ms = self._retention.advance(self._now_ms, self._wall_ms)
        for shard, trim in trims:
            self._own_trims = True
            self.stats.retention_trims += 1
            reply = shard.propose(_OWN_TOKEN, trim, self._wall_ms)
            self.store.staged(shard.log)
            if reply is not None:
                self._replies.append(reply)
        return due_ms

    def _committed(self, shard: Shard, change: Change) -> None:
        """Count a committed entry and wake those who wait for its stream."""
        if change.kind == EntryKind.BATCH:
            self.stats.appends += 1
            self.stats.append_records += change.record_count
            self.stats.append_bytes += change.data_bytes
        stream = shard.catalogue.by_id.get(change.stream_id)
        if change.flags & FLAG_CREATES and stream is not None:
            insort(self._streams, stream)
        if change.kind in (EntryKind.TRIM, EntryKind.DELETE):
            self._reclaimer.touched(shard, change.stream_id)
        if stream is None:
            self._forget_names(shard, change)
        self._reader.wake(shard, change.stream_id, stream)

    def _forget_names(self, shard: Shard, change: Change) -> None:
        name = shard.deleted_names.pop(change.stream_id, None)
        if name is not None:
            place = bisect_left(self._streams, name, key=_name_of)
            if place < len(self._streams) and self._streams[place].name == name:
                del self._streams[place]

    def _fail(self, failure: StorageError) -> None:
        if self._failed:
            return
        self._failed = True
        for shard in self.shards:
            self._replies += shard.fail(failure)


def open_node(disk: Disk, clock: Clock, entropy: Entropy, options: NodeOptions) -> Node:
    """Found or recover a data directory and the node in it; does the disk's work itself.

    Raises:
        DataDirError, CorruptionError: the directory cannot be used as it is.
    """
    directory = DirectoryOptions(options.node_name, options.shard_count, options.hash_function)
    node = Node(open_store(disk, entropy, options.storage, directory), options)
    for recovered in node.recovered.shards:
        if recovered.gaps or recovered.forgot_damage:
            log = recovered.log
            write_damages(disk, shard_directory(log.shard), log.damages)
    node.advance(clock.wall_ms(), clock.monotonic_ms())
    return node
