"""``python -m bench.plots FILE``: plots of what ``make bench`` has timed, for the documents.

FILE is what pytest-benchmark's ``--benchmark-json`` wrote. Each suite in which rivals do the same
work becomes one SVG in ``docs/plots``: how many times faster than each rival ours is, by medians of
one session. The machine stands under each of them.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

PLOTS: Final = Path(__file__).resolve().parent.parent / "docs" / "plots"
RIVAL_PARAMETERS: Final = ("rival", "way")
OURS: Final = ("goutube", "lookup_many, list")
OURS_TOO: Final = ("lookup_many, array of S", "lookup")

Bars = list[tuple[str, float]]


def ratios(benchmarks: Sequence[Mapping[str, Any]]) -> dict[str, Bars]:
    """(work and rival, times that ours is faster) by suite; 2 means half the time.

    Left out is what has no rival, and what was not timed beside ours.
    """
    groups: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for one in benchmarks:
        parameters = dict(one["params"] or {})
        rival = next((parameters.pop(key) for key in RIVAL_PARAMETERS if key in parameters), None)
        if rival is None:
            continue
        suite = Path(one["fullname"].partition("::")[0]).stem.removeprefix("test_")
        work = one["name"].partition("[")[0].removeprefix("test_").replace("_", " ")
        shown = ", ".join(str(value) for value in parameters.values())
        groups[suite, f"{work} ({shown})" if shown else work][rival] = one["stats"]["median"]
    found: dict[str, Bars] = defaultdict(list)
    for (suite, work), medians in groups.items():
        ours = next((medians[name] for name in OURS if name in medians), None)
        if ours is not None:
            found[suite] += [
                (f"{work} | {rival}", seconds / ours)
                for rival, seconds in medians.items()
                if rival not in (*OURS, *OURS_TOO)
            ]
    return dict(found)


def draw(suite: str, bars: Bars, card: str) -> Figure:
    """One suite."""
    figure = Figure(figsize=(9, 1.2 + 0.27 * len(bars)), layout="constrained")
    axes = figure.subplots()
    names, values = [name for name, _ in bars], [value for _, value in bars]
    rows = axes.barh(names, values, color=["#4878a8" if v >= 1 else "#c06050" for v in values])
    axes.bar_label(rows, [f" {value:.2g} times" for value in values], fontsize=7)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.margins(x=0.15, y=0.02)
    axes.invert_yaxis()
    axes.tick_params(labelsize=7)
    axes.set_title(f"{suite}: times faster than the rival", fontsize=9)
    axes.set_xlabel(card, fontsize=6)
    return figure


def main(path: str) -> None:
    """Draw all suites of a file."""
    # The same figures make the same bytes: a change in the repository is a change of figures.
    mpl.rcParams["svg.hashsalt"] = "goutube"
    told = json.loads(Path(path).read_text(encoding="utf-8"))
    PLOTS.mkdir(exist_ok=True)
    card = told["machine_info"]["card"]
    for suite, bars in ratios(told["benchmarks"]).items():
        figure = draw(suite, bars, f"{card}, {told['datetime'][:10]}")
        figure.savefig(PLOTS / f"{suite}.svg", metadata={"Date": None})
        print(f"{PLOTS / suite}.svg: {len(bars)} bars")


if __name__ == "__main__":
    main(sys.argv[1])
