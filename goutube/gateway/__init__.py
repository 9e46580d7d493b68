"""HTTP: liveness, readiness and metrics of one agent."""

from goutube.gateway.listener import Gateway

__all__ = ["Gateway"]
