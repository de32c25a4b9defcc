"""The self-test of streams: what it makes of arrivals, and what it finds of a real nginx."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.core import signing
from django.test import Client
from django.urls import reverse
from playwright.sync_api import expect

from cameras.models import User
from chats import probe
from chats.probe import Probe, bounded_quiet
from chats.selftest import ARRIVALS_MOST, Arrival, Heard, heard_of, judge, verdict
from tests.browser import chromium, new_page
from tests.cameras.pages.rows import client_of
from tests.installation import KEEPER, Installation, installed
from tests.project.test_deploy import nginx
from tests.waiting import free_port

STREAM = {"content-type": "text/event-stream; charset=utf-8", "server": "nginx/1.22"}
SENT = [0.15 * number for number in range(1, 11)] + [21.5]


def arrivals(*ats: float, delay: float = 0.05) -> tuple[Arrival, ...]:
    """Events as they were sent, a little later, or when `ats` says."""
    at = ats or tuple(sent + delay for sent in SENT)
    return tuple(Arrival(sent, when) for sent, when in zip(SENT, at, strict=False))


def kinds(found: Any) -> list[str]:
    return [finding.kind for finding in found]


def directives(found: Any) -> list[str]:
    return [line.directive for finding in found for line in finding.lines]


def test_a_stream_that_arrives_as_sent_is_well() -> None:
    assert verdict(arrivals(), STREAM, True) == []
    assert verdict(arrivals(delay=3.0), STREAM, True) == [], "far away is not held back"
    jitter = tuple(Arrival(sent, sent + 0.1 + 0.4 * (n % 2)) for n, sent in enumerate(SENT))
    assert verdict(jitter, STREAM, True) == []


def test_events_that_come_all_at_once_were_held_back() -> None:
    found = verdict(arrivals(*[21.6] * 11), STREAM, True)
    assert kinds(found) == ["held"]
    assert "for 21.4 s at most" in found[0].sentence
    assert directives(found) == ["proxy_buffering off;"]


def test_events_that_come_in_lots_were_held_back() -> None:
    lots = arrivals(*[0.8] * 5, *[1.6] * 5, 21.55)
    assert kinds(verdict(lots, STREAM, True)) == ["held"]


def test_a_stream_that_brings_nothing_was_held_back() -> None:
    found = verdict((), STREAM, False, 36.0)
    assert kinds(found) == ["held"]
    assert "in 36 s" in found[0].sentence


def test_a_compressed_stream_is_named_with_its_module() -> None:
    for coding, line in (("gzip", "gzip off;"), ("br", "brotli off;"), ("zstd", "zstd off;")):
        found = verdict(arrivals(), STREAM | {"content-encoding": coding}, True)
        assert kinds(found) == ["compressed"]
        assert directives(found) == [line]
    assert verdict(arrivals(), STREAM | {"content-encoding": "identity"}, True) == []


def test_a_stream_that_is_cut_says_after_which_silence() -> None:
    found = verdict(arrivals()[:10], STREAM, False, 1.5 + 0.05 + 5.0)
    assert kinds(found) == ["cut"]
    assert "after 5.0 s of silence" in found[0].sentence
    assert directives(found) == ["proxy_read_timeout 1h;"]
    assert kinds(verdict(arrivals()[:10], STREAM, False)) == ["cut"]


def test_all_that_is_wrong_is_told_at_once() -> None:
    held = arrivals(*[2.6] * 10)
    found = verdict(held, STREAM | {"content-encoding": "gzip"}, False, 2.6)
    assert kinds(found) == ["compressed", "held", "cut"]


@pytest.mark.parametrize("kind", ["text/html", "application/problem+json", ""])
def test_something_else_than_the_stream_is_told(kind: str) -> None:
    assert kinds(verdict((), {"content-type": kind}, False)) == ["other"]


@pytest.mark.parametrize(
    ("headers", "proxies"),
    [
        ({"server": "nginx"}, {"nginx"}),
        ({"server": "openresty/1.21"}, {"nginx"}),
        ({"server": "daphne", "via": "1.1 Caddy"}, {"Caddy"}),
        ({"server": "Apache/2.4.62 (Debian)"}, {"Apache"}),
        ({"server": "daphne"}, {"nginx", "Caddy", "Apache"}),
        ({}, {"nginx", "Caddy", "Apache"}),
    ],
)
def test_lines_are_those_of_the_proxy_that_names_itself(
    headers: dict[str, str], proxies: set[str]
) -> None:
    told = {"content-type": "text/event-stream", "content-encoding": "gzip", **headers}
    found = verdict(arrivals(*[9.0] * 10), told, False)
    for finding in found:
        assert {line.proxy for line in finding.lines} == proxies, finding.kind


def test_what_only_the_bare_stream_meets_is_a_note() -> None:
    good = Heard(arrivals(), STREAM, True, 21.6)
    held = Heard(arrivals(*[21.6] * 11), STREAM, True, 21.6)
    assert judge(good, good).state == "ok"
    assert "20 s of silence" in judge(good, good).sentence
    note = judge(good, held)
    assert (note.state, kinds(note.findings)) == ("note", ["held"])
    assert note.findings[0].sentence.startswith("Without the chat’s headers: events were held")
    wrong = judge(held, held)
    assert (wrong.state, kinds(wrong.findings)) == ("wrong", ["held"])


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"arrivals": [[1]], "headers": {}, "ended": True},
        {"arrivals": [["x", 1]], "headers": {}, "ended": True},
        {"arrivals": [[1, math.inf]], "headers": {}, "ended": True},
        {"arrivals": [[1, -1]], "headers": {}, "ended": True},
        {"arrivals": [[1, 1]], "headers": "none", "ended": True},
        {"arrivals": [[1, 1]], "headers": {}, "ended": True, "over": math.nan},
    ],
)
def test_what_is_no_report_of_a_stream_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        heard_of(data)


def test_a_report_is_bounded() -> None:
    long = {"arrivals": [[1, 1]] * 5000, "headers": {"server": "x" * 5000}, "ended": True}
    heard = heard_of(long)
    assert len(heard.arrivals) == ARRIVALS_MOST
    assert len(heard.headers["server"]) == 200


def test_silence_is_bounded() -> None:
    assert [bounded_quiet(text) for text in ("3", "0", "-1", "999", "nan", "inf", "", "x")] == [
        3, 0.5, 0.5, 20, 0.5, 20, 20, 20,
    ]  # fmt: skip


async def test_a_ticket_opens_once() -> None:
    ticket = probe.ticket(Probe(True, 2.0))
    assert await probe.claim(ticket) == Probe(True, 2.0)
    assert await probe.claim(ticket) is None


async def test_a_ticket_cannot_be_made_up_and_does_not_keep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await probe.claim("made-up") is None
    assert await probe.claim(signing.dumps({"bare": True, "quiet": 1, "once": "x"})) is None
    ticket = probe.ticket(Probe(False, 2.0))
    monkeypatch.setattr(probe, "TICKET_S", -1)
    assert await probe.claim(ticket) is None


@pytest.mark.django_db
def test_the_self_test_is_for_staff(viewer: User, staff: Client) -> None:
    for name in ("chats_selftest", "chats_selftest_begin", "chats_selftest_judge"):
        assert client_of(viewer).post(reverse(f"admin:{name}")).status_code == 302
        assert Client().post(reverse(f"admin:{name}")).status_code == 302
    for client in (Client(), client_of(viewer)):
        assert client.post(reverse("admin:chats_selftest_here")).status_code == 403
    assert staff.get(reverse("admin:chats_selftest")).status_code == 200
    assert staff.get(reverse("admin:chats_selftest_begin")).status_code == 405
    bad = staff.post(reverse("admin:chats_selftest_judge"), b"[", content_type="text/plain")
    assert bad.status_code == 400
    assert staff.post(reverse("admin:chats_selftest_here")).status_code == 404, "no public address"


class Site:
    """Sideline behind an nginx with some lines of its own."""

    def __init__(self, house: Installation, url: str) -> None:
        self.house, self.url = house, url
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
            data=fields, headers=headers, cookies=self.cookies, timeout=40,
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told


def behind(house: Installation, port: int, lines: str) -> str:
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
            location / {{ {rest} {lines} proxy_pass http://127.0.0.1:{house.port}; }}
        }}
        """


HEALTHY = ""
# nginx collects what comes by HTTP/1.0, its own default, and passes on chunks of HTTP/1.1.
PLAIN = "proxy_http_version 1.0;"
BUFFERING = PLAIN + "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;"
OBEDIENT = PLAIN + "proxy_buffering on;"
COMPRESSING = "gzip on; gzip_proxied any; gzip_min_length 0; gzip_types *;"
IMPATIENT = "proxy_read_timeout 3s;"


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, int]]:
    """An installation whose public address is the port that an nginx will listen on."""
    port = free_port()
    with installed(
        tmp_path_factory.mktemp("public"), SIDELINE_PUBLIC_URL=f"http://127.0.0.1:{port}"
    ) as house:
        house.serve()
        yield house, port


@pytest.mark.parametrize(
    ("lines", "state", "found", "directive"),
    [
        (HEALTHY, "ok", [], ""),
        (PLAIN, "ok", [], ""),
        (BUFFERING, "wrong", ["held"], "proxy_buffering off;"),
        (OBEDIENT, "note", ["held"], "proxy_buffering off;"),
        (COMPRESSING, "note", ["compressed"], "gzip off;"),
        (IMPATIENT, "wrong", ["cut"], "proxy_read_timeout 1h;"),
    ],
    ids=["healthy", "plain", "buffering", "obedient", "compressing", "impatient"],
)
def test_the_server_finds_what_nginx_does(
    lines: str,
    state: str,
    found: list[str],
    directive: str,
    public: tuple[Installation, int],
    tmp_path: Path,
) -> None:
    house, port = public
    with nginx(tmp_path, behind(house, port, lines), port):
        told = Site(house, f"http://127.0.0.1:{port}").post("here", quiet="6")
    assert told["state"] == state, told
    assert [finding["kind"] for finding in told["findings"]] == found
    for finding in told["findings"]:
        assert [(line["proxy"], line["directive"]) for line in finding["lines"]] == [
            ("nginx", directive)
        ]
    assert "Traceback" not in house.logged()


def test_a_public_address_that_leads_nowhere_is_told(public: tuple[Installation, int]) -> None:
    house, _ = public
    told = Site(house, house.url).post("here", quiet="1")
    assert told["state"] == "note"
    assert "cannot reach its own public address" in told["sentence"]


def test_a_stream_is_like_the_chats_but_for_the_bare_one(public: tuple[Installation, int]) -> None:
    house, _ = public
    begun = Site(house, house.url).post("begin", quiet="0.5")
    assert begun["limit"] == pytest.approx(1.5 + 0.5 + 15)
    for name, expected in (("chat", "no"), ("bare", None)):
        with httpx.stream("GET", house.url + begun[name], timeout=10) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert answer.headers.get("x-accel-buffering") == expected
            lines = [line for line in answer.iter_lines() if line.startswith("data: ")]
        assert [json.loads(line[6:])["type"] for line in lines] == ["tick"] * 10 + ["end"]
        again = httpx.get(house.url + begun[name])
        assert again.status_code == 404
        assert again.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("lines", "state", "words"),
    [
        (HEALTHY, "ok", ["All is well"]),
        (BUFFERING, "wrong", ["held back", "proxy_buffering off;"]),
        (COMPRESSING, "note", ["compressed (gzip)", "gzip off;"]),
        (IMPATIENT, "wrong", ["was cut after", "proxy_read_timeout 1h;"]),
    ],
    ids=["healthy", "buffering", "compressing", "impatient"],
)
def test_the_browser_finds_what_nginx_does(
    lines: str, state: str, words: list[str], public: tuple[Installation, int], tmp_path: Path
) -> None:
    house, port = public
    url = f"http://127.0.0.1:{port}"
    with (
        nginx(tmp_path, behind(house, port, lines), port),
        chromium() as browser,
        new_page(browser) as tab,
    ):
        page = tab.page
        page.goto(f"{url}/signin?next=/admin/chats/assistant/selftest%3Fquiet=6")
        page.get_by_label("Username").fill(KEEPER["username"])
        page.get_by_label("Password").fill(KEEPER["password"])
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Run the test").click()
        for place in ("browser", "server"):
            judged = page.locator(f"[data-from={place}]")
            expect(judged).to_have_attribute("data-state", state, timeout=30_000)
            for said in words:
                expect(judged).to_contain_text(said)
        # Chromium itself tells its console of a stream that was cut.
        assert [e for e in tab.errors if "ERR_INCOMPLETE_CHUNKED_ENCODING" not in e] == []


def test_the_page_says_so_where_people_come_through_another_address(
    public: tuple[Installation, int],
) -> None:
    house, port = public
    cookies = Site(house, house.url).cookies
    page = httpx.get(f"{house.url}/admin/chats/assistant/selftest", cookies=cookies).text
    assert "People come through another address." in page
    assert f"http://127.0.0.1:{port}/admin/chats/assistant/selftest" in page
