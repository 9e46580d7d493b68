"""``python -m goutube.sim``: run seeds, print what they came to, stop at a broken promise."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import partial

from goutube.sim.plants import NO_PLANT, PLANTS
from goutube.sim.simulation import Report, Simulation


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line says; 1 when a promise was broken."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.trace and options.jobs > 1:
        parser.error("--trace shows one process's seeds: leave --jobs out")
    began = time.monotonic()
    live = partial(_live, options.plant, options.trace)
    with _workers(options.jobs) as workers:
        outcomes = workers.map(live, options.seeds) if workers else map(live, options.seeds)
        for count, (seed, outcome) in enumerate(zip(options.seeds, outcomes, strict=True)):
            if isinstance(outcome, str):
                print(outcome, file=sys.stderr)
                print(f"seed {seed} failed, after {count} that did not. To see it again:")
                print(f"  {_command(seed, options.plant)}")
                if workers is not None:
                    workers.shutdown(wait=False, cancel_futures=True)
                return 1
            print(_line(outcome), flush=True)
    print(f"{len(options.seeds)} seeds, {time.monotonic() - began:.0f} s: every promise was kept")
    return 0


def _live(plant: str | None, trace: bool, seed: int) -> Report | str:
    """What a seed comes to, or the traceback of the promise that it breaks."""
    try:
        planted = PLANTS[plant] if plant else NO_PLANT
        return Simulation(seed, planted, print if trace else None).run()
    except Exception:  # noqa: BLE001 - whatever it is, the seed is what repeats it
        return traceback.format_exc()


def _workers(jobs: int) -> AbstractContextManager[ProcessPoolExecutor | None]:
    """So many processes, or none where this one will do."""
    return ProcessPoolExecutor(jobs) if jobs > 1 else nullcontext()


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
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="processes to run seeds in (default: 1)"
    )
    parser.add_argument("--trace", action="store_true", help="print everything that happens")
    return parser


def _seeds(text: str) -> range:
    first, dots, last = text.partition("..")
    return range(int(first), int(last)) if dots else range(int(first))


def _command(seed: int, plant: str | None) -> str:
    planted = f" --plant {plant}" if plant else ""
    return f"python -m goutube.sim --seed {seed}{planted}"


def _line(report: Report) -> str:
    return (
        f"seed {report.seed}: {report.trace}  {report.virtual_ms / 1000:.1f} s in {report.events} "
        f"events, {report.starts} starts, {report.cuts} power cuts, {report.appends} appends "
        f"({report.unknown} of unknown outcome), {report.checks} answers checked"
    )


if __name__ == "__main__":
    sys.exit(main())
