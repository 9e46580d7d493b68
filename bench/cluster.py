"""``python -m bench.cluster``: a real agent under load from outside, end to end.

Scenarios, all of them or those that are named: ``latency``: percentiles of durable appends begun at
a steady rate; ``file``: 1 GiB in beside dd, out beside bare gRPC; ``follow``: how late a follower
is; ``wakeups``: reads that begin to wait just when the bytes come. Each prints its figures and
what it should reach; ``--output FILE`` keeps all of it as JSON. A scenario during which the machine
or its disk stood still for over 200 ms is void and is run again, up to three times; in ``file``,
where dd alone makes the disk wait for longer, only the machine is judged.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.canary import Canary
from bench.card import machine_card
from bench.echo import echo_server
from bench.end_to_end import DISK_FILLING, SCENARIOS, Found, Place
from tests.support.agents import restarted_agent

ATTEMPTS_MAX = 3
PACKAGES = ("goutube", "grpcio", "protobuf", "uvloop", "numpy")


def measure(name: str, folder: Path, *, quick: bool) -> dict[str, Any]:
    """Run one scenario on an agent of its own, again where the machine stood still."""
    voided: list[dict[str, float]] = []
    while True:
        with (
            tempfile.TemporaryDirectory(dir=folder) as place,
            restarted_agent(f"{place}/data") as agent,
            echo_server() as bare,
            Canary(Path(place), disk_filled=name in DISK_FILLING) as canary,
        ):
            found = SCENARIOS[name](Place(agent.address, bare, Path(place), quick))
        if not canary.stalled or len(voided) == ATTEMPTS_MAX - 1:
            return _told(found, canary, voided)
        voided.append(_slowest(canary))
        print(f"{name}: void and run again, stood still: {voided[-1]}", file=sys.stderr)


def _slowest(canary: Canary) -> dict[str, float]:
    return {
        "sleep_overrun_ms": round(canary.longest_sleep_s * 1e3, 1),
        "sync_ms": round(canary.longest_sync_s * 1e3, 1),
    }


def _told(found: Found, canary: Canary, voided: list[dict[str, float]]) -> dict[str, Any]:
    return {
        "settings": found.settings,
        "figures": found.figures,
        "goals": [
            {
                "name": goal.name,
                "value": round(goal.value, 4),
                "limit": goal.limit,
                "at_most": goal.at_most,
                "met": goal.met,
            }
            for goal in found.goals
        ],
        "void": canary.stalled,
        "canary": _slowest(canary),
        "voided_before": voided,
    }


def show(name: str, told: dict[str, Any]) -> None:
    """Print one scenario."""
    print(f"\n{name}{' (void: the machine stood still)' if told['void'] else ''}")
    for key, value in (told["settings"] | told["figures"]).items():
        print(f"  {key}: {value}")
    print(f"  canary: {told['canary']}; void before: {len(told['voided_before'])}")
    for goal in told["goals"]:
        sign = "at most" if goal["at_most"] else "at least"
        verdict = "met" if goal["met"] else "MISSED"
        print(f"  {goal['name']}: {goal['value']:g}, {sign} {goal['limit']:g}: {verdict}")
    sys.stdout.flush()


def main() -> int:
    """Measure what the command line names; 1 where a goal was missed, or a run is void."""
    parser = argparse.ArgumentParser(prog="python -m bench.cluster")
    parser.add_argument("scenario", nargs="*", help=f"of {', '.join(SCENARIOS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write all of it as JSON")
    parser.add_argument("--folder", type=Path, default=Path(), help="on the disk to measure")
    wanted = parser.parse_args()
    if unknown := set(wanted.scenario) - set(SCENARIOS):
        parser.error(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    results: dict[str, Any] = {
        "machine": machine_card(),
        "versions": {name: version(name) for name in PACKAGES},
        "fsync": "before every acknowledgement",
        "quick": wanted.quick,
        "scenarios": {},
    }
    print(results["machine"])
    for name in wanted.scenario or SCENARIOS:
        told = measure(name, wanted.folder, quick=wanted.quick)
        results["scenarios"][name] = told
        show(name, told)
    if wanted.output is not None:
        wanted.output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    every = results["scenarios"].values()
    good = all(goal["met"] for told in every for goal in told["goals"])
    return 0 if good and not any(told["void"] for told in every) else 1


if __name__ == "__main__":
    sys.exit(main())
