"""What each session of the suites tells beside its figures."""

from __future__ import annotations

from typing import Any

from bench.card import machine_card


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    """Put the machine and the versions that decide into the results."""
    machine_info["card"] = machine_card()
