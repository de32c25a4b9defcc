"""The same streams where a response has no wire: on uvicorn, and under TLS inside Daphne."""

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
from tests.chats.talking import Talker, joined, parsed
from tests.endpoint import Model, Script
from tests.installation import Installation
from tests.processes import bound
from tests.waiting import free_port, until

WORDS = tuple(f"wörd{n} " for n in range(60))


@contextmanager
def other(
    installation: Installation, name: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """The club on another server; a client with the keeper's token."""
    port, context, more = free_port(), None, []
    if name == "tls":
        pem = certificate(tmp_path_factory.mktemp("tls"))
        context, more = ssl.create_default_context(cafile=str(pem)), [str(pem)]
    process = subprocess.Popen(
        bound(sys.executable, "-m", "tests.serving", name, str(port), *more),
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
def test_answer_is_told_and_resumed(
    club: Installation, keeper: Talker, model: Model,
    tmp_path_factory: pytest.TempPathFactory, name: str,
) -> None:  # fmt: skip
    model.script = Script(pieces=WORDS, pause=0.01)
    chat = keeper.chat()
    with other(club, name, tmp_path_factory) as client:
        address = f"/api/v1/actions/chats/{chat}/messages"
        with client.stream("POST", address, json={"prompt": "Go"}) as answer:
            lines = answer.iter_lines()
            assert next(lines) == ": ping"
            events = list(parsed(lines))
        assert joined(events) == "".join(WORDS)
        message = events[0].body["message_id"]
        with client.stream("GET", f"{address}/{message}/events?after=5") as answer:
            rest = list(parsed(answer.iter_lines()))
        assert [(e.seq, e.body) for e in rest] == [(e.seq, e.body) for e in events[5:]]
    assert joined(keeper.follow(chat, message)) == "".join(WORDS)
