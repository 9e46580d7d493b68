"""``goutube streams``: list, describe, make, change, seal, trim and remove streams."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from goutube.cli.options import examples, json_option
from goutube.cli.output import print_fields, print_json, print_table, tell
from goutube.cli.session import with_client
from goutube.cli.values import BOUND_AGE, BOUND_BYTES, BYTES, PAIR, STREAM, Bound
from goutube.client import Client
from goutube.model import StreamInfo


@click.group(epilog=examples("goutube streams ls videos/", "goutube streams stat videos/a --json"))
def streams() -> None:
    """List, describe, make, change, seal, trim and remove streams."""


@streams.command("ls", epilog=examples("goutube streams ls", "goutube streams ls videos/ --json"))
@click.argument("prefix", default="")
@json_option
@with_client
def list_streams(client: Client, *, prefix: str, as_json: bool) -> None:
    """List the streams whose names begin with PREFIX, or all."""
    found = list(client.list(prefix))
    if as_json:
        print_json([_as_json(info) for info in found])
        return
    rows = [
        [info.name, str(info.start_offset), str(info.end_offset), _yes(answer=info.sealed)]
        for info in found
    ]
    print_table(["name", "start_offset", "end_offset", "sealed"], rows)


@streams.command("stat", epilog=examples("goutube streams stat videos/a"))
@click.argument("stream", type=STREAM)
@json_option
@with_client
def describe(client: Client, *, stream: str, as_json: bool) -> None:
    """Tell what STREAM is: where it starts and ends, and whether it is sealed."""
    info = client.stat(stream)
    if as_json:
        print_json(_as_json(info))
        return
    print_fields(
        {
            "name": info.name,
            "stream_id": str(info.stream_id),
            "start_offset": str(info.start_offset),
            "end_offset": str(info.end_offset),
            "record_count": str(info.record_count),
            "sealed": _yes(answer=info.sealed),
            "created": _moment(info.created_ms),
            "modified": _moment(info.modified_ms),
            "content_type": info.properties.content_type,
            "retention_bytes": _bound(info.properties.retention_bytes),
            "retention_ms": _bound(info.properties.retention_ms),
            **{f"metadata {key}": value for key, value in info.properties.metadata.items()},
        }
    )


_bytes_option = click.option(
    "--retention-bytes",
    type=BOUND_BYTES,
    metavar="N",
    help="Keep so many of the newest bytes; 0: all, default: as the node's setting says.",
)
_age_option = click.option(
    "--retention-age",
    type=BOUND_AGE,
    metavar="AGE",
    help="Drop what is older, as 7d; 0: nothing, default: as the node's setting says.",
)


@streams.command(
    "create",
    epilog=examples(
        "goutube streams create videos/a",
        "goutube streams create videos/a --content-type video/mp4 --metadata title=Harbour",
        "goutube streams create logs/app --retention-age 7d --retention-bytes 1GiB",
    ),
)
@click.argument("stream", type=STREAM)
@click.option("--content-type", default="", metavar="TYPE", help="A media type, as video/mp4.")
@click.option(
    "--metadata", type=PAIR, multiple=True, metavar="KEY=VALUE", help="May be given often."
)
@_bytes_option
@_age_option
@json_option
@with_client
def create(
    client: Client,
    *,
    stream: str,
    content_type: str,
    metadata: tuple[tuple[str, str], ...],
    retention_bytes: Bound,
    retention_age: Bound,
    as_json: bool,
) -> None:
    """Make an empty STREAM. The first append makes one too, without properties."""
    info = client.create(
        stream,
        content_type=content_type,
        metadata=dict(metadata),
        retention_bytes=None if retention_bytes == "default" else retention_bytes,
        retention_ms=None if retention_age == "default" else retention_age,
    )
    _report(info, "created", as_json=as_json)


@streams.command(
    "change",
    epilog=examples(
        "goutube streams change logs/app --retention-age 30d",
        "goutube streams change logs/app --retention-age default --retention-bytes 0",
    ),
)
@click.argument("stream", type=STREAM)
@click.option("--content-type", metavar="TYPE", help="A media type, as video/mp4.")
@click.option(
    "--metadata",
    type=PAIR,
    multiple=True,
    metavar="KEY=VALUE",
    help="May be given often; replaces all that is there.",
)
@_bytes_option
@_age_option
@json_option
@with_client
def change(
    client: Client,
    *,
    stream: str,
    content_type: str | None,
    metadata: tuple[tuple[str, str], ...],
    retention_bytes: Bound,
    retention_age: Bound,
    as_json: bool,
) -> None:
    """Set properties of STREAM; what is not named stays as it is."""
    info = client.change(
        stream,
        content_type=content_type,
        metadata=dict(metadata) or None,
        retention_bytes=retention_bytes,
        retention_ms=retention_age,
    )
    _report(info, "changed", as_json=as_json)


@streams.command("seal", epilog=examples("goutube streams seal videos/a"))
@click.argument("stream", type=STREAM)
@json_option
@with_client
def seal(client: Client, *, stream: str, as_json: bool) -> None:
    """End STREAM: no byte follows, ever. Sealing twice is fine."""
    info = client.seal(stream)
    _report(info, f"sealed at {info.end_offset}", as_json=as_json)


@streams.command("trim", epilog=examples("goutube streams trim logs/app --before 64MiB"))
@click.argument("stream", type=STREAM)
@click.option("--before", type=BYTES, required=True, metavar="N", help="The first offset to keep.")
@json_option
@with_client
def trim(client: Client, *, stream: str, before: int, as_json: bool) -> None:
    """Drop the bytes of STREAM before an offset; the others keep their offsets."""
    info = client.trim(stream, before)
    _report(info, f"begins at {info.start_offset} now", as_json=as_json)


@streams.command("rm", epilog=examples("goutube streams rm videos/a"))
@click.argument("stream", type=STREAM)
@json_option
@with_client
def remove(client: Client, *, stream: str, as_json: bool) -> None:
    """Remove STREAM and all of its bytes, without asking."""
    client.delete(stream)
    if as_json:
        print_json({"name": stream, "removed": True})
    else:
        tell(f"{stream}: removed.")


def _report(info: StreamInfo, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json(_as_json(info))
    else:
        tell(f"{info.name}: {what}.")


def _as_json(info: StreamInfo) -> dict[str, object]:
    return {
        "name": info.name,
        "stream_id": info.stream_id,
        "start_offset": info.start_offset,
        "end_offset": info.end_offset,
        "record_count": info.record_count,
        "sealed": info.sealed,
        "created_ms": info.created_ms,
        "modified_ms": info.modified_ms,
        "content_type": info.properties.content_type,
        "metadata": dict(info.properties.metadata),
        "retention_bytes": info.properties.retention_bytes,
        "retention_ms": info.properties.retention_ms,
    }


def _bound(value: int | None) -> str:
    return "" if value is None else str(value)


def _yes(*, answer: bool) -> str:
    return "yes" if answer else "no"


def _moment(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="milliseconds")
