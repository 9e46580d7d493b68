"""The numbers of an agent, for Prometheus. Labels come from closed sets; no stream is one."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from typing_extensions import override

SECONDS_BUCKETS: Final = tuple(0.0001 * 2**step for step in range(18))
"""0.1 ms to 13 s in powers of two: fixed, so that runs compare."""


class Metrics:
    """One process's metrics, in a registry of their own.

    Args:
        version: of Goutube, for ``goutube_build_info``.
    """

    def __init__(self, version: str) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        Gauge(
            "goutube_build_info", "Always 1; the label says which release this is.", ["version"],
            registry=registry,
        ).labels(version).set(1)  # fmt: skip
        self.rpc_requests = Counter(
            "goutube_rpc_requests", "RPCs that have ended.", ["service", "method", "code"],
            registry=registry,
        )  # fmt: skip
        self.rpc_seconds = Histogram(
            "goutube_rpc_duration_seconds", "How long an RPC was open.", ["service", "method"],
            buckets=SECONDS_BUCKETS, registry=registry,
        )  # fmt: skip
        self.rpc_in_flight = Gauge(
            "goutube_rpc_in_flight", "RPCs that are open.", ["service", "method"],
            registry=registry,
        )  # fmt: skip
        self.append_seconds = Seconds(
            "goutube_append_ack_seconds", "From an append's arrival to its durable answer."
        )
        registry.register(self.append_seconds)
        self.loop_lag_seconds = Histogram(
            "goutube_event_loop_lag_seconds", "How late the event loop was at a planned moment.",
            buckets=SECONDS_BUCKETS, registry=registry,
        )  # fmt: skip
        self.node_events = Counter(
            "goutube_node_events", "What the node reported, by kind.", ["event"],
            registry=registry,
        )  # fmt: skip

    def rpc_began(self, service: str, method: str) -> None:
        """Count an RPC that has begun; the names are the service's own, never a caller's."""
        self.rpc_in_flight.labels(service, method).inc()

    def rpc_ended(self, service: str, method: str, code: str, seconds: float) -> None:
        """Count an RPC that has ended with a status."""
        self.rpc_in_flight.labels(service, method).dec()
        self.rpc_requests.labels(service, method, code).inc()
        self.rpc_seconds.labels(service, method).observe(seconds)

    def watch(self, sample: Callable[[], Iterable[Sample]]) -> None:
        """Read numbers that others keep, at the moment of each scrape."""
        self.registry.register(_Sampler(sample))

    def render(self) -> tuple[bytes, str]:
        """The exposition and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST


class Seconds(Collector):
    """A histogram of what happens very often, all of it on one thread.

    An observation costs a fifth of what it does with ``Histogram``, which locks twice and looks at
    one bucket after the other.

    Args:
        name: as it is scraped.
        text: what it means, one sentence.
    """

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self._text = text
        self._counts = [0] * (len(SECONDS_BUCKETS) + 1)
        self._total = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(SECONDS_BUCKETS, seconds)] += 1
        self._total += seconds

    @override
    def collect(self) -> Iterable[Metric]:
        bounds = [*map(floatToGoString, SECONDS_BUCKETS), "+Inf"]
        buckets = list(zip(bounds, map(float, accumulate(self._counts)), strict=True))
        family = HistogramMetricFamily(self._name, self._text)
        family.add_metric([], buckets, self._total)
        return [family]


class Sample:
    """One number that is kept elsewhere.

    Args:
        name: with its unit; a counter's without ``_total``.
        text: what it means, one sentence.
        value: as of now.
        counter: whether it only rises.
    """

    __slots__ = ("counter", "name", "text", "value")

    def __init__(self, name: str, text: str, value: float, *, counter: bool = False) -> None:
        self.name, self.text, self.value, self.counter = name, text, value, counter


class _Sampler(Collector):
    def __init__(self, sample: Callable[[], Iterable[Sample]]) -> None:
        self._sample = sample

    @override
    def collect(self) -> Iterable[Metric]:
        for sample in self._sample():
            family = CounterMetricFamily if sample.counter else GaugeMetricFamily
            yield family(sample.name, sample.text, value=sample.value)
