"""``goutube cluster keys``: what gossip is encrypted with, changed while the cluster runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import click

from goutube.cli.options import examples, json_option
from goutube.cli.output import print_json, print_table
from goutube.cli.session import with_client
from goutube.client import Client, KeyHolder

_FAILED: Final = 1


def _take_key(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    return sys.stdin.readline().strip() if value == "-" else value


@click.group(
    epilog=examples(
        "goutube cluster keys list",
        "head -c 32 /dev/urandom | base64 | goutube cluster keys install -",
        "goutube cluster keys use 5fd1c3a1b2c4d5e6",
        "goutube cluster keys remove 0a1b2c3d4e5f6071",
    ),
)
def keys() -> None:
    """Change the gossip's keys at every member that is alive.

    To rotate: install the new key, use it, remove the old one. KEY is 16, 24 or 32 bytes in base64,
    or the fingerprint of a key that some member holds; with - it is read from standard input. Ends
    with 1 if a member did not do it, or said nothing.
    """


@keys.command("list", epilog=examples("goutube cluster keys list --json"))
@json_option
@with_client
def list_keys(client: Client, *, as_json: bool) -> None:
    """Tell by fingerprint which keys each member holds, and which one it seals with."""
    _end(client.gossip_keys(), as_json=as_json)


@keys.command(epilog=examples("goutube cluster keys install KEY"))
@click.argument("key", callback=_take_key)
@json_option
@with_client
def install(client: Client, key: str, *, as_json: bool) -> None:
    """Have every member open messages with KEY, too."""
    _end(client.change_gossip_keys("install", key), as_json=as_json)


@keys.command(epilog=examples("goutube cluster keys use KEY"))
@click.argument("key", callback=_take_key)
@json_option
@with_client
def use(client: Client, key: str, *, as_json: bool) -> None:
    """Have every member seal messages with KEY; refused where a member does not hold it."""
    _end(client.change_gossip_keys("use", key), as_json=as_json)


@keys.command(epilog=examples("goutube cluster keys remove KEY"))
@click.argument("key", callback=_take_key)
@json_option
@with_client
def remove(client: Client, key: str, *, as_json: bool) -> None:
    """Have every member forget KEY; refused where a member seals with it."""
    _end(client.change_gossip_keys("remove", key), as_json=as_json)


def _end(told: Sequence[KeyHolder], *, as_json: bool) -> None:
    """Print what the members said; fail if one of them did not do it."""
    if as_json:
        print_json([asdict(one) for one in told])
    else:
        print_table(
            ["member", "result", "seals with", "opens with"],
            [[one.name, one.fault or "ok", one.primary_key, " ".join(one.keys)] for one in told],
        )
    if any(one.fault for one in told):
        raise click.exceptions.Exit(_FAILED)
