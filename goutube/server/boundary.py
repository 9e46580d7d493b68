"""The one boundary of every RPC: errors become statuses, and each call is counted and told.

All methods take and give bytes, and parse inside: gRPC's own deserializer answers UNKNOWN.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from itertools import groupby
from typing import NoReturn, TypeAlias, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from msgspec import Struct

from goutube.api import status
from goutube.errors import GoutubeError, StorageError, WireFormatError
from goutube.observe import Metrics, events, get_log
from goutube.server.drain import Drain, Stage, shutting_down

Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"
Function: TypeAlias = "Callable[[bytes, Context], Awaitable[bytes | None]]"

_Parsed = TypeVar("_Parsed", bound=Message)

_FAULT = "internal error, see the node's log"


class Method(Struct, frozen=True):
    """One RPC method.

    Attributes:
        path: as gRPC names it.
        function: takes the request (none where requests stream: it reads them from the context)
            and returns the answer (None where answers stream: it writes them to the context).
        stage: when a drain cancels the call.
    """

    path: str
    function: Function
    requests_stream: bool = False
    answers_stream: bool = False
    stage: Stage = Stage.LAST

    @property
    def service(self) -> str:
        """The service's full name."""
        return self.path.split("/")[1]

    @property
    def name(self) -> str:
        """The method's name within its service."""
        return self.path.split("/")[2]


def parse(message_class: type[_Parsed], message: bytes) -> _Parsed:
    """Read a message.

    Raises:
        WireFormatError: the bytes are not such a message.
    """
    try:
        return message_class.FromString(message)
    except DecodeError:
        raise not_a_message(message_class.DESCRIPTOR.full_name, message) from None


def not_a_message(name: str, message: bytes) -> WireFormatError:
    """The error for bytes that are no message of this name."""
    return WireFormatError(
        f"the {len(message)} bytes of the request are not a {name} message; "
        "is the client generated from the same proto file?",
        message_type=name,
    )


async def next_message(context: Context) -> bytes | None:
    """The call's next request; None after the last."""
    message: object = await context.read()
    return message if isinstance(message, bytes) else None


class Boundary:
    """Wraps methods for gRPC.

    Args:
        metrics: where calls are counted.
        drain: where open calls are known.
    """

    def __init__(self, metrics: Metrics, drain: Drain) -> None:
        self._metrics = metrics
        self._drain = drain

    def handlers(self, methods: Iterable[Method]) -> list[grpc.GenericRpcHandler]:
        """What a gRPC server needs to serve these methods."""
        return [
            grpc.method_handlers_generic_handler(
                service, {method.name: self._handler(method) for method in group}
            )
            for service, group in groupby(methods, key=lambda method: method.service)
        ]

    def _handler(self, method: Method) -> grpc.RpcMethodHandler[bytes, bytes]:
        async def serve(request: object, context: Context) -> bytes | None:
            message = request if isinstance(request, bytes) else b""
            return await self._serve(method, message, context)

        match method.requests_stream, method.answers_stream:
            case False, False:
                return grpc.unary_unary_rpc_method_handler(serve)
            case False, True:
                return grpc.unary_stream_rpc_method_handler(serve)
            case True, False:
                return grpc.stream_unary_rpc_method_handler(serve)
            case _:
                return grpc.stream_stream_rpc_method_handler(serve)

    async def _serve(self, method: Method, message: bytes, context: Context) -> bytes | None:
        call = _Call(method, context)
        task = asyncio.current_task()
        assert task is not None
        self._metrics.rpc_began(method.service, method.name)
        with self._drain.open_call(), self._drain.ended_by(task.cancel, method.stage):
            try:
                return await method.function(message, context)
            except GoutubeError as error:
                await call.refuse(error)
            except asyncio.CancelledError:
                if self._drain.reached(method.stage) and not context.cancelled():
                    task.uncancel()
                    await call.refuse(shutting_down())
                call.vanished()
                raise
            except grpc.aio.AbortError:
                call.aborted()
                raise
            except grpc.aio.InternalError as error:
                # A message could not be sent or received any more.
                call.vanished()
                raise asyncio.CancelledError from error
            except Exception as error:  # noqa: BLE001 - one of the three supervised places
                await call.break_off(error)
            finally:
                self._metrics.rpc_ended(method.service, method.name, call.code.name, call.seconds())


class _Call:
    """One call while it is served, and how it ended."""

    __slots__ = ("_began", "_context", "_method", "_peer", "code")

    def __init__(self, method: Method, context: Context) -> None:
        self._method = method
        self._context = context
        self._peer = context.peer()
        self._began = time.perf_counter()
        self.code = grpc.StatusCode.OK

    def seconds(self) -> float:
        return time.perf_counter() - self._began

    async def refuse(self, error: GoutubeError) -> NoReturn:
        self.code, message, trailers = status.to_rpc(error)
        log = get_log().warning if isinstance(error, StorageError) else get_log().info
        log(events.RPC_ENDED, reason=error.reason, message=message, **self._fields())
        await self._context.abort(self.code, message, trailers)

    async def break_off(self, error: Exception) -> NoReturn:
        self.code = grpc.StatusCode.INTERNAL
        get_log().error(events.RPC_FAULT, exc_info=error, **self._fields())
        await self._context.abort(self.code, _FAULT)

    def aborted(self) -> None:
        """A servicer that is not ours has told the client a status."""
        self.code = self._context.code()

    def vanished(self) -> None:
        """The client cancelled, lost the connection or ran out of time."""
        late = self._context.time_remaining() == 0
        self.code = grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED
        get_log().info(events.RPC_ENDED, reason="CLIENT_GONE", **self._fields())

    def _fields(self) -> dict[str, str | float]:
        return {
            "method": self._method.path,
            "code": self.code.name,
            "peer": self._peer,
            "seconds": round(self.seconds(), 6),
        }
