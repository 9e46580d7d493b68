"""What holds for every test: compiled kernels, loopback only, one line that names what was tested."""

from __future__ import annotations

import logging
import os
import signal
import sys
from ipaddress import ip_address

import pytest
import structlog
from hypothesis import settings

settings.register_profile("house", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("house")


def pytest_configure(config: pytest.Config) -> None:
    """Stop at once without kernels: no test means anything then."""
    try:
        import goutube._native  # noqa: F401, PLC0415 - the point is to see whether it can be
    except ImportError as error:
        pytest.exit(f"the kernels are not built ({error}); run ./dev test, or make build", 2)
    sys.addaudithook(_keep_to_loopback)
    # Tests start some hundred agents and commands. Where the environment forbids bytecode, each of
    # them would compile the whole product anew: a third of its start.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Begun in the background of a shell: the commands under test would inherit it.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> list[str]:
    """Say which CRC-32C this machine chose: a failure may hang on it."""
    from goutube._native import CPU_PATH  # noqa: PLC0415 - after pytest_configure has looked

    return [f"goutube: kernels built, CRC-32C path {CPU_PATH}"]


@pytest.fixture(autouse=True)
def quiet_logs() -> None:
    """Servers within the tests' own process log nothing; a test of the logs sets them up itself."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def _keep_to_loopback(event: str, arguments: tuple[object, ...]) -> None:
    """Refuse every address that is not this machine's own."""
    if event not in ("socket.bind", "socket.connect", "socket.sendto"):
        return
    address = arguments[1]
    if not (isinstance(address, tuple) and isinstance(address[0], str)):
        return
    host = address[0]
    if host == "localhost" or (_is_address(host) and ip_address(host).is_loopback):
        return
    raise PermissionError(f"{event} of {address!r}: tests keep to loopback")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
