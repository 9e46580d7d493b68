"""What both producers are made of."""

from __future__ import annotations

import random
import secrets

from goutube._native import BatchBuilder
from goutube.client import requests
from goutube.client.sent import SentGroup
from goutube.errors import InvalidArgumentError
from goutube.limits import RECORD_BYTES_MAX
from goutube.names import check_stream_name
from goutube.routing import BATCH_RECORDS, Gatherer, ProducerOptions, StrictSession

_NAME_BYTES_MAX = 255


def make_gatherer(
    stream: str, name: str | None, options: ProducerOptions, budget_ms: int
) -> Gatherer[SentGroup]:
    """The core of a producer, its arguments judged.

    Raises:
        InvalidArgumentError: a name or a bound is not allowed.
    """
    if name is not None and not 0 < len(name.encode()) <= _NAME_BYTES_MAX:
        raise InvalidArgumentError(
            f"the producer's name {name!r} must have 1 to {_NAME_BYTES_MAX} bytes"
        )
    session = StrictSession(
        check_stream_name(stream),
        name or "",
        lambda: secrets.token_bytes(16),
        requests.join,
        random.random,
        options.in_flight,
    )
    builder = BatchBuilder(options.batch_bytes, BATCH_RECORDS, RECORD_BYTES_MAX)
    return Gatherer(session, builder, options, lambda: SentGroup(budget_ms))
