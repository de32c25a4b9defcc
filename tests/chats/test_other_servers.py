"""Streams without direct access to the connection: on uvicorn, and with TLS in Daphne."""

from __future__ import annotations

import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest

from tests import ROOT
from tests.certificates import certificate
from tests.chats.talking import ChatClient, parse_events, text_of
from tests.endpoint import Model, Script
from tests.installation import Installation
from tests.processes import killed_with_parent
from tests.waiting import free_port, until

WORDS = tuple(f"wörd{n} " for n in range(60))


@contextmanager
def other(
    installation: Installation, name: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """Serve the club with another server; yield an HTTP client with the keeper's token."""
    port, context, more = free_port(), None, []
    if name == "tls":
        pem = certificate(tmp_path_factory.mktemp("tls"))
        context, more = ssl.create_default_context(cafile=str(pem)), [str(pem)]
    process = subprocess.Popen(
        killed_with_parent(sys.executable, "-m", "tests.serving", name, str(port), *more),
        cwd=ROOT, env=installation.environment | {"DJANGO_SETTINGS_MODULE": "project.settings"},
    )  # fmt: skip
    scheme = "https" if context else "http"
    base = f"{scheme}://127.0.0.1:{port}"
    with installation.api() as keeper:
        headers = {"Authorization": keeper.headers["Authorization"]}
    client = httpx.Client(
        base_url=base, headers=headers, timeout=30, verify=context or True, trust_env=False
    )

    def answers() -> bool:
        with suppress(httpx.HTTPError):
            return client.get("/healthz").status_code == 200
        return False

    try:
        until(answers, 60, name)
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(30)


@pytest.mark.extended
@pytest.mark.parametrize("name", ["uvicorn", "tls"])
def test_answer_can_be_streamed_and_resumed(
    club: Installation, keeper: ChatClient, model: Model,
    tmp_path_factory: pytest.TempPathFactory, name: str,
) -> None:  # fmt: skip
    model.script = Script(pieces=WORDS, pause=0.01)
    chat = keeper.chat()
    with other(club, name, tmp_path_factory) as client:
        address = f"/api/v1/actions/chats/{chat}/messages"
        with client.stream("POST", address, json={"prompt": "Go"}) as answer:
            lines = answer.iter_lines()
            assert next(lines) == ": ping"
            events = list(parse_events(lines))
        assert text_of(events) == "".join(WORDS)
        message = events[0].body["message_id"]
        with client.stream("GET", f"{address}/{message}/events?after=5") as answer:
            rest = list(parse_events(answer.iter_lines()))
        assert [(e.seq, e.body) for e in rest] == [(e.seq, e.body) for e in events[5:]]
    assert text_of(keeper.events(chat, message)) == "".join(WORDS)
