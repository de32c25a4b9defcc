"""Discovery of ONVIF cameras, and replies that lie."""

from __future__ import annotations

from typing import Any

import pytest

from cameras.ingest.sources.address_rules import own_addresses
from cameras.ingest.sources.dialing import permitted
from cameras.ingest.sources.onvif import discovery
from cameras.ingest.sources.onvif.discovery import Found, find_cameras
from tests.onvif import Replies, match, responder

SECONDS = 0.2
HERE = "http://127.0.0.1:8000/onvif/device_service"


def found(replies: Replies, *, allow_loopback: bool = True) -> list[Found]:
    with responder(replies) as camera:
        rule = permitted(allow_loopback=allow_loopback)
        return find_cameras(rule, target=camera.target, seconds=SECONDS)


def addresses(texts: str) -> list[str]:
    return [each.address for each in found(lambda _, id: [match(id, texts)])]


def test_camera_is_found_once_with_its_name() -> None:
    with responder(lambda _, id: [match(id, HERE)]) as camera:
        rule = permitted(allow_loopback=True)
        assert find_cameras(rule, target=camera.target, seconds=SECONDS) == [
            Found(HERE, "127.0.0.1", "Front door", "DS-2CD2042")
        ]
        kinds = ["NetworkVideoTransmitter" in probe for probe in camera.probes]
    assert (kinds.count(True), kinds.count(False)) == (2, 2), "each probe is sent twice"


def test_camera_at_a_closed_address_is_left_out() -> None:
    assert found(lambda _, id: [match(id, HERE)], allow_loopback=False) == []


def test_address_of_the_sender_is_preferred() -> None:
    link_local = "http://169.254.5.5/onvif/device_service"
    v6 = "http://[fe80::1]/onvif/device_service"
    assert addresses(f"{link_local} {v6} http://192.168.9.9/onvif/x {HERE}") == [HERE]
    assert addresses(f"{link_local} http://192.168.9.9/onvif/x") == [
        "http://192.168.9.9:80/onvif/x"
    ]


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "0.0.0.0", "[fe80::1]", "[::ffff:169.254.169.254]", "camera.local"]
)
def test_address_that_cannot_be_used_is_replaced_by_the_sender(host: str) -> None:
    assert addresses(f"http://{host}:8000/onvif/device_service") == [HERE]


def test_login_in_an_address_is_dropped() -> None:
    assert addresses("http://admin:admin@127.0.0.1:8000/onvif/device_service") == [HERE]


@pytest.mark.parametrize(
    "text", ["", "nonsense", "ftp://127.0.0.1/onvif", "http://127.0.0.1:99999/onvif", "http://"]
)
def test_camera_without_an_address_is_left_out(text: str) -> None:
    assert addresses(text) == []


def test_reply_to_another_probe_is_ignored() -> None:
    other = "urn:uuid:00000000-0000-0000-0000-000000000000"
    assert found(lambda _, id: [match(other, HERE), match("", HERE)]) == []
    assert found(lambda _, id: [match("UUID:" + id.rpartition(":")[2].upper(), HERE)]) != []


def test_printer_is_no_camera() -> None:
    printer = "http://127.0.0.1:80/print"
    replies: Replies = lambda _, id: [match(id, printer, scopes="", types="p:Device")]  # noqa: E731
    assert found(replies) == []


def test_names_are_one_short_printable_line() -> None:
    scopes = (
        "onvif://www.onvif.org/name/%3Cimg%20src=x%20onerror=1%3E%0A%1b%E2%80%AE"
        + "x" * 200
        + " onvif://www.onvif.org/hardware/%FF%00"
    )
    [camera] = found(lambda _, id: [match(id, HERE, scopes)])
    assert camera.name.startswith("<img src=x onerror=1>")
    assert (len(camera.name), camera.name.isprintable(), camera.hardware.isprintable()) == (
        80, True, True,
    )  # fmt: skip


BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><x>&b;</x>"""
FILE = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'


def test_malformed_replies_are_ignored_and_the_others_count() -> None:
    def replies(_: Any, id: str) -> list[bytes]:
        deep = b"<a>" * 5_000
        strange = match(id, HERE).replace(b'version="1.0"', b'version="1.0" encoding="nonsense"')
        hostile = [BOMB, FILE, deep, deep + b"</a>" * 5_000, b"\xff" * 9_000, strange, b"<", b"{}"]
        return [*hostile, match(id, HERE)]

    assert [each.address for each in found(replies)] == [HERE]


def test_thousand_replies_of_one_sender_are_bounded() -> None:
    def replies(camera: Any, id: str) -> list[bytes]:
        if len(camera.probes) > 1:
            return []
        return [match(id, f"http://127.0.0.1:{port}/onvif/x") for port in range(1000, 2000)]

    assert 0 < len(found(replies)) <= discovery.MAX_OF_SENDER


def test_probe_reaches_a_group_from_this_machines_own_address() -> None:
    """Without a network it finds nothing, and without an error."""
    rule = permitted(allow_loopback=False)
    cameras = find_cameras(rule, target=("239.255.255.251", 3702), seconds=0.05)
    own = {str(ip) for ip in own_addresses()}
    assert not [each for each in cameras if each.host in own]
