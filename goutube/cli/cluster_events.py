"""``goutube cluster events``, and what ``cluster members --watch`` makes of the same."""

from __future__ import annotations

import base64
from dataclasses import asdict, replace
from typing import Any

import click

from goutube.cli.options import examples, json_option
from goutube.cli.output import print_json, print_table
from goutube.cli.session import with_client
from goutube.client import (
    Client,
    ClusterEvent,
    MemberChange,
    MemberInfo,
    MembersListed,
    UserEvent,
)


@click.command(epilog=examples("goutube cluster events", "goutube cluster events --json"))
@json_option
@with_client
def events(client: Client, *, as_json: bool) -> None:
    """Print what happens until interrupted: changes of members, and users' events as of Serf.

    It begins with the members as they are (listed), and does so again after a break.
    """
    for event in client.watch_members():
        if as_json:
            print_json(_document(event))
        else:
            print_table(["event", "about", "detail"], [_row(event)])


def _document(event: ClusterEvent) -> dict[str, Any]:
    match event:
        case MembersListed(members):
            return {"event": "listed", "members": [asdict(one) for one in members]}
        case MemberChange(change, member):
            return {"event": change, "member": asdict(member)}
        case UserEvent(name, payload, ltime):
            value = base64.b64encode(payload).decode()
            return {"event": "user", "name": name, "payload": value, "ltime": ltime}


def _row(event: ClusterEvent) -> list[str]:
    match event:
        case MembersListed(members):
            return ["listed", " ".join(one.name for one in members), ""]
        case MemberChange(change, member):
            return [change, member.name, member.address]
        case UserEvent(name, payload, _):
            # A payload is anybody's: nothing of it may steer the terminal.
            return ["user", _plain(name), _plain(payload.decode("utf-8", "replace"))]


def _plain(text: str) -> str:
    return "".join(one if one.isprintable() else "\ufffd" for one in text)


def news(event: ClusterEvent, known: dict[str, MemberInfo]) -> list[MemberInfo]:
    """What an event tells of members that ``known`` did not hold; it does afterwards."""
    match event:
        case MembersListed(members):
            now = {member.name: member for member in members}
        case MemberChange("reaped", member):
            now = {name: one for name, one in known.items() if name != member.name}
        case MemberChange(_, member):
            now = known | {member.name: member}
        case _:
            return []
    changed = [member for name, member in now.items() if member != known.get(name)]
    gone = [replace(one, status="forgotten") for name, one in known.items() if name not in now]
    known.clear()
    known.update(now)
    return changed + gone
