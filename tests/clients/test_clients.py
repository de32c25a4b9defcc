"""The clients in `docs/clients` work with a running server, also across a lost connection."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT
from tests.clients.conftest import WHO
from tests.clients.generate import PYTHON, TYPESCRIPT
from tests.clients.tools import TOOLS, run
from tests.endpoint import FIXED, Model, Script
from tests.installation import Installation
from tests.wire import Wire

pytestmark = pytest.mark.extended


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module of the Python client, imported as its users do: from its folder."""
    monkeypatch.syspath_prepend(str(PYTHON.parent))
    import sideline

    return sideline


def test_python_client_signs_in_lists_watches_and_asks(club: Installation, client: Any) -> None:
    with client.Sideline.sign_in(club.url, *WHO) as user:
        (camera,) = user.cameras()
        assert camera["name"] == "Court"
        messages, pictures = [], []
        for message in user.watch(camera["id"], width=320):
            is_picture = isinstance(message, client.Picture)
            (pictures if is_picture else messages).append(message)
            if len(pictures) == 5:  # more than two: they are acknowledged
                break
        assert messages[0]["type"] == "status"
        seqs = [picture.header["seq"] for picture in pictures]
        assert seqs == sorted(set(seqs))
        assert all(picture.jpeg.startswith(b"\xff\xd8") for picture in pictures)
        assert pictures[0].header["width"] == 320
        assert user.answer("Hello?") == FIXED
        user.sign_out()
        with pytest.raises(client.SidelineError) as refused:
            next(user.cameras())
        assert refused.value.status == 401


def test_python_client_raises_the_sentence_of_the_server(club: Installation, client: Any) -> None:
    with pytest.raises(client.SidelineError, match="wrong") as refused:
        client.Sideline.sign_in(club.url, WHO[0], "wrong")
    assert refused.value.status == 401


def test_python_client_continues_an_answer_after_a_lost_connection(
    club: Installation, client: Any, model: Model
) -> None:
    """The same answer, without a second prompt and without a piece twice."""
    model.reset()
    pieces = tuple(f"piece {number} " for number in range(20))
    model.script = Script(pieces=pieces, gate_at=10)
    with Wire(club.port).running() as wire, client.Sideline.sign_in(wire.url, *WHO) as user:
        chat = user.new_chat()["id"]
        text = ""
        for event in user.ask(chat, "Count."):
            if event["type"] == "chunk":
                text += event["text"]
                if text == "".join(pieces[:10]):
                    wire.cut()
                    threading.Timer(0.5, wire.mend).start()
                    model.gate.set()
        assert text == "".join(pieces)
    with club.api() as api:
        messages = api.get(f"/actions/chats/{chat}").json()["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant"]


def test_typescript_client_compiles_and_does_the_same(
    club: Installation, model: Model, tmp_path: Path
) -> None:
    model.reset()
    for name in ("sideline.ts", "types.d.ts", "tsconfig.json"):
        shutil.copy(TYPESCRIPT.parent / name, tmp_path)
    run("tsc", "--project", tmp_path, "--outDir", tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    script = ROOT / "tests" / "clients" / "watch_and_ask.mjs"
    node = shutil.which("node")
    assert node
    missing_in_node_18 = ROOT / "tests" / "js" / "node18.js"
    ws = TOOLS / "node_modules" / "ws" / "wrapper.mjs"
    command = ["--import", missing_in_node_18, script, tmp_path / "sideline.js", club.url, *WHO, ws]
    found = json.loads(run(Path(node), *command))
    assert "wrong" in found["refused"]
    assert found["cameras"] == ["Court"]
    assert found["messages"][0] == "status"
    assert found["pictures"] == [[320, [0xFF, 0xD8]]] * 5
    assert (found["events"][0], found["events"][-1]) == ("start", "done")
    assert found["answer"] == FIXED
