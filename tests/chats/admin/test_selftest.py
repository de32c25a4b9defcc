"""The self-test of streams: what it finds of a real nginx, from the server and from a browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.browser import new_page
from tests.installation import Installation, installed
from tests.nginx import nginx
from tests.prepared import KEEPER
from tests.waiting import free_port


class Site:
    """Sideline behind an nginx with some lines of its own."""

    def __init__(self, installation: Installation, url: str) -> None:
        self.installation, self.url = installation, url
        with httpx.Client(base_url=url) as client:
            page = client.get("/signin")
            token = re.findall(r'csrfmiddlewaretoken" value="(\w+)"', page.text)[0]
            form = {"csrfmiddlewaretoken": token, **KEEPER}
            answer = client.post("/signin", data=form, headers={"Origin": url})
            assert answer.status_code == 302, answer.text
            self.cookies = dict(client.cookies)

    def post(self, name: str, **fields: str) -> dict[str, Any]:
        headers = {"Origin": self.url, "X-CSRFToken": self.cookies["sideline_csrf"]}
        answer = httpx.post(
            f"{self.url}/admin/chats/assistant/selftest/{name}",
            data=fields, headers=headers, cookies=self.cookies, timeout=60,
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told


def behind(installation: Installation, port: int, lines: str) -> str:
    """A site of nginx: what is usual in front of Sideline, and `lines`."""
    usual = {
        "proxy_http_version": "1.1",
        "proxy_set_header": "Host $http_host",
        "proxy_buffering": "off",
        "proxy_read_timeout": "1h",
    }
    own = [line.split()[0] for line in lines.split(";") if line.strip()]
    rest = "".join(f"{name} {value};" for name, value in usual.items() if name not in own)
    return f"""
        server {{
            listen 127.0.0.1:{port};
            location / {{ {rest} {lines} proxy_pass http://127.0.0.1:{installation.port}; }}
        }}
        """


HEALTHY = ""
# nginx collects what comes by HTTP/1.0, its own default, and passes on chunks of HTTP/1.1.
PLAIN = "proxy_http_version 1.0;"
BUFFERING = PLAIN + "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;"
OBEDIENT = PLAIN + "proxy_buffering on;"
COMPRESSING = "gzip on; gzip_proxied any; gzip_min_length 0; gzip_types *;"
IMPATIENT = "proxy_read_timeout 1s;"
QUIET = {IMPATIENT: "3"}  # seconds of silence; others are told by the events before it


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, int]]:
    """An installation whose public address is the port that an nginx will listen on."""
    port = free_port()
    with installed(
        tmp_path_factory.mktemp("public"),
        SIDELINE_DEMO="0", SIDELINE_PUBLIC_URL=f"http://127.0.0.1:{port}",
    ) as installation:  # fmt: skip
        installation.serve()
        yield installation, port


def found_by_the_server(
    public: tuple[Installation, int], folder: Path, lines: str
) -> tuple[str, dict[str, list[tuple[str, str]]]]:
    """What the server's own test says behind an nginx with these lines.

    The state, and for each kind of finding the proxies and directives that it names.
    """
    installation, port = public
    with nginx(folder, behind(installation, port, lines), port):
        site = Site(installation, f"http://127.0.0.1:{port}")
        told = site.post("here", quiet=QUIET.get(lines, "0.5"))
    assert "Traceback" not in installation.logged()
    return told["state"], {
        finding["kind"]: [(line["proxy"], line["directive"]) for line in finding["lines"]]
        for finding in told["findings"]
    }


def test_server_detects_a_proxy_that_buffers_and_compresses(
    public: tuple[Installation, int], tmp_path: Path
) -> None:
    """Which is found at any speed of this machine."""
    state, found = found_by_the_server(public, tmp_path, BUFFERING + COMPRESSING)
    assert state == "wrong"
    assert found == {
        "held": [("nginx", "proxy_buffering off;")],
        "compressed": [("nginx", "gzip off;")],
    }


@pytest.mark.timing
@pytest.mark.parametrize(
    ("lines", "state", "found"),
    [
        (HEALTHY, "ok", {}),
        (PLAIN, "ok", {}),
        (BUFFERING, "wrong", {"held": "proxy_buffering off;"}),
        (OBEDIENT, "note", {"held": "proxy_buffering off;"}),
        (COMPRESSING, "note", {"compressed": "gzip off;"}),
        (IMPATIENT, "wrong", {"cut": "proxy_read_timeout 1h;"}),
    ],
    ids=["healthy", "plain", "buffering", "obedient", "compressing", "impatient"],
)
def test_server_detects_nginx_buffering(
    lines: str, state: str, found: dict[str, str], public: tuple[Installation, int], tmp_path: Path
) -> None:
    """What is late by 0.6 s counts as held back."""
    expected = {kind: [("nginx", directive)] for kind, directive in found.items()}
    assert found_by_the_server(public, tmp_path, lines) == (state, expected)


def test_unreachable_public_address_is_reported(public: tuple[Installation, int]) -> None:
    installation, _ = public
    told = Site(installation, installation.url).post("here", quiet="1")
    assert told["state"] == "note"
    assert "cannot reach its own public address" in told["sentence"]


def test_probe_stream_has_the_headers_of_a_chat_stream(public: tuple[Installation, int]) -> None:
    installation, _ = public
    begun = Site(installation, installation.url).post("begin", quiet="0.5")
    assert begun["limit"] == pytest.approx(1.5 + 0.5 + 15)
    for name, expected in (("chat", "no"), ("bare", None)):
        with httpx.stream("GET", installation.url + begun[name], timeout=30) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert answer.headers.get("x-accel-buffering") == expected
            lines = [line for line in answer.iter_lines() if line.startswith("data: ")]
        assert [json.loads(line[6:])["type"] for line in lines] == ["tick"] * 10 + ["end"]
        again = httpx.get(installation.url + begun[name], timeout=30)
        assert again.status_code == 404
        assert again.headers["content-type"] == "application/problem+json"


@pytest.mark.timing
@pytest.mark.parametrize(
    ("lines", "state", "found"),
    [
        (HEALTHY, "ok", {}),
        (BUFFERING, "wrong", {"held": "proxy_buffering off;"}),
        (COMPRESSING, "note", {"compressed": "gzip off;"}),
        (IMPATIENT, "wrong", {"cut": "proxy_read_timeout 1h;"}),
    ],
    ids=["healthy", "buffering", "compressing", "impatient"],
)
def test_browser_detects_nginx_buffering(
    lines: str,
    state: str,
    found: dict[str, str],
    public: tuple[Installation, int],
    tmp_path: Path,
    browser: Browser,
) -> None:
    installation, port = public
    url = f"http://127.0.0.1:{port}"
    page_of_test = f"/admin/chats/assistant/selftest%3Fquiet={QUIET.get(lines, '0.5')}"
    with nginx(tmp_path, behind(installation, port, lines), port), new_page(browser) as tab:
        page = tab.page
        page.goto(f"{url}/signin?next={page_of_test}")
        page.get_by_label("Username").fill(KEEPER["username"])
        page.get_by_label("Password").fill(KEEPER["password"])
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Run the test").click()
        for place in ("browser", "server"):
            judged = page.locator(f"[data-from={place}]")
            expect(judged).to_have_attribute("data-state", state, timeout=30_000)
            expect(judged.locator("[data-says]")).not_to_be_empty()
            expect(judged.locator("li.finding")).to_have_count(len(found))
            for kind, directive in found.items():
                finding = judged.locator(f"li.finding[data-kind={kind}]")
                expect(finding.locator("p:not(.finding-where)")).not_to_be_empty()
                expect(finding.locator("pre")).to_have_text(directive)
        # Chromium itself tells its console of a stream that was cut.
        assert [e for e in tab.errors if "ERR_INCOMPLETE_CHUNKED_ENCODING" not in e] == []


def test_page_says_so_if_users_come_through_another_address(
    public: tuple[Installation, int],
) -> None:
    installation, port = public
    cookies = Site(installation, installation.url).cookies
    address = f"{installation.url}/admin/chats/assistant/selftest"
    page = httpx.get(address, cookies=cookies, timeout=30).text
    assert "People come through another address." in page
    assert f"http://127.0.0.1:{port}/admin/chats/assistant/selftest" in page
