"""What a measurement found, as lines or as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from goutube.cli.output import print_fields, print_json
from goutube.limits import MIB

_PERCENTILES: Final = {
    "min": 0.0,
    "median": 0.5,
    "p90": 0.9,
    "p99": 0.99,
    "p99_9": 0.999,
    "max": 1.0,
}


class Run(Protocol):
    """Something that was measured."""

    name: str

    def figures(self) -> dict[str, object]:
        """What was found, by the names that JSON has."""


class Report:
    """A run on a stream, whole or cut short."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.run: Run | None = None
        self.interrupted = False


def rates(records: int, byte_count: int, seconds: float) -> dict[str, object]:
    """Counts, and what they make a second."""
    return {
        "records": records,
        "bytes": byte_count,
        "seconds": round(seconds, 6),
        "records_per_s": round(records / seconds, 1) if seconds else 0.0,
        "bytes_per_s": round(byte_count / seconds, 1) if seconds else 0.0,
    }


def percentiles(seconds: Sequence[float]) -> dict[str, float] | None:
    """Milliseconds by name: the least that so many of all were not above; None of none."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    return {
        name: round(ordered[max(0, math.ceil(share * len(ordered)) - 1)] * 1000, 3)
        for name, share in _PERCENTILES.items()
    }


def show(report: Report, *, as_json: bool) -> None:
    """Print a report to stdout."""
    if report.run is None:
        return
    figures = report.run.figures()
    if as_json:
        head = {"bench": report.run.name, "stream": report.stream}
        print_json({**head, "interrupted": report.interrupted, **figures})
        return
    lines = {"stream": report.stream} | ({"interrupted": "yes"} if report.interrupted else {})
    print_fields(lines | {_label(name): _shown(name, value) for name, value in figures.items()})


def _label(name: str) -> str:
    labels = {"records_per_s": "records/s", "bytes_per_s": "MiB/s", "latency_ms": "latency"}
    return labels.get(name, name.replace("_", " "))


def _shown(name: str, value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key.replace('_', '.')} {text} ms" for key, text in value.items())
    if name == "bytes_per_s" and isinstance(value, float):
        return f"{value / MIB:,.1f}"
    if isinstance(value, float):
        return f"{value:,.3f}" if name == "seconds" else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
