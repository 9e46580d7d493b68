"""Generate the message classes: ``python -m tests.house.proto`` (``make proto``).

Generated modules differ from what protoc writes in one line: they live in the pool of
``goutube.api.pool``, so that a user's own stubs of the same packages load in the same process.
Their stubs differ in what ``mypy --strict`` asks: a mapping says of what.
"""

from __future__ import annotations

import shutil
import sys
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

from tests.house.tree import ROOT

PROTOS = ROOT / "goutube" / "api" / "proto"

_DEFAULT_POOL = "from google.protobuf import descriptor_pool as _descriptor_pool\n"
_OUR_POOL = "from goutube.api import pool as _descriptor_pool\n"


def generate(target: Path) -> list[Path]:
    """Write the modules and stubs of all protos under ``target``; return their relative paths."""
    sources = [str(path.relative_to(PROTOS)) for path in sorted(PROTOS.rglob("*.proto"))]
    well_known = resources.files("grpc_tools") / "_proto"
    arguments = [f"-I{PROTOS}", f"-I{well_known}", f"--python_out={target}", f"--pyi_out={target}"]
    if protoc.main(["protoc", *arguments, *sources]) != 0:
        raise SystemExit("protoc refused the protos; it has said why above")
    for path in target.rglob("*_pb2.py"):
        text = path.read_text()
        if text.count(_DEFAULT_POOL) != 1:
            raise SystemExit(f"{path.name} has no line that names the descriptor pool")
        path.write_text(text.replace(_DEFAULT_POOL, _OUR_POOL))
    for path in target.rglob("*_pb2.pyi"):
        path.write_text(path.read_text().replace("_Mapping]", "_Mapping[str, object]]"))
    return [path.relative_to(target) for path in sorted(target.rglob("*_pb2.py*"))]


def main() -> None:
    """Generate in a scratch folder, then put the modules beside their protos."""
    scratch = ROOT / "build" / "proto"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    for path in generate(scratch):
        shutil.copy(scratch / path, PROTOS / path)
        sys.stdout.write(f"{PROTOS.relative_to(ROOT) / path}\n")


if __name__ == "__main__":
    main()
