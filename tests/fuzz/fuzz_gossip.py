"""Coverage-guided: whatever comes as a packet or stream of gossip is a value or a named error.

``python -m tests.fuzz.fuzz_gossip -max_total_time=60``; any libFuzzer option, or files to repeat.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["goutube.membership"]):
    from goutube.errors import WireFormatError
    from tests.support.gossip_decoders import DECODERS


def judge(data: bytes) -> None:
    """Read the bytes with every decoder."""
    for decode in DECODERS:
        try:
            decode(data)
        except WireFormatError:
            continue


if __name__ == "__main__":
    atheris.Setup(sys.argv, judge)
    atheris.Fuzz()
