"""``goutube bench``: how fast a running server is, seen by one client process."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import click

from goutube.aio import AsyncClient
from goutube.aio import connect as connect_async
from goutube.cli.bench_runs import Consuming, Producing, Waiting
from goutube.cli.bench_tables import Report, show
from goutube.cli.options import examples, json_option
from goutube.cli.output import progress_bar
from goutube.cli.session import with_client, with_server
from goutube.cli.values import BYTES, STREAM
from goutube.client import Client, connect
from goutube.errors import GoutubeError
from goutube.limits import RECORD_BYTES_MAX

_RECORDS = 1_000_000


def _size(text: str) -> int:
    size = BYTES(text)
    if not 0 < size <= RECORD_BYTES_MAX:
        raise click.BadParameter(f"{text!r} is not in the range 1 to {RECORD_BYTES_MAX}")
    return size


_stream = click.argument("stream", type=STREAM, required=False)
_records = click.option(
    "--records", type=click.IntRange(min=1), metavar="N", help="How many records."
)
_record_bytes = click.option(
    "--size",
    "record_bytes",
    type=_size,
    default="100",
    show_default=True,
    metavar="BYTES",
    help="Length of each record.",
)
_seconds = click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    help="How long at the most.",
)
_keep = click.option("--keep", is_flag=True, help="Do not delete the stream that was made.")


@click.group(
    epilog=examples(
        "goutube bench produce",
        "goutube bench consume --by batches --json",
        "goutube bench latency --rate 500 --seconds 30",
    )
)
def bench() -> None:
    """Measure a running server: rates and latencies as this machine sees them.

    Without STREAM a stream bench/... is made for the run, and deleted after it. Every append is
    durable before it counts, as always. The server's machine, its disk and the network between are
    a part of each figure.
    """


@bench.command(
    epilog=examples(
        "goutube bench produce",
        "goutube bench produce --records 100000 --size 1KiB --linger-ms 0",
        "goutube bench produce load/a --seconds 60 --clients 4 --json",
    )
)
@_stream
@_records
@_seconds
@_record_bytes
@click.option(
    "--linger-ms",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    metavar="MS",
    help="How long a record waits for others to share its batch.",
)
@click.option(
    "--clients",
    type=click.IntRange(min=1, max=100),
    default=1,
    show_default=True,
    metavar="N",
    help="Producers that share the work, each on a thread and with a client of its own.",
)
@_keep
@json_option
@with_server
def produce(  # noqa: PLR0913 - one parameter per option
    *,
    server: tuple[str, ...],
    timeout_s: float,
    stream: str | None,
    records: int | None,
    seconds: float | None,
    record_bytes: int,
    linger_ms: float,
    clients: int,
    keep: bool,
    as_json: bool,
) -> None:
    """Send records through producers; records and bytes a second until all are durable.

    The latency is that of every 100th record, from its sending to its acknowledgement. [default:
    1000000 records]
    """
    run = Producing(_count(records, seconds), seconds, record_bytes, linger_ms)
    with ExitStack() as ends:
        made = [ends.enter_context(connect(*server, timeout_s=timeout_s)) for _ in range(clients)]
        name = ends.enter_context(_stream_for(made[0], stream, keep=keep))
        report = ends.enter_context(_report(name, as_json=as_json))
        report.run = run
        with progress_bar(name, run.total_bytes, wanted=True) as advance:
            run.run(made, name, advance)
        if stream is None:
            run.check(made[0].stat(name))


@bench.command(
    epilog=examples("goutube bench consume", "goutube bench consume videos/a --by chunks --json")
)
@_stream
@_records
@_record_bytes
@click.option(
    "--by",
    type=click.Choice(["records", "batches", "chunks"]),
    default="records",
    show_default=True,
    help="What the client asks for: one object a record, numpy arrays of many, or bare bytes.",
)
@_keep
@json_option
@with_client
def consume(
    client: Client,
    *,
    stream: str | None,
    records: int | None,
    record_bytes: int,
    by: str,
    keep: bool,
    as_json: bool,
) -> None:
    """Read a stream from its start to its end; records and bytes a second.

    With STREAM, all of it is read, or its first N records. Without, N records are made first, which
    is not measured. [default: 1000000 records]
    """
    if stream is not None and by == "chunks" and records is not None:
        raise click.UsageError("--by chunks knows no records; leave --records out")
    run = Consuming(records, by)
    with _stream_for(client, stream, keep=keep) as name:
        if stream is None:
            Producing(_count(records, None), None, record_bytes, linger_ms=5.0).run([client], name)
        info = client.stat(name)
        with _report(name, as_json=as_json) as report:
            report.run = run
            bytes_there = info.end_offset - info.start_offset
            with progress_bar(name, bytes_there, wanted=True) as advance:
                run.run(client, info, advance)
            if stream is None:
                run.check(info)


@bench.command(
    epilog=examples(
        "goutube bench latency",
        "goutube bench latency --clients 16 --size 1KiB",
        "goutube bench latency --rate 500 --seconds 30 --json",
    )
)
@_stream
@_seconds
@_record_bytes
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="R",
    help="Begin R appends a second, whether or not the ones before have ended (open loop).",
)
@click.option(
    "--clients",
    type=click.IntRange(min=1, max=1000),
    default=1,
    show_default=True,
    metavar="N",
    help="Clients, each of which waits for its append before the next (closed loop).",
)
@_keep
@json_option
@with_server
def latency(  # noqa: PLR0913 - one parameter per option
    *,
    server: tuple[str, ...],
    timeout_s: float,
    stream: str | None,
    seconds: float | None,
    record_bytes: int,
    rate: float | None,
    clients: int,
    keep: bool,
    as_json: bool,
) -> None:
    """Append records one by one; how long each took to be durable.

    With --rate, the time counts from the moment at which an append was due: a server that stands
    still is seen in all the appends that it kept waiting, not in one alone. [default: 10 seconds]
    """
    if rate is not None and clients != 1:
        raise click.UsageError("--rate and --clients exclude each other: open loop or closed loop")
    run = Waiting(seconds or 10.0, record_bytes, rate, clients)

    def make() -> AsyncClient:
        return connect_async(*server, timeout_s=timeout_s)

    with (
        connect(*server, timeout_s=timeout_s) as client,
        _stream_for(client, stream, keep=keep) as name,
        _report(name, as_json=as_json) as report,
    ):
        report.run = run
        asyncio.run(run.run(make, name))


def _count(records: int | None, seconds: float | None) -> int | None:
    """How many records; None: until the time is over."""
    return _RECORDS if records is None and seconds is None else records


@contextmanager
def _stream_for(client: Client, stream: str | None, *, keep: bool) -> Iterator[str]:
    """The stream to work on; one of our own goes in the end, whatever came."""
    if stream is not None:
        yield stream
        return
    name = f"bench/{secrets.token_hex(8)}"
    client.create(name)
    try:
        yield name
    finally:
        if not keep:
            with suppress(GoutubeError):
                client.delete(name)


@contextmanager
def _report(stream: str, *, as_json: bool) -> Iterator[Report]:
    """Tell what was measured, also when Ctrl-C cuts it short; nothing where it failed."""
    report = Report(stream)
    try:
        yield report
    except KeyboardInterrupt:
        report.interrupted = True
        show(report, as_json=as_json)
        raise
    show(report, as_json=as_json)
