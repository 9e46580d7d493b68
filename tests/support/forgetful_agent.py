"""``goutube`` that forgets a failed member after seconds, where the program waits for a day.

Run with a namespace and goutube's own arguments: it lives on that host.
"""

from __future__ import annotations

import sys
from functools import partial

from goutube.__main__ import main
from goutube.agent import gossip
from goutube.membership import Profile
from tests.support.faulty_network import enter

FORGETFUL = Profile(reap_interval_ms=1000, reconnect_timeout_ms=5000)


if __name__ == "__main__":
    enter(sys.argv.pop(1))
    gossip.Options = partial(gossip.Options, profile=FORGETFUL)
    main()
