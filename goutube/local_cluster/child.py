"""The child's side: ``python -m goutube.local_cluster.child SETTINGS DIRECTORY`` is an agent.

It ends when its input ends, which is when its parent has gone, and then removes DIRECTORY, if one
is named. The signal that the kernel can send for a dead parent would not do: it comes when the
thread ends that made the child, and a pool's threads come and go.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
import time
from typing import Final

from goutube.agent import run
from goutube.config import FIELDS, Loaded, load
from goutube.errors import ConfigError, GoutubeError

_GRACE_S: Final = 10.0
_EXIT_BAD_SETTINGS: Final = 2


def main(settings: str, directory: str) -> int:
    """Run the agent until it is told to end or left alone; its exit status."""
    left = threading.Event()
    threading.Thread(target=_watch, args=(left, directory), daemon=True).start()
    try:
        return run(_load(json.loads(settings)))
    except (GoutubeError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return _EXIT_BAD_SETTINGS if isinstance(error, ConfigError) else 1
    finally:
        if left.is_set():
            _remove(directory)


def _load(settings: dict[str, str]) -> Loaded:
    unknown = sorted(settings.keys() - {field.name for field in FIELDS})
    if unknown:
        raise ConfigError(f"the agent has no setting {' and no setting '.join(unknown)}")
    return load(settings, None, {})


def _watch(left: threading.Event, directory: str) -> None:
    """Wait for the parent's end; then end this process, in good order if that goes quickly."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    left.set()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_S)
    _remove(directory)
    os._exit(1)


def _remove(directory: str) -> None:
    if directory:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
