"""Read the metrics of a server."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.waiting import until


@dataclass(frozen=True, slots=True)
class MetricsEndpoint:
    """The metrics served on a port of this machine."""

    port: int

    def is_served(self) -> bool:
        """True if the port accepts connections."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def names(self) -> set[str]:
        """Return the names of all metric families."""
        return {family.name for family in text_string_to_metric_families(self._text())}

    def total(self, name: str, /, **labels: str) -> float:
        """Return the sum of the samples with this name and these labels."""
        return sum(self._values(name, labels))

    def has(self, name: str, /, **labels: str) -> bool:
        """True if there is such a sample."""
        return bool(self._values(name, labels))

    def wait_for_more(self, name: str, than: float, /, **labels: str) -> None:
        """Wait until that sum is larger."""
        until(lambda: self.total(name, **labels) > than, 60, name)

    def _values(self, name: str, labels: dict[str, str]) -> list[float]:
        return [
            sample.value
            for family in text_string_to_metric_families(self._text())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]

    def _text(self) -> str:
        answer = httpx.get(f"http://127.0.0.1:{self.port}/metrics")
        assert answer.status_code == 200, answer.text
        return answer.text
