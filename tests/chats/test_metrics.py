"""Answers are counted for Prometheus: those that run, and how each ended."""

from __future__ import annotations

from tests.chats.talking import ChatClient
from tests.endpoint import Model, Script
from tests.installation import Installation
from tests.metrics import MetricsEndpoint
from tests.waiting import until


def test_answers_are_counted_by_how_they_ended(
    club: Installation, model: Model, keeper: ChatClient
) -> None:
    endpoint = MetricsEndpoint(int(club.environment["SIDELINE_METRICS"]))

    def ended(status: str, code: str = "") -> float:
        return endpoint.total("sideline_answers_total", status=status, code=code)

    def running() -> float:
        return endpoint.total("sideline_answers_running")

    first_tokens = "sideline_answer_first_token_seconds_count"
    until(lambda: running() == 0, 60, "the end of earlier answers")
    before = ended("complete"), ended("failed", "provider_failed"), endpoint.total(first_tokens)
    chat = keeper.chat()
    model.script = Script(gate_at=0)
    with keeper.stream(chat) as stream:
        stream.start()
        assert running() == 1
        model.gate.set()
        assert [*stream][-1].body["status"] == "complete"
    model.script = Script(status=500)
    assert keeper.send(chat)[-1].body["status"] == "failed"
    assert running() == 0
    assert ended("complete") == before[0] + 1
    assert ended("failed", "provider_failed") == before[1] + 1
    assert endpoint.total(first_tokens) == before[2] + 1, "one answer had a token"
    assert endpoint.has("sideline_answers_total", status="failed", code="provider_too_long")
