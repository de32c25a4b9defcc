"""The streams of an ONVIF camera: logins, clocks, odd addresses, and cameras that lie."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from cameras.ingest.sources.addresses import SourceError
from cameras.ingest.sources.onvif import soap
from cameras.ingest.sources.onvif.streams import Stream, find_streams
from tests.onvif import ENVELOPE, ONVIFCamera, fault, onvif_camera
from tests.servers import free_port, silent_server

LOGIN = ("admin", "pa&ss<word>")


@pytest.fixture
def camera() -> Iterator[ONVIFCamera]:
    with onvif_camera() as running:
        yield running


def streams(camera: ONVIFCamera, login: tuple[str, str] = LOGIN, **options: Any) -> list[Stream]:
    arguments: dict[str, Any] = {"allow_loopback": True} | options
    return find_streams(camera.address, *login, **arguments)


def refusal(camera: ONVIFCamera, login: tuple[str, str] = LOGIN, **options: Any) -> str:
    with pytest.raises(SourceError) as refused:
        streams(camera, login, **options)
    assert LOGIN[1] not in refused.value.sentence
    return refused.value.sentence


def test_streams_have_the_cameras_own_host_and_a_description(camera: ONVIFCamera) -> None:
    assert streams(camera, ("", "")) == [
        Stream("rtsp", "rtsp://127.0.0.1:554/Streaming/101?a=1&b=2", "main stream", "H.265",
               2688, 1520, 20),
        Stream("rtsp", "rtsp://127.0.0.1:554/Streaming/102", "sub stream", "H.264", 640, 360, 15),
        Stream("http", "http://127.0.0.1:80/snap.jpg", "Still image", "JPEG"),
    ]  # fmt: skip


@pytest.mark.parametrize("modes", [{"token"}, {"digest"}, {"token", "digest"}])
@pytest.mark.parametrize("ahead", [timedelta(), timedelta(days=-4000), timedelta(hours=9)])
def test_login_fits_cameras_of_either_kind_and_any_clock(
    camera: ONVIFCamera, modes: set[str], ahead: timedelta
) -> None:
    camera.login, camera.modes, camera.ahead = LOGIN, modes, ahead
    assert len(streams(camera)) == 3


def test_password_is_never_sent_as_it_is(camera: ONVIFCamera) -> None:
    camera.login = ("admin", "hunter2-hunter2")
    camera.answers["GetCapabilities"] = (
        401, {"WWW-Authenticate": 'Basic realm="cam"'}, b"",
    )  # fmt: skip
    assert refusal(camera, camera.login) == soap.REFUSED
    assert not any("hunter2" in head or "Basic" in head for head in camera.heads)


@pytest.mark.parametrize("modes", [{"token"}, {"digest"}])
def test_wrong_password_is_told_after_few_attempts(camera: ONVIFCamera, modes: set[str]) -> None:
    camera.login, camera.modes = LOGIN, modes
    assert refusal(camera, ("admin", "wrong")) == soap.REFUSED
    assert len(camera.asked) <= 4, "cameras lock out who tries too often"
    assert refusal(camera, ("", "")) == soap.ASKS


def test_closed_address_is_not_asked(camera: ONVIFCamera) -> None:
    assert "closed" in refusal(camera, allow_loopback=False)
    assert camera.asked == []
    listed = frozenset({f"127.0.0.1:{camera.port}"})
    assert streams(camera, allow_loopback=False, listed=listed)


def test_service_elsewhere_is_asked_at_the_cameras_own_host(camera: ONVIFCamera) -> None:
    camera.media = "http://169.254.169.254/latest/Media"
    streams(camera)
    assert [head for head in camera.heads if head.startswith("/latest/Media\n")]


def test_redirect_is_not_followed(camera: ONVIFCamera) -> None:
    with onvif_camera() as other:
        camera.answers["GetProfiles"] = (307, {"Location": other.address}, b"")
        assert f"127.0.0.1:{other.port}" in refusal(camera)
        assert other.asked == []


def test_service_must_look_like_one() -> None:
    for address in ("http://192.0.2.1/reboot", "http://a:b@192.0.2.1/onvif/x", "ftp://192.0.2.1/"):
        with pytest.raises(SourceError):
            find_streams(address, "", "", allow_loopback=False)


def test_bare_address_means_the_usual_service(camera: ONVIFCamera) -> None:
    assert find_streams(f"127.0.0.1:{camera.port}", *LOGIN, allow_loopback=True)


def test_camera_with_the_second_media_service_only(camera: ONVIFCamera) -> None:
    def envelope(body: str) -> tuple[int, dict[str, str], bytes]:
        return (200, {}, ENVELOPE.format(header="", body=body).encode())

    unsupported = ENVELOPE.format(header="", body=fault("ter:ActionNotSupported", "no")).encode()
    camera.answers = {
        "GetCapabilities": (500, {}, unsupported),
        "GetServices": envelope(
            "<tds:Service><tds:Namespace>http://www.onvif.org/ver20/media/wsdl</tds:Namespace>"
            "<tds:XAddr>http://0.0.0.0/onvif/media2</tds:XAddr></tds:Service>"
        ),
        "GetProfiles": envelope(
            '<Profiles token="main"><Name>One</Name><Configurations><VideoEncoder>'
            "<tt:Encoding>H264</tt:Encoding></VideoEncoder></Configurations></Profiles>"
        ),
    }
    assert streams(camera)[0].codec == "H.264"
    assert "ver20/media" in camera.heads[-1]


@pytest.mark.parametrize(
    "body",
    [
        b"<html>router</html",
        b"",
        b"<a>" * 80_000,
        b"<a>" * 30_000 + b"</a>" * 30_000,
        b"x" * 10_000_000,
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>',
    ],
)
def test_answer_that_is_no_soap_gets_a_sentence(camera: ONVIFCamera, body: bytes) -> None:
    camera.answers["GetProfiles"] = (200, {}, body)
    assert refusal(camera)


def test_stream_addresses_that_cannot_be_used_are_left_out(camera: ONVIFCamera) -> None:
    for uri in (
        "file:///etc/passwd",
        "rtsp://",
        "",
        "javascript:alert(1)",
        "rtsp://x/\\..",
        "rtsp://[x/",
    ):
        camera.uris["main"] = uri
        assert [stream.name for stream in streams(camera)] == ["sub stream", "Still image"]
    camera.uris["main"] = "rtsp://admin:1234@169.254.169.254/live#t=0"
    assert streams(camera)[0].address == "rtsp://127.0.0.1:554/live"


def test_names_of_profiles_are_one_short_line(camera: ONVIFCamera) -> None:
    profile = f'<Profiles token="main"><Name>a\n&lt;b&gt;{"x" * 300}</Name></Profiles>' * 30
    camera.answers["GetProfiles"] = (
        200, {}, ENVELOPE.format(header="", body=profile).encode(),
    )  # fmt: skip
    assert streams(camera)[0].name == ("a <b>" + "x" * 300)[:80]
    assert camera.asked.count("GetStreamUri") <= 8


def test_camera_that_does_not_answer_is_told() -> None:
    port = free_port()
    with pytest.raises(SourceError, match=f"refused the connection on port {port}"):
        find_streams(f"127.0.0.1:{port}", "", "", allow_loopback=True)
    with silent_server() as silent, pytest.raises(SourceError, match="did not answer in time"):
        find_streams(f"127.0.0.1:{silent}", "", "", allow_loopback=True, timeout=0.1)


@contextmanager
def dripping_server() -> Iterator[int]:
    """A server that sends a byte of an endless head every 20 ms."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            link = listener.accept()[0]
            with link:
                link.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                try:
                    while True:
                        link.sendall(b"x")
                        time.sleep(0.02)
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


def test_camera_that_answers_byte_by_byte_is_given_up() -> None:
    with dripping_server() as port, pytest.raises(SourceError, match="did not answer in time"):
        find_streams(f"127.0.0.1:{port}", "", "", allow_loopback=True, timeout=0.2)
