"""``goutube log repair``: give up what is lost, so that the directory and its shards go on."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click
from msgspec import to_builtins

from goutube.cli.options import examples, json_option
from goutube.cli.output import EXIT_FAILURE, print_json, tell
from goutube.errors import CorruptionError, DataDirError
from goutube.node import GivenUp, RepairPlan, accept_loss, plan_repair
from goutube.runtime import OsDisk, SystemClock, SystemEntropy
from goutube.storage import LOCK_PATH, is_founded

_STREAMS_TOLD: Final = 100


@click.command(
    epilog=examples("goutube log repair data", "goutube log repair data --accept-loss --json")
)
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--accept-loss", "accept", is_flag=True, help="Give it up; without, it is only told.")
@json_option
@click.pass_context
def repair(context: click.Context, /, *, directory: Path, accept: bool, as_json: bool) -> None:
    """Give up what damage has taken from the data directory DIR, so that it goes on.

    Only what keeps the directory from being opened, or a shard from taking writes, is given up:
    entries that are gone, and a journal that cannot be used. Damage that is known by stream and
    offsets hinders nobody, and stays as it is. What is removed is kept in DIR/removed. No index and
    no offset is given a second time.

    Ends with 1, and changes nothing, if there is something to be given up and --accept-loss is
    missing. Restoring the directory from a copy gives up less.
    """
    disk = _locked(directory)
    try:
        clock, entropy = SystemClock(), SystemEntropy()
        plan = plan_repair(disk, clock, entropy)
        folder = ""
        if plan.needed and accept:
            folder = accept_loss(disk, entropy, plan)
            left = plan_repair(disk, clock, entropy)
            if left.needed:
                raise CorruptionError(
                    f"the repair of {directory} has left something undone: {_what(left)}. Run it "
                    "again"
                )
    finally:
        disk.close()
    if as_json:
        print_json(_as_json(plan, folder))
    else:
        _tell(directory, plan, folder)
    context.exit(EXIT_FAILURE if plan.needed and not accept else 0)


def _locked(directory: Path) -> OsDisk:
    """The data directory, for this process alone; nothing is made where there is none."""
    if not directory.is_dir():
        raise DataDirError(f"there is no directory {directory}", data_dir=str(directory))
    looked = OsDisk(directory, write=False)
    try:
        if not is_founded(looked):
            raise DataDirError(
                f"{directory} has no format file: it is no data directory", data_dir=str(directory)
            )
    finally:
        looked.close()
    disk = OsDisk(directory)
    try:
        disk.lock(LOCK_PATH)
    except BaseException:
        disk.close()
        raise
    return disk


def _what(plan: RepairPlan) -> str:
    return plan.journal or f"entries of shard {plan.given_up[0].shard}"


def _tell(directory: Path, plan: RepairPlan, folder: str) -> None:
    if not plan.needed:
        tell(f"{directory}: there is nothing to be given up; nothing was changed.")
        return
    done = "given up" if folder else "would be given up"
    if plan.journal:
        tell(f"{done}: the journal, and what it alone held. {plan.journal}.")
    for given in plan.given_up:
        _tell_given(given, done)
    if folder:
        tell(f"{directory}: everything goes on. What was removed is kept in {directory / folder}.")
    else:
        tell(f"{directory}: nothing was changed. Add --accept-loss to give this up.")


def _tell_given(given: GivenUp, done: str) -> None:
    tell(
        f"{done}: entries {given.first_index} to {given.last_index} of shard {given.shard}, "
        f"{given.byte_count} bytes of {given.path} from {given.position} on."
    )
    for lost in given.streams[:_STREAMS_TOLD]:
        name = repr(lost.stream) if lost.stream else f"that was deleted, {lost.stream_id:#x},"
        if lost.certain:
            tell(f"{done}: offsets {lost.first} to {lost.after} of the stream {name}.")
        else:
            tell(
                f"{done}: what the stream {name} may have held from {lost.first} on; its next "
                f"byte gets the offset {lost.after}."
            )
    tell(
        f"{done}: with these entries also streams that they made, by whatever name; a stream that "
        "they deleted, sealed or trimmed is as it was before."
    )
    more = len(given.streams) - _STREAMS_TOLD
    if more > 0:
        tell(f"{done}: bytes of {more} more streams; --json names them all.")


def _as_json(plan: RepairPlan, folder: str) -> dict[str, object]:
    return {
        "needed": plan.needed,
        "changed": bool(folder),
        "removed": folder,
        "journal": plan.journal,
        "given_up": to_builtins(plan.given_up),
    }
