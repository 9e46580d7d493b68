"""The commands: ``goutube`` and ``goutube-agent``. stdout carries data alone, stderr the messages.

Exit statuses: 0; 1 a failure; 2 wrong usage or settings; 130 Ctrl-C; 141 nobody reads stdout.
"""

from goutube.cli.root import agent_main, main

__all__ = ["agent_main", "main"]
