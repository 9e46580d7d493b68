"""The gRPC server: it parses, checks, asks the driver, and answers; nothing is decided here.

``Listener`` is the floor's one part: ``start`` binds and serves, ``stop`` ends politely.
"""

from goutube.server.listener import Listener
from goutube.server.options import Driver, ServerOptions, no_gossip

__all__ = ["Driver", "Listener", "ServerOptions", "no_gossip"]
