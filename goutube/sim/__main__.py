"""``python -m goutube.sim``: run seeds, print what they came to, stop at a broken promise."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Sequence

from goutube.sim.plants import NO_PLANT, PLANTS, Plant
from goutube.sim.simulation import Report, Simulation


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line says; 1 when a promise was broken."""
    options = _parser().parse_args(arguments)
    plant = PLANTS[options.plant] if options.plant else NO_PLANT
    began = time.monotonic()
    for count, seed in enumerate(options.seeds):
        try:
            report = Simulation(seed, plant, print if options.trace else None).run()
        except Exception:  # noqa: BLE001 - whatever it is, the seed is what repeats it
            traceback.print_exc()
            print(f"seed {seed} failed, after {count} that did not. To see it again:")
            print(f"  {_command(seed, plant)}")
            return 1
        print(_line(report), flush=True)
    print(f"{len(options.seeds)} seeds, {time.monotonic() - began:.0f} s: every promise was kept")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m goutube.sim",
        description="Run one node in a world that is made up from a seed: clients, a network that "
        "breaks, a disk that fails, power cuts, kills, restarts; and compare every answer with "
        "what was promised. A seed gives the same trace on every run. Ends with 1 at a broken "
        "promise.",
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--seed", type=lambda text: [int(text)], dest="seeds", help="one seed")
    which.add_argument(
        "--seeds", type=_seeds, dest="seeds", metavar="FROM..TO|COUNT", help="many, TO excluded"
    )
    parser.add_argument(
        "--plant", choices=sorted(PLANTS), help="a bug to plant, which the checker should find"
    )
    parser.add_argument("--trace", action="store_true", help="print everything that happens")
    return parser


def _seeds(text: str) -> range:
    first, dots, last = text.partition("..")
    return range(int(first), int(last)) if dots else range(int(first))


def _command(seed: int, plant: Plant) -> str:
    planted = f" --plant {plant.name}" if plant.name else ""
    return f"python -m goutube.sim --seed {seed}{planted}"


def _line(report: Report) -> str:
    return (
        f"seed {report.seed}: {report.trace}  {report.virtual_ms / 1000:.1f} s in {report.events} "
        f"events, {report.starts} starts, {report.cuts} power cuts, {report.appends} appends "
        f"({report.unknown} of unknown outcome), {report.checks} answers checked"
    )


if __name__ == "__main__":
    sys.exit(main())
