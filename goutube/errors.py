"""The whole error tree. A class exists only where some caller would act differently.

GoutubeError                         has a reason, a stable word, and retry: may it be repeated
|-- UsageError                       can never succeed as sent
|   |-- InvalidArgumentError
|   |   `-- RecordTooLargeError
|   |-- StreamNotFoundError
|   |-- StreamExistsError
|   |-- StreamSealedError
|   |-- OffsetMismatchError          a conditional append met another end
|   |-- OffsetOutOfRangeError
|   |-- ProducerFencedError
|   |-- DuplicateSequenceError       older than the window that remembers offsets
|   `-- NotBuiltError                known, but not in this release
|-- ServiceError                     right request, wrong moment
|   |-- OutOfSequenceError
|   |-- OverloadedError
|   |-- ShuttingDownError
|   `-- UnavailableError             nobody answered
|-- OutcomeUnknownError              it may have happened
|-- DeadlineExceededError
|-- StorageError                     this node's disk
|   |-- CorruptionError
|   |-- DiskFullError
|   |-- DiskFailedError
|   `-- DataDirError                 missing, locked, foreign or of another format
|-- WireFormatError                  bytes that are not a message
`-- ConfigError
InvariantError(AssertionError)       our bug: never caught, never mapped; the node stops
"""

from __future__ import annotations

from typing import ClassVar


class GoutubeError(Exception):
    """Base of all errors that a user of Goutube can meet.

    Args:
        message: what was wrong, with which value, and what to do.
        fields: the same as data, for programs; keys and values are short strings.

    Attributes:
        reason: a stable word for programs; never reused for another meaning.
        retry: whether the same request may succeed later.
    """

    reason: ClassVar[str] = "GOUTUBE"
    retry: ClassVar[bool] = False

    def __init__(self, message: str, **fields: str | int) -> None:
        super().__init__(message)
        self.message = message
        self.fields: dict[str, str] = {key: str(value) for key, value in fields.items()}


class UsageError(GoutubeError):
    """The request can never succeed as sent."""

    reason = "USAGE"


class InvalidArgumentError(UsageError):
    """A value is outside what the request allows."""

    reason = "INVALID_ARGUMENT"


class RecordTooLargeError(InvalidArgumentError):
    """A record or batch is longer than the limit."""

    reason = "RECORD_TOO_LARGE"


class StreamNotFoundError(UsageError):
    """No stream of this name, or not the one with this id any more."""

    reason = "STREAM_NOT_FOUND"


class StreamExistsError(UsageError):
    """A stream of this name is there already."""

    reason = "STREAM_EXISTS"


class StreamSealedError(UsageError):
    """The stream has its last byte; nothing can be appended."""

    reason = "STREAM_SEALED"


class OffsetMismatchError(UsageError):
    """The stream does not end at the offset that the append expected; field ``end_offset``."""

    reason = "OFFSET_MISMATCH"


class OffsetOutOfRangeError(UsageError):
    """The offset is outside the stream; fields ``start_offset``, ``end_offset``."""

    reason = "OFFSET_OUT_OF_RANGE"


class ProducerFencedError(UsageError):
    """A newer epoch of this producer has taken over."""

    reason = "PRODUCER_FENCED"


class DuplicateSequenceError(UsageError):
    """The batch was committed before, too long ago for its offsets to be remembered."""

    reason = "DUPLICATE_SEQUENCE"


class NotBuiltError(UsageError):
    """The request asks for something that this release does not have."""

    reason = "NOT_BUILT"


class ServiceError(GoutubeError):
    """The request is right; the moment or the node is not."""

    reason = "SERVICE"
    retry = True


class OutOfSequenceError(ServiceError):
    """A batch came before its predecessor; field ``expected_sequence``."""

    reason = "OUT_OF_SEQUENCE"


class OverloadedError(ServiceError):
    """Too much is under way; field ``retry_after_ms``."""

    reason = "OVERLOADED"


class ShuttingDownError(ServiceError):
    """The node is stopping; another one, or the same a little later, will answer."""

    reason = "SHUTTING_DOWN"


class UnavailableError(ServiceError):
    """No server answered."""

    reason = "UNAVAILABLE"


class OutcomeUnknownError(GoutubeError):
    """The append may have happened; only reading the stream can tell."""

    reason = "OUTCOME_UNKNOWN"


class DeadlineExceededError(GoutubeError):
    """The time that the caller gave has passed."""

    reason = "DEADLINE_EXCEEDED"


class StorageError(GoutubeError):
    """The node's own disk or data directory."""

    reason = "STORAGE"


class CorruptionError(StorageError):
    """Durable bytes are damaged; a stream's are gone from ``first_offset`` to ``after_offset``."""

    reason = "CORRUPTION"


class DiskFullError(StorageError):
    """No space is left; nothing was written."""

    reason = "DISK_FULL"
    retry = True


class DiskFailedError(StorageError):
    """A write or sync has failed: the node takes no appends until it is started again."""

    reason = "DISK_FAILED"
    retry = True


class DataDirError(StorageError):
    """The data directory cannot be used: missing, in use, another node's, or of another format."""

    reason = "DATA_DIR"


class WireFormatError(GoutubeError):
    """Bytes that are not a message of the wire contract."""

    reason = "WIRE_FORMAT"


class ConfigError(GoutubeError):
    """A setting is unknown or has a value that is not allowed."""

    reason = "CONFIG"


class InvariantError(AssertionError):
    """Goutube itself is wrong; the node stops rather than go on from a false state."""
