"""The self-test of streams: what it makes of arrivals, and whom it lets begin."""

from __future__ import annotations

import math
from typing import Any

import pytest
from django.core import signing
from django.test import Client
from django.urls import reverse

from chats.selftest import probe
from chats.selftest.judgement import ARRIVALS_MOST, Arrival, Heard, heard_of, judge, verdict
from chats.selftest.probe import Probe, bounded_quiet
from project.accounts.models import User
from tests.cameras.views.rows import client_of

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


def test_stream_that_arrives_as_sent_is_fine() -> None:
    assert verdict(arrivals(), STREAM, True) == []
    assert verdict(arrivals(delay=3.0), STREAM, True) == [], "far away is not held back"
    jitter = tuple(Arrival(sent, sent + 0.1 + 0.4 * (n % 2)) for n, sent in enumerate(SENT))
    assert verdict(jitter, STREAM, True) == []


def test_events_that_arrive_all_at_once_were_buffered() -> None:
    found = verdict(arrivals(*[21.6] * 11), STREAM, True)
    assert kinds(found) == ["held"]
    assert "for 21.4 s at most" in found[0].sentence
    assert directives(found) == ["proxy_buffering off;"]


def test_events_that_arrive_in_batches_were_buffered() -> None:
    lots = arrivals(*[0.8] * 5, *[1.6] * 5, 21.55)
    assert kinds(verdict(lots, STREAM, True)) == ["held"]


def test_empty_stream_was_buffered() -> None:
    found = verdict((), STREAM, False, 36.0)
    assert kinds(found) == ["held"]
    assert "in 36 s" in found[0].sentence


def test_compressed_stream_names_the_proxy_module() -> None:
    for coding, line in (("gzip", "gzip off;"), ("br", "brotli off;"), ("zstd", "zstd off;")):
        found = verdict(arrivals(), STREAM | {"content-encoding": coding}, True)
        assert kinds(found) == ["compressed"]
        assert directives(found) == [line]
        assert found[0].sentence == f"The stream was compressed ({coding}) on its way."
    assert verdict(arrivals(), STREAM | {"content-encoding": "identity"}, True) == []


def test_cut_stream_reports_the_silence_before_it() -> None:
    found = verdict(arrivals()[:10], STREAM, False, 1.5 + 0.05 + 5.0)
    assert kinds(found) == ["cut"]
    assert "after 5.0 s of silence" in found[0].sentence
    assert directives(found) == ["proxy_read_timeout 1h;"]
    assert kinds(verdict(arrivals()[:10], STREAM, False)) == ["cut"]


def test_all_findings_are_reported_together() -> None:
    held = arrivals(*[2.6] * 10)
    found = verdict(held, STREAM | {"content-encoding": "gzip"}, False, 2.6)
    assert kinds(found) == ["compressed", "held", "cut"]


@pytest.mark.parametrize("kind", ["text/html", "application/problem+json", ""])
def test_unexpected_response_is_reported(kind: str) -> None:
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
def test_configuration_lines_match_the_proxy_in_the_server_header(
    headers: dict[str, str], proxies: set[str]
) -> None:
    told = {"content-type": "text/event-stream", "content-encoding": "gzip", **headers}
    found = verdict(arrivals(*[9.0] * 10), told, False)
    for finding in found:
        assert {line.proxy for line in finding.lines} == proxies, finding.kind


def test_finding_on_the_bare_stream_alone_is_a_note() -> None:
    good = Heard(arrivals(), STREAM, True, 21.6)
    held = Heard(arrivals(*[21.6] * 11), STREAM, True, 21.6)
    assert judge(good, good).state == "ok"
    assert judge(good, good).sentence == (
        "All is well: every event arrived within 0 ms of its turn, nothing was compressed, "
        "and 20 s of silence were endured."
    )
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
def test_invalid_stream_report_is_rejected(data: Any) -> None:
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


async def test_ticket_works_once() -> None:
    ticket = probe.ticket(Probe(True, 2.0))
    assert await probe.claim(ticket) == Probe(True, 2.0)
    assert await probe.claim(ticket) is None


async def test_ticket_cannot_be_forged_and_expires(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await probe.claim("made-up") is None
    assert await probe.claim(signing.dumps({"bare": True, "quiet": 1, "once": "x"})) is None
    ticket = probe.ticket(Probe(False, 2.0))
    monkeypatch.setattr(probe, "TICKET_S", -1)
    assert await probe.claim(ticket) is None


@pytest.mark.django_db
def test_self_test_is_for_staff(viewer: User, staff: Client) -> None:
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
