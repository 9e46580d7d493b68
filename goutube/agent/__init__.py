"""The agent: one process that opens a data directory and serves it until it is told to stop."""

from goutube.agent.main import run

__all__ = ["run"]
