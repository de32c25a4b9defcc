"""Prometheus metrics of the answers that a process makes. Django-free but for its types."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from chats.models import Status
from chats.models.generations import Ending
from chats.providers.base import ProviderError

INTERRUPTED = "interrupted"  # the code
FIRST_TOKEN_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class AnswerMetrics(Collector):
    """Counts answers as they end. Bound: a few numbers per status and code."""

    def __init__(self, running: Callable[[], int]) -> None:
        """`running` returns how many answers are being made now."""
        self._running = Gauge(
            "sideline_answers_running", "Answers that are being made.", registry=None
        )
        self._running.set_function(running)
        self._ended = Counter(
            "sideline_answers",
            "Answers that have ended; `code` says why they failed or were interrupted.",
            ["status", "code"],
            registry=None,
        )
        self._first_token = Histogram(
            "sideline_answer_first_token_seconds",
            "From the prompt to the model's first token.",
            buckets=FIRST_TOKEN_S,
            registry=None,
        )
        # A rate needs the value before the first one.
        for status in (Status.COMPLETE, Status.STOPPED):
            self._ended.labels(status, "")
        for code in _codes(ProviderError):
            self._ended.labels(Status.FAILED, code)
        self._ended.labels(Status.INTERRUPTED, INTERRUPTED)

    def count(self, ending: Ending) -> None:
        """Count an answer of this process."""
        self._ended.labels(ending.status, ending.code).inc()
        if ending.first_token_ms is not None:
            self._first_token.observe(ending.first_token_ms / 1000)

    def count_orphans(self, number: int) -> None:
        """Count answers whose process died and which this process has ended."""
        self._ended.labels(Status.INTERRUPTED, INTERRUPTED).inc(number)

    def collect(self) -> Iterator[Metric]:
        """Yield the gauge, the counter and the histogram."""
        for each in (self._running, self._ended, self._first_token):
            yield from each.collect()


def _codes(kind: type[ProviderError]) -> Iterator[str]:
    """Yield the codes of a kind of failure and of those below it."""
    yield kind.code
    for each in kind.__subclasses__():
        yield from _codes(each)
