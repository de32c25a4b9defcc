"""What docs/proxies.md says: its block for nginx and its check, against a real nginx."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests import ROOT
from tests.chats.talking import ChatClient
from tests.endpoint import Model, Script
from tests.installation import Installation
from tests.nginx import nginx
from tests.processes import killed_with_parent
from tests.waiting import free_port

GUIDE = (ROOT / "docs" / "proxies.md").read_text()
SIDELINE = "127.0.0.1:7103"
UNKNOWN_CAMERA = "6f1f1f4e-5a0f-4a43-9c39-0a4f5f0d3c11"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)


@pytest.fixture
def port(club: Installation, tmp_path: Path) -> Iterator[int]:
    """The port of an nginx with the guide's block."""
    (block,) = blocks("nginx")
    assert SIDELINE in block
    block = block.replace(SIDELINE, f"127.0.0.1:{club.port}")
    found = free_port()
    with nginx(tmp_path, f"server {{ listen 127.0.0.1:{found}; {block} }}", found):
        yield found


def test_curl_line_shows_events_as_they_come(port: int, keeper: ChatClient, model: Model) -> None:
    """The model waits in the middle of its answer until the first part has arrived."""
    model.script = Script(pieces=tuple(f"word{number} " for number in range(6)), gate_at=3)
    line = blocks("sh")[-1].replace("https://cameras.example.org", f"http://127.0.0.1:{port}")
    assert f"127.0.0.1:{port}" in line
    token = keeper.api.headers["Authorization"].removeprefix("Bearer ")
    printed = []
    with subprocess.Popen(
        killed_with_parent("sh", "-c", line), stdout=subprocess.PIPE, text=True,
        env={"PATH": os.environ["PATH"], "CHAT": keeper.chat(), "TOKEN": token},
    ) as curl:  # fmt: skip
        assert curl.stdout is not None
        for shown in curl.stdout:
            assert re.match(r"\d\d:\d\d:\d\d ", shown), shown
            printed.append(shown[9:].rstrip())
            if "word2" in shown:
                model.gate.set()
    assert curl.returncode == 0
    assert printed[0] == ": ping"
    assert "word5" in "".join(printed)
    assert [each for each in printed if each][-1] == 'data: {"type":"done","status":"complete"}'


def test_sockets_pass_the_nginx_block(port: int, keeper: ChatClient) -> None:
    headers = {"Authorization": keeper.api.headers["Authorization"]}
    address = f"ws://127.0.0.1:{port}/ws/stream/{UNKNOWN_CAMERA}"
    with (
        connect(address, additional_headers=headers, proxy=None) as socket,
        pytest.raises(ConnectionClosed),
    ):
        socket.recv(timeout=60)
    assert socket.close_code == 4404


@pytest.mark.parametrize("language", ["nginx", "caddyfile", "apache"])
def test_blocks_lead_to_sideline(language: str) -> None:
    assert len(blocks(language)) == (1 if language == "nginx" else 2)
    for block in blocks(language):
        assert SIDELINE in block


def test_traefik_blocks_belong_together() -> None:
    static, dynamic = map(yaml.safe_load, blocks("yaml"))
    (router,) = dynamic["http"]["routers"].values()
    assert set(router["entryPoints"]) == {*static["entryPoints"]}
    assert router["tls"]["certResolver"] in static["certificatesResolvers"]
    balancer = dynamic["http"]["services"][router["service"]]["loadBalancer"]
    assert balancer["servers"] == [{"url": f"http://{SIDELINE}"}]
