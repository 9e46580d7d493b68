"""``grpc.health.v1`` and reflection, through the same boundary as every other service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Final

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health, health_pb2  # type: ignore[import-untyped]  # has no stubs
from grpc_reflection.v1alpha import (  # type: ignore[import-untyped]  # has no stubs
    reflection,
    reflection_pb2,
)

from goutube.api import admin_pb2, cluster_pb2, stream_pb2, streaming_pb2
from goutube.server.boundary import Context, Method, next_message, parse
from goutube.server.drain import Stage

HEALTH_SERVICE: Final[str] = health.SERVICE_NAME
REFLECTION_SERVICE: Final[str] = reflection.SERVICE_NAME
_Status = health_pb2.HealthCheckResponse


class HealthService:
    """Tells whether the node serves: as a whole (the empty name) and each service by name."""

    def __init__(self, services: Iterable[str]) -> None:
        self._services = ("", *services)
        self._servicer = health.aio.HealthServicer()
        self._told = _Status.NOT_SERVING

    def methods(self) -> list[Method]:
        """What to serve."""
        return [
            Method(f"/{HEALTH_SERVICE}/Check", self._check),
            Method(f"/{HEALTH_SERVICE}/List", self._list),
            Method(f"/{HEALTH_SERVICE}/Watch", self._watch, answers_stream=True, stage=Stage.BEGIN),
        ]

    async def set_serving(self, serving: bool) -> None:
        """Say of every service whether it serves."""
        self._told = _Status.SERVING if serving else _Status.NOT_SERVING
        for service in self._services:
            await self._servicer.set(service, self._told)

    async def _check(self, message: bytes, context: Context) -> bytes:
        request = parse(health_pb2.HealthCheckRequest, message)
        answer = await self._servicer.Check(request, context)
        encoded: bytes = answer.SerializeToString()
        return encoded

    async def _list(self, message: bytes, _context: Context) -> bytes:
        parse(health_pb2.HealthListRequest, message)
        statuses = {service: _Status(status=self._told) for service in self._services}
        encoded: bytes = health_pb2.HealthListResponse(statuses=statuses).SerializeToString()
        return encoded

    async def _watch(self, message: bytes, context: Context) -> None:
        request = parse(health_pb2.HealthCheckRequest, message)
        await self._servicer.Watch(request, _Writer(context))


class _Writer:
    """A context that takes messages instead of bytes."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def write(self, message: health_pb2.HealthCheckResponse) -> None:
        await self._context.write(message.SerializeToString())


class ReflectionService:
    """Tells generic tools which services there are and what their messages look like."""

    def __init__(self, services: Iterable[str]) -> None:
        self._servicer = reflection.aio.ReflectionServicer(services, pool=_public_pool())

    def methods(self) -> list[Method]:
        """What to serve."""
        return [
            Method(
                f"/{REFLECTION_SERVICE}/ServerReflectionInfo",
                self._info,
                requests_stream=True,
                answers_stream=True,
                stage=Stage.BEGIN,
            )
        ]

    async def _info(self, _message: bytes, context: Context) -> None:
        answers = self._servicer.ServerReflectionInfo(_requests(context), context)
        async for answer in answers:
            await context.write(answer.SerializeToString())


async def _requests(context: Context) -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
    while (message := await next_message(context)) is not None:
        yield parse(reflection_pb2.ServerReflectionRequest, message)


def _public_pool() -> DescriptorPool:
    """Our protos and those of the services that stand beside them, in one pool."""
    pool = DescriptorPool()
    files: list[FileDescriptor] = [
        module.DESCRIPTOR
        for module in (
            admin_pb2,
            cluster_pb2,
            stream_pb2,
            streaming_pb2,
            health_pb2,
            reflection_pb2,
        )
    ]
    for file in files:
        pool.AddSerializedFile(file.serialized_pb)
    return pool
