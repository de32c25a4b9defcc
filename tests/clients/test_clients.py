"""The clients in `docs/clients` work with a running server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import WHO
from tests.clients.tools import node_command, run
from tests.endpoint import FIXED, Model
from tests.installation import Installation

pytestmark = pytest.mark.extended


def test_python_client_signs_in_lists_watches_and_asks(
    club: Installation, model: Model, client: Any
) -> None:
    model.reset()
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


def test_typescript_client_compiles_and_does_the_same(
    club: Installation, model: Model, compiled: Path
) -> None:
    model.reset()
    node, *command = node_command("watch_and_ask.mjs", compiled, club.url, *WHO)
    found = json.loads(run(Path(node), *command))
    assert "wrong" in found["refused"]
    assert found["cameras"] == ["Court"]
    assert found["messages"][0] == "status"
    assert found["pictures"] == [[320, [0xFF, 0xD8]]] * 5
    assert (found["events"][0], found["events"][-1]) == ("start", "done")
    assert found["answer"] == FIXED
