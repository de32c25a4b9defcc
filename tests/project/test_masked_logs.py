"""No credential that a URL holds reaches a log: nginx's with the shipped sample, and ours."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest

from project.settings.logging import SECRET_PATHS, RedactingFormatter
from tests import ROOT
from tests.gate.routes import credential_paths
from tests.nginx import nginx
from tests.project.test_deploy import DEPLOY, SUBPATH, sample
from tests.waiting import free_port, until

PIECE = "hunter2hunter2"
KEY = f"sk_{PIECE}-{PIECE}"
# As people and programs write them; the last ones are not served by any route.
CREDENTIALS = (PIECE, KEY, f"{PIECE}:{PIECE}", f"{PIECE}%3A{PIECE}", f"s%6B_{PIECE}")
ROUTES = credential_paths("TEXT")
UUID = "6f1f1f4e-5a0f-4a43-9c39-0a4f5f0d3c11"


def targets() -> list[str]:
    """Return request targets with a credential in each place where one may be."""
    found = [
        path.replace("TEXT", credential) + end
        for path in ROUTES.values()
        for credential in CREDENTIALS
        for end in ("", "/")
    ]
    found += [f"{path}?ticket={PIECE}" for path in ("/ws/stream/" + UUID, "/ws/publish/" + UUID)]
    for picture in ("snapshot.jpg", "stream.mjpeg"):
        found.append(f"/api/v1/cameras/{KEY}/{picture}?width=640")
    found += [f"/signin?next=/shared/{PIECE}", f"/wrong/{KEY}", f"/%73hared/{PIECE}"]
    found += [f"/Shared/{PIECE}", f"//signin/{PIECE}", f"/x/../signin/{PIECE}"]
    found += [f"/signin/reset/{UUID}/{PIECE}", f"/signin/code{PIECE}", f"/shared/{UUID}{PIECE}"]
    return found


def test_every_route_with_a_credential_is_among_the_masked_paths() -> None:
    assert {"signin-link", "reset", "invitation", "shared", "stream", "publish"} <= {*ROUTES}
    for name, path in ROUTES.items():
        assert re.search(rf"/(?:{SECRET_PATHS})/.*TEXT", path), name


def test_proxies_and_sideline_mask_the_same_paths() -> None:
    assert f"/(?:{SECRET_PATHS})/" in (DEPLOY / "nginx.conf").read_text()
    guide = (ROOT / "docs" / "proxies.md").read_text()
    assert f"/({SECRET_PATHS})/" in guide
    for path in SECRET_PATHS.split("|"):
        assert f"`/{path}/`" in guide


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int, int]]:
    """nginx before a server that is down: it logs each request, and why it failed."""
    folder = tmp_path_factory.mktemp("masked")
    root, under_path = free_port(), free_port()
    with nginx(folder, sample(free_port(), root, under_path, folder), root):
        yield folder, root, under_path


def test_nginx_logs_no_credential(ports: tuple[Path, int, int]) -> None:
    folder, root, under_path = ports
    log = folder / "sideline.log"
    sent = 0
    for port, start in ((root, ""), (under_path, SUBPATH)):
        for target in targets():
            referer = {"Referer": f"https://club.example{start}{target}"}
            url = f"http://127.0.0.1:{port}{start}{target}"
            assert httpx.get(url, headers=referer).status_code == 502, target
            sent += 1
        httpx.get(f"http://127.0.0.1:{port}{start}/ws/stream/{UUID}")
        httpx.get(f"http://127.0.0.1:{port}{start}/signin/forgotten")
        httpx.get(f"http://{KEY}:x@127.0.0.1:{port}{start}/")
    lines = until(lambda: len(log.read_text().splitlines()) >= sent, 30, "the log") and (
        log.read_text()
    )
    logged = lines + "".join(path.read_text() for path in folder.glob("*error.log"))
    assert "hunter2" not in logged
    assert "***" in logged
    for shown in (f"/ws/stream/{UUID} ", "/signin/forgotten ", "/sideline/shared/*** "):
        assert shown in lines, "the log is still of use"
    assert '"https://club.example/***"' in lines


@pytest.mark.parametrize("target", targets())
def test_our_log_holds_no_credential(target: str) -> None:
    """As it was sent, and decoded, as Django logs it."""
    formatter = RedactingFormatter()
    for path in {target, unquote(target)} - {f"/%73hared/{PIECE}"}:  # logged decoded alone
        record = logging.LogRecord("x", logging.INFO, "", 0, "Not Found: %s", (path,), None)
        assert "hunter2" not in formatter.format(record)
