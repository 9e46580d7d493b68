"""The one table from error classes to gRPC statuses and back; servers and clients both read it.

On the wire an error is a code, a sentence, and a ``google.rpc.Status`` with ``ErrorInfo`` (reason
and fields, for programs) and ``LocalizedMessage`` in the trailing metadata.
Source: https://google.aip.dev/193.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from google.protobuf.message import DecodeError
from google.rpc import (  # type: ignore[import-untyped]  # the package carries no stubs
    error_details_pb2,
    status_pb2,
)
from grpc import StatusCode

from goutube import errors
from goutube.errors import GoutubeError

DOMAIN: Final = "goutube"
DETAILS_KEY: Final = "grpc-status-details-bin"
LOCALE: Final = "en"
MESSAGE_CHARACTERS_MAX: Final = 1000
"""Three copies of a message travel in the trailers, for which clients allow 8 KiB."""

CODES: Final[Mapping[type[GoutubeError], StatusCode]] = MappingProxyType(
    {
        errors.GoutubeError: StatusCode.INTERNAL,
        errors.UsageError: StatusCode.FAILED_PRECONDITION,
        errors.InvalidArgumentError: StatusCode.INVALID_ARGUMENT,
        errors.RecordTooLargeError: StatusCode.INVALID_ARGUMENT,
        errors.StreamNotFoundError: StatusCode.NOT_FOUND,
        errors.StreamExistsError: StatusCode.ALREADY_EXISTS,
        errors.StreamSealedError: StatusCode.FAILED_PRECONDITION,
        errors.OffsetMismatchError: StatusCode.FAILED_PRECONDITION,
        errors.OffsetOutOfRangeError: StatusCode.OUT_OF_RANGE,
        errors.ProducerFencedError: StatusCode.FAILED_PRECONDITION,
        errors.DuplicateSequenceError: StatusCode.ALREADY_EXISTS,
        errors.NotBuiltError: StatusCode.UNIMPLEMENTED,
        errors.ServiceError: StatusCode.UNAVAILABLE,
        errors.OutOfSequenceError: StatusCode.ABORTED,
        errors.OverloadedError: StatusCode.RESOURCE_EXHAUSTED,
        errors.ShuttingDownError: StatusCode.UNAVAILABLE,
        errors.UnavailableError: StatusCode.UNAVAILABLE,
        errors.OutcomeUnknownError: StatusCode.UNAVAILABLE,
        errors.DeadlineExceededError: StatusCode.DEADLINE_EXCEEDED,
        errors.StorageError: StatusCode.INTERNAL,
        errors.CorruptionError: StatusCode.DATA_LOSS,
        errors.DiskFullError: StatusCode.RESOURCE_EXHAUSTED,
        errors.DiskFailedError: StatusCode.UNAVAILABLE,
        errors.DataDirError: StatusCode.FAILED_PRECONDITION,
        errors.WireFormatError: StatusCode.INVALID_ARGUMENT,
        errors.ConfigError: StatusCode.FAILED_PRECONDITION,
    }
)

_CLASSES: Final = {error_class.reason: error_class for error_class in CODES}

_BARE: Final = {
    StatusCode.CANCELLED: errors.UnavailableError,
    StatusCode.INVALID_ARGUMENT: errors.InvalidArgumentError,
    StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceededError,
    StatusCode.NOT_FOUND: errors.StreamNotFoundError,
    StatusCode.ALREADY_EXISTS: errors.StreamExistsError,
    StatusCode.PERMISSION_DENIED: errors.UsageError,
    StatusCode.UNAUTHENTICATED: errors.UsageError,
    StatusCode.RESOURCE_EXHAUSTED: errors.OverloadedError,
    StatusCode.FAILED_PRECONDITION: errors.UsageError,
    StatusCode.ABORTED: errors.ServiceError,
    StatusCode.OUT_OF_RANGE: errors.OffsetOutOfRangeError,
    StatusCode.UNIMPLEMENTED: errors.NotBuiltError,
    StatusCode.UNAVAILABLE: errors.UnavailableError,
    StatusCode.DATA_LOSS: errors.CorruptionError,
}
"""What a code means where no ``ErrorInfo`` of ours came with it: gRPC itself or a proxy made it."""

assert len(_CLASSES) == len(CODES), "two error classes share a reason"


def code_of(error: GoutubeError | type[GoutubeError]) -> StatusCode:
    """Return the gRPC code of an error or of an error class."""
    return CODES[error if isinstance(error, type) else type(error)]


def class_of(reason: str) -> type[GoutubeError] | None:
    """Return the error class that has this reason."""
    return _CLASSES.get(reason)


def to_rpc(error: GoutubeError) -> tuple[StatusCode, str, tuple[tuple[str, bytes], ...]]:
    """Turn an error into a gRPC code, a sentence and trailing metadata."""
    code = code_of(error)
    message = _sendable(error.message)
    details = status_pb2.Status(code=code.value[0], message=message)
    fields = {key: _sendable(value) for key, value in error.fields.items()}
    details.details.add().Pack(
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=fields)
    )
    details.details.add().Pack(error_details_pb2.LocalizedMessage(locale=LOCALE, message=message))
    return code, message, ((DETAILS_KEY, details.SerializeToString()),)


def from_rpc(
    code: StatusCode, message: str, trailers: Iterable[tuple[str, str | bytes]]
) -> GoutubeError:
    """Turn the status of a failed call into the error that it stands for.

    Without details of ours the code decides; then ``code`` is among the fields, and a code that
    only a fault produces becomes a plain ``GoutubeError``.
    """
    info = _error_info(trailers)
    error_class = info and _CLASSES.get(info.reason)
    if info and error_class:
        error = error_class(message)
        error.fields.update(info.metadata)
        return error
    sentence = message or f"the server answered {code.name} and gave no reason"
    return _BARE.get(code, GoutubeError)(sentence, code=code.name)


def _error_info(trailers: Iterable[tuple[str, str | bytes]]) -> error_details_pb2.ErrorInfo | None:
    for key, value in trailers:
        if key != DETAILS_KEY or not isinstance(value, bytes):
            continue
        try:
            details = status_pb2.Status.FromString(value)
            info = error_details_pb2.ErrorInfo()
            for detail in details.details:
                if detail.Unpack(info) and info.domain == DOMAIN:
                    return info
        except DecodeError:
            return None
    return None


def _sendable(text: str) -> str:
    """Cut a text to what trailers hold, and escape what UTF-8 cannot say."""
    if len(text) > MESSAGE_CHARACTERS_MAX:
        text = text[:MESSAGE_CHARACTERS_MAX] + "..."
    return text.encode("utf-8", "backslashreplace").decode()
