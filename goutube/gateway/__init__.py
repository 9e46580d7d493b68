"""HTTP: liveness, readiness and metrics of one agent."""

from goutube.gateway.listener import Check, Gateway, Probes

__all__ = ["Check", "Gateway", "Probes"]
