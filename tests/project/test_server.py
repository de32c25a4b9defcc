"""Limits of the server: bodies, upgrades, exceptions after the first byte."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from project.middleware import ErrorBoundary
from project.server.http import client_of
from tests.installation import Installation, installed
from tests.people import Scenario, create_scenario
from tests.publishers import publishing
from tests.push_messages import send_body
from tests.sockets import close_code, jpeg, watching
from tests.waiting import until


def test_large_body_is_refused_on_any_path_before_a_view_runs(installation: Installation) -> None:
    for path in ("/nowhere", "/api/v1/auth/login", "/signin"):
        answer = httpx.post(installation.url + path, content=b"x" * (2 * 2**20), timeout=60)
        assert answer.status_code == 413, path
        assert answer.json()["status"] == 413


def test_large_chunked_body_is_refused_by_its_received_size(installation: Installation) -> None:
    def chunks() -> Any:
        for _ in range(400):
            yield b"x" * 65_536

    answer = httpx.post(installation.url + "/signin", content=chunks(), timeout=60)
    assert answer.status_code == 413


def test_refused_bodies_leave_no_temporary_files(installation: Installation) -> None:
    spooled = Path(f"/proc/{installation.processes[0].pid}/fd")

    def deleted() -> int:
        return sum("(deleted)" in _target(link) for link in spooled.iterdir())

    before = deleted()
    with socket.create_connection(("127.0.0.1", installation.port)) as half:
        half.sendall(b"POST /x HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900000000\r\n\r\n")
        assert b"413" in half.recv(200)
        half.sendall(b"x" * 2**20)
        assert deleted() <= before


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""


@pytest.mark.timing  # a paused upload loses its slot after 4 to 6 s
def test_slow_large_uploads_are_limited_and_slots_are_freed(
    installation: Installation,
) -> None:
    with uploading(installation, 17, each=3, headers=FAKE_BEARER) as uploads:
        answered = until(lambda: [one for one in uploads if _readable(one)], 60, "a refusal")
        assert b"503" in answered[0].recv(100)

    def accepted() -> bool:
        headers = {"Authorization": "Bearer nonsense"}
        content = b" " * (2 * 2**20)
        url = f"{installation.url}/api/v1/actions/actions/send"
        return httpx.post(url, content=content, headers=headers, timeout=60).status_code == 401

    assert until(accepted, 60, "a free slot")


FAKE_BEARER = b"Authorization: Bearer nonsense\r\n"


@contextlib.contextmanager
def uploading(
    installation: Installation, count: int, *, each: int, headers: bytes = b""
) -> Iterator[list[socket.socket]]:
    """Open connections, `each` per address, that send just over 1 MiB of 11 MB and pause."""
    head = (
        b"POST /api/v1/actions/actions/send HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        + headers
        + b"Content-Length: 11000000\r\n\r\n"
    )
    with contextlib.ExitStack() as stack:
        uploads = []
        for n in range(count):
            own = (f"127.0.0.{10 + n // each}", 0)
            there = socket.create_connection(
                ("127.0.0.1", installation.port), 60, source_address=own
            )
            uploads.append(stack.enter_context(there))
        for upload in uploads:
            with contextlib.suppress(ConnectionError):  # refused while it still sends
                upload.sendall(head + b" " * (2**20 + 5000))
        yield uploads


def push_large_frame(installation: Installation, scenario: Scenario) -> int:
    """Push a frame of 1.5 MB as an operator; return the status."""
    large = jpeg()[:-2] + b"\0" * 1_100_000 + b"\xff\xd9"
    return httpx.post(
        f"{installation.url}/api/v1/actions/actions/send",
        json=send_body(scenario.push, frame=base64.b64encode(large).decode()),
        headers=scenario["operator"].bearer,
        timeout=60,
    ).status_code


@pytest.mark.timing  # a paused upload loses its slot after 4 to 6 s
def test_sixteen_unauthenticated_uploads_do_not_block_an_operator(
    installation: Installation,
) -> None:
    scenario = create_scenario(installation, "sixteen")
    with uploading(installation, 16, each=1) as uploads:
        assert push_large_frame(installation, scenario) == 202
        for upload in uploads:
            assert until(lambda one=upload: _readable(one), 60, "a refusal")  # type: ignore[misc]
            assert upload.recv(20).startswith(b"HTTP/1.1 401 ")
    with uploading(installation, 16, each=16, headers=FAKE_BEARER) as uploads:
        until(lambda: sum(map(_readable, uploads)) == 13, 60, "all but three refused")
        assert push_large_frame(installation, scenario) == 202


@pytest.mark.timing
def test_paused_upload_loses_its_slot_before_its_time_limit(
    installation: Installation,
) -> None:
    with uploading(installation, 3, each=3, headers=FAKE_BEARER) as uploads:
        for upload in uploads:
            began = time.monotonic()
            upload.settimeout(15)
            with contextlib.suppress(ConnectionError):
                assert upload.recv(1) == b""
            assert time.monotonic() - began < 10
        with uploading(installation, 4, each=4, headers=FAKE_BEARER) as others:
            refused = until(lambda: [one for one in others if _readable(one)], 60, "a refusal")
            assert len(refused) == 1, "three of an address have a slot"
            for newcomer in set(others) - set(refused):
                newcomer.settimeout(0.01)
                with pytest.raises(TimeoutError):  # no response, and not closed
                    newcomer.recv(1)


def test_large_chunked_body_needs_a_credential_such_as_a_session(
    installation: Installation,
) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 65_536

    url = f"{installation.url}/api/v1/actions/actions/send"
    refused = httpx.post(url, content=chunks(), timeout=60)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert "1 MiB" in refused.json()["detail"]
    cookie = {
        "Cookie": f"sideline_session={create_scenario(installation, 'chunks')['operator'].session}"
    }
    assert httpx.post(url, content=chunks(), headers=cookie, timeout=60).status_code == 403, "CSRF"


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.7", [b"198.51.100.1"], "192.0.2.7"),
        ("::ffff:192.0.2.7", [], "192.0.2.7"),
        ("2001:db8::1:2:3:4", [], "2001:db8::"),
        ("10.0.0.1", [b"198.51.100.1", b"198.51.100.2, 10.0.0.2"], "198.51.100.2"),
        ("10.0.0.1", [], ""),
        ("", [], ""),
    ],
)
def test_upload_slots_are_per_client_not_per_proxy(
    settings: Any, peer: str, forwarded: list[bytes], client: str
) -> None:
    settings.TRUSTED_PROXIES = [ipaddress.ip_network("10.0.0.0/8")]
    assert client_of(peer, forwarded) == client


def _readable(connection: socket.socket) -> bool:
    connection.settimeout(0.01)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except (TimeoutError, ConnectionError):  # nothing yet, or closed without a response
        return False
    finally:
        connection.settimeout(60)


def test_restart_closes_open_sockets_with_1001(tmp_path: Path) -> None:
    with installed(tmp_path) as own:
        process = own.serve()
        scenario = create_scenario(own, "restart")
        with (
            watching(own, scenario.key, v1=True) as viewer,
            publishing(own, scenario.push, headers=scenario["operator"].bearer) as device,
        ):
            process.terminate()
            assert close_code(viewer, 60) == close_code(device, 60) == 1001
        assert process.wait(60) == 0


@pytest.mark.parametrize("begun", [False, True])
async def test_error_boundary_completes_the_response(begun: bool) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        if begun:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError("on purpose")

    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await ErrorBoundary(broken)({"type": "http", "path": "/"}, None, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == (200 if begun else 500)
    assert sent[-1]["type"] == "http.response.body"
    assert not sent[-1].get("more_body")


async def test_error_boundary_lets_cancellation_pass() -> None:
    async def cancelled(scope: Any, receive: Any, send: Any) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await ErrorBoundary(cancelled)({"type": "http"}, None, None)  # type: ignore[arg-type]


def test_data_beyond_the_handshake_limit_ends_the_connection() -> None:
    """Autobahn would buffer everything, and search it again with every read."""
    from project.server.websocket import MESSAGE_LIMIT, BoundedWebSocket

    class Transport:
        aborted = False

        def abortConnection(self) -> None:
            self.aborted = True

    protocol = BoundedWebSocket()
    protocol.transport, protocol.state = Transport(), protocol.STATE_CONNECTING
    protocol.data = b"x" * MESSAGE_LIMIT
    protocol.dataReceived(b"x")
    assert protocol.transport.aborted
    assert len(protocol.data) == MESSAGE_LIMIT


def test_daphne_and_twisted_have_the_names_that_we_use(installation: Installation) -> None:
    """Private names that `project/server` uses; an update could remove them."""
    from daphne import http_protocol, server, ws_protocol
    from twisted.internet.abstract import FileDescriptor
    from twisted.web.http import HTTPChannel, HTTPFactory

    assert issubclass(server.HTTPFactory, http_protocol.HTTPFactory)
    assert {"gotLength", "handleContentChunk", "requestReceived"} <= set(
        dir(http_protocol.WebRequest)
    )
    assert {"dataBuffer", "offset", "_tempDataLen"} <= set(dir(FileDescriptor(object())))
    assert hasattr(ws_protocol.WebSocketProtocol, "sendClose")
    names = {"handle_reply", "onPing", "onMessageBegin", "onMessageFrameBegin", "sendCloseFrame",
              "onMessageFrameData", "onFrameBegin", "processData", "consumeData"}  # fmt: skip
    assert names <= set(dir(ws_protocol.WebSocketProtocol))
    assert {"loseConnection", "dataReceived", "connectionMade"} <= set(dir(HTTPChannel))
    assert HTTPChannel()._handlingRequest is False
    assert type(HTTPFactory().protocol()._channel) is HTTPChannel
    assert hasattr(http_protocol.WebRequest, "parseCookies")  # before `gotLength`
