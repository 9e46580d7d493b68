"""``goutube log``: look into a data directory while no agent runs on it, and repair it."""

from __future__ import annotations

from pathlib import Path

import click
from msgspec import to_builtins

from goutube.cli.log_repair import repair
from goutube.cli.options import examples, json_option
from goutube.cli.output import EXIT_FAILURE, print_fields, print_json, print_table, tell
from goutube.errors import DataDirError
from goutube.runtime import OsDisk
from goutube.storage import DirectoryReport, inspect_directory

_directory = click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")


@click.group(
    epilog=examples(
        "goutube log inspect data", "goutube log verify data", "goutube log repair data"
    )
)
def log() -> None:
    """Look into a data directory, offline; only repair changes it, and only if told to."""


log.add_command(repair)


@log.command(epilog=examples("goutube log inspect data", "goutube log inspect data --json"))
@_directory
@json_option
def inspect(*, directory: Path, as_json: bool) -> None:
    """Tell what the data directory DIR holds: its identity, its shards, their segments."""
    report = _read(directory)
    if as_json:
        print_json(_as_json(report))
        return
    identity = report.identity
    print_fields(
        {
            "node": identity.node_name,
            "cluster_id": identity.cluster_id,
            "shard_count": str(identity.shard_count),
            "hash_function": identity.hash_function,
            "journal_groups": str(report.journal_groups),
            "journal_bytes": str(report.journal_bytes),
        }
    )
    columns = ["shard", "segment", "first_index", "last_index", "entries", "records", "data_bytes"]
    print_table(
        columns,
        [
            [
                str(shard.shard),
                segment.path,
                str(segment.first_index),
                str(segment.last_index),
                str(segment.entry_count),
                str(segment.record_count),
                str(segment.data_bytes),
            ]
            for shard in report.shards
            for segment in shard.segments
        ],
    )
    _tell_findings(report)


@log.command(epilog=examples("goutube log verify data && echo whole"))
@_directory
@json_option
@click.pass_context
def verify(context: click.Context, /, *, directory: Path, as_json: bool) -> None:
    """Verify every checksum in the data directory DIR; end with 1 if durable bytes are damaged.

    Torn ends that were never acknowledged are told, and are no damage.
    """
    report = _read(directory)
    if as_json:
        print_json(_as_json(report))
    else:
        _tell_findings(report)
        entries = sum(s.entry_count for shard in report.shards for s in shard.segments)
        tell(f"{directory}: {entries} entries are {'not all' if report.damaged else 'all'} whole.")
    context.exit(EXIT_FAILURE if report.damaged else 0)


def _read(directory: Path) -> DirectoryReport:
    if not directory.is_dir():
        raise DataDirError(f"there is no directory {directory}", data_dir=str(directory))
    return inspect_directory(OsDisk(directory, write=False))


def _tell_findings(report: DirectoryReport) -> None:
    for finding in report.findings:
        kind = "damage" if finding.damage else "note"
        tell(f"{kind}: {finding.path} at {finding.position}: {finding.what}.")


def _as_json(report: DirectoryReport) -> dict[str, object]:
    identity = report.identity
    return {
        "node": identity.node_name,
        "cluster_id": identity.cluster_id,
        "shard_count": identity.shard_count,
        "hash_function": identity.hash_function,
        "journal_groups": report.journal_groups,
        "journal_bytes": report.journal_bytes,
        "shards": to_builtins(report.shards),
        "findings": to_builtins(report.findings),
        "damaged": report.damaged,
    }
