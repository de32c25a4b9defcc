"""Who may send how much to the addresses of a model's upload, on a real server."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from cameras.models.detectors import PART
from project.server.http import BODY_LIMIT
from tests.installation import Installation
from tests.people import Scenario, create_scenario

TOKEN = "a" * 32
CALLERS = ("anonymous", "operator", "outsider", "no CSRF token", "admin")
DETECTOR = "/organizations/demo-club/detector"


@dataclass(frozen=True, slots=True)
class Site:
    """A server with an upload of two parts that has begun."""

    installation: Installation
    scenario: Scenario
    upload: str

    def headers(self, caller: str) -> dict[str, str]:
        cookie = f"sideline_csrf={TOKEN}"
        if caller != "anonymous":
            user = "admin" if caller == "no CSRF token" else caller
            cookie += f"; sideline_session={self.scenario[user].session}"
        token = {} if caller == "no CSRF token" else {"X-CSRFToken": TOKEN}
        return {"Cookie": cookie, "Content-Type": "application/octet-stream", **token}

    def post(self, path: str, caller: str, **body: object) -> httpx.Response:
        headers = self.headers(caller)
        if "data" in body:
            del headers["Content-Type"]
        url = self.installation.url + DETECTOR + path
        return httpx.post(url, headers=headers, timeout=60, **body)  # type: ignore[arg-type]

    def spooled(self) -> int:
        """Bytes of bodies that the server keeps in temporary files."""
        size = 0
        for link in Path(f"/proc/{self.installation.processes[0].pid}/fd").iterdir():
            with suppress(OSError):
                size += os.stat(link).st_size if "(deleted)" in os.readlink(link) else 0
        return size


@pytest.fixture(scope="module")
def site(installation: Installation) -> Site:
    scenario = create_scenario(installation, "bodies")
    fields = {"name": "Ours", "source": "file", "colours": "rgb", "scale": "unit"}
    site = Site(installation, scenario, "")
    begun = site.post("", "admin", data=fields | {"size": str(2 * PART)})
    return Site(installation, scenario, begun.json()["id"])


@pytest.mark.parametrize("path", ["", "/{upload}/parts/0", "/{upload}/check", "/remove"])
@pytest.mark.parametrize("caller", CALLERS)
def test_announced_body_of_100_mb_is_refused_before_it_is_sent(
    site: Site, caller: str, path: str
) -> None:
    with _request(site, caller, path.format(upload=site.upload), "Content-Length: 100000000") as to:
        assert to.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("caller", CALLERS)
def test_body_of_100_mb_is_refused_at_the_ordinary_limit(site: Site, caller: str) -> None:
    """In chunks, so that its length is not announced."""
    before, most = site.spooled(), 0
    path = f"/{site.upload}/parts/0"
    with _request(site, caller, path, "Transfer-Encoding: chunked") as to:
        for chunk in _chunks():
            if select.select([to], [], [], 0)[0]:
                break
            to.sendall(chunk)
            most = max(most, site.spooled() - before)
        assert to.recv(100).startswith(b"HTTP/1.1 413 ")
    assert most <= BODY_LIMIT


def test_only_an_administrator_can_store_a_part(site: Site) -> None:
    path = f"/{site.upload}/parts/0"
    refused = [site.post(path, caller, content=bytes(PART)).status_code for caller in CALLERS[:-1]]
    assert refused == [302, 403, 404, 403]
    assert site.post(path, "admin", content=b"x" * PART).status_code == 204, "none is stored"


def _request(site: Site, caller: str, path: str, length: str) -> socket.socket:
    """Send the head of a request."""
    lines = [f"POST {DETECTOR}{path} HTTP/1.1", "Host: 127.0.0.1", length]
    lines += [f"{name}: {value}" for name, value in site.headers(caller).items()]
    connection = socket.create_connection(("127.0.0.1", site.installation.port), 60)
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    return connection


def _chunks() -> Iterator[bytes]:
    """100 MB in chunks of 64 KiB."""
    for _ in range(100_000_000 // 65_536):
        yield b"10000\r\n" + bytes(65_536) + b"\r\n"
