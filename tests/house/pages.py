"""Pages that are printed from the code: ``python -m tests.house.pages`` (``make pages``) writes them."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from goutube.agent.numbers import gossip_samples, samples
from goutube.api.status import CODES
from goutube.config import FIELDS, Setting
from goutube.crash_points import CRASH_VARIABLE, CrashPoint
from goutube.observe import Metrics
from tests.house.tree import ROOT

_NOTE = "Printed from the code by `make pages`; edit `{}` instead.\n"


def load_errors(root: Path) -> ModuleType:
    """The module of error classes of a tree, which needs nothing but the standard library."""
    path = root / "goutube" / "errors.py"
    spec = importlib.util.spec_from_file_location("errors_of_a_tree", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def error_classes(module: ModuleType) -> list[type]:
    """The classes that a module of errors defines, in its order."""
    return [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and value.__module__ == module.__name__
    ]


def summary(subject: object) -> str:
    """The first paragraph of a docstring on one line."""
    first = (inspect.getdoc(subject) or "").split("\n\n")[0]
    return " ".join(first.split()).replace("``", "`")


def errors_page() -> str:
    """docs/ERRORS.md."""
    import goutube.errors as module  # noqa: PLC0415 - its classes are the keys of CODES

    lines = [
        "# Errors",
        "",
        _NOTE.format("goutube/errors.py"),
        "Every failure that a user can meet is one of these: as an exception of `goutube.errors` in",
        "Python, as a status on the wire, as a sentence and an exit status on the command line. The",
        "reason is stable and travels as `google.rpc.ErrorInfo` with the domain `goutube`; the text of",
        "a message may change. *Retry* says whether the same request may succeed a little later.",
        "",
        "```",
        *(module.__doc__ or "").split("\n\n")[1].rstrip().splitlines(),
        "```",
        "",
        "| class | reason | gRPC code | retry | meaning |",
        "| --- | --- | --- | --- | --- |",
    ]
    for error in error_classes(module):
        if issubclass(error, module.GoutubeError):
            retry = "yes" if error.retry else "no"
            row = (f"`{error.__name__}`", error.reason, CODES[error].name, retry, summary(error))
            lines.append(f"| {' | '.join(row)} |")
    invariant = module.InvariantError
    lines += [
        "",
        f"`{invariant.__name__}` is not among them. {summary(invariant)}",
    ]
    return "\n".join(lines) + "\n"


def configuration_page(fields: Sequence[Setting] = FIELDS) -> str:
    """docs/CONFIGURATION.md."""
    lines = [
        "# Settings of an agent",
        "",
        _NOTE.format("goutube/config/schema.py"),
        "A setting is a flag of `goutube agent`, an environment variable, or a key in a TOML file",
        "(`--config FILE`); the flag wins over the variable, the variable over the file, the file over",
        "the default. `goutube agent --check` prints every setting with its value and where that came",
        "from, and starts nothing. An unknown key in a file is an error that suggests the nearest name;",
        "an unknown `GOUTUBE_` variable is a warning. Sizes may be written `64MiB`. Settings are read at",
        "start; a change needs a restart. What is *not built* is refused, never ignored.",
        "",
        "| setting | default | meaning |",
        "| --- | --- | --- |",
    ]
    for field in fields:
        meaning = field.help.replace("|", "\\|")
        others = [*field.aliases, *field.file_aliases]
        if others:
            meaning += f" Also: {', '.join(f'`{other}`' for other in others)}."
        default = (
            f"`{field.default}`" if field.default and " " not in field.default else field.default
        )
        lines.append(f"| `{field.name}` | {default} | {meaning} |")
    lines += [
        "",
        "The flag of `rpc_port` is `--rpc-port`, its variable `GOUTUBE_RPC_PORT`, and so on.",
    ]
    return "\n".join(lines) + "\n"


def metrics_page(metrics: Metrics | None = None) -> str:
    """docs/METRICS.md."""
    lines = [
        "# Metrics",
        "",
        _NOTE.format("goutube/observe/metrics.py"),
        "`/metrics` on the HTTP port serves these in the text format of Prometheus. No label ever holds",
        "the name of a stream. Beside them stand the usual `process_*` and `python_gc_*`.",
        "",
        "| metric | type | labels | meaning |",
        "| --- | --- | --- | --- |",
    ]
    lines += [f"| {' | '.join(row)} |" for row in metric_rows(metrics or all_metrics())]
    return "\n".join(lines) + "\n"


class _Blank:
    """Whatever is asked of it is nothing: enough to ask the agent's parts for names alone."""

    def __getattr__(self, name: str) -> _Blank:
        return self

    def __call__(self, *_given: object) -> _Blank:
        return self

    def __iter__(self) -> Iterator[int]:
        return iter((0, 0, 0))

    def __float__(self) -> float:
        return 0.0

    def __int__(self) -> int:
        return 0


def all_metrics() -> Metrics:
    """An agent's metrics, with the numbers that its parts keep themselves."""
    metrics = Metrics("0")
    nothing: Any = _Blank()
    metrics.watch(lambda: samples(nothing, nothing, nothing))
    metrics.watch(lambda: gossip_samples(nothing))
    return metrics


def metric_rows(metrics: Metrics) -> Iterable[tuple[str, str, str, str]]:
    """(name, type, labels, meaning) of each of our metrics, by name."""
    for family in sorted(metrics.registry.collect(), key=lambda family: family.name):
        if family.name.startswith("goutube_"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            collector = metrics.registry._names_to_collectors.get(family.name)
            labels = ", ".join(getattr(collector, "_labelnames", ()))
            yield f"`{name}`", family.type, labels, family.documentation


def crash_points_page() -> str:
    """docs/CRASH_POINTS.md."""
    lines = [
        "# Crash points",
        "",
        _NOTE.format("goutube/crash_points.py"),
        "Each is a place between two facts that outlive the process. Tests end it there, and what the next",
        "one finds must be good enough (docs/TESTING.md). An agent that is started with the environment",
        f"variable `{CRASH_VARIABLE}=NAME` kills itself with SIGKILL when it first comes to the place,",
        f"with `{CRASH_VARIABLE}=NAME:N` the N-th time; a warning in its log says so. Nobody else has a use",
        "for it.",
        "",
        "| name | there |",
        "| --- | --- |",
    ]
    lines += [f"| `{point}` | {point.meaning} |" for point in CrashPoint]
    return "\n".join(lines) + "\n"


PAGES = {
    "docs/ERRORS.md": errors_page,
    "docs/CONFIGURATION.md": configuration_page,
    "docs/METRICS.md": metrics_page,
    "docs/CRASH_POINTS.md": crash_points_page,
}


def main() -> None:
    """Write all pages."""
    for path, page in PAGES.items():
        (ROOT / path).write_text(page())
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
