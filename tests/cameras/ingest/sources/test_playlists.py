"""HLS playlists: they lead FFmpeg to relative and http(s) addresses only, and only by the proxy."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cameras.ingest.sources.addresses import Address, SourceError
from cameras.ingest.sources.explanations import explain
from cameras.ingest.sources.http_proxy import HTTPProxy
from cameras.ingest.sources.opening import open_egress, resolve
from cameras.ingest.sources.playlists import INVALID, rewrite
from cameras.ingest.worker.opencv import open_capture
from tests.servers import HLS, HTTPCamera, http_camera, segments
from tests.waiting import accepts, free_port

WHERE: dict[str, Any] = {"media_root": Path("."), "allow_loopback": True}
KEY = b"0123456789abcdef"


class Trap:
    """A port of this machine that no camera may reach; counts the connections to it."""

    def __init__(self) -> None:
        self.reached = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            self.reached += 1
            link.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def trapped() -> Iterator[tuple[HTTPCamera, HTTPProxy, Trap]]:
    """A camera, a proxy that permits 127.0.0.1 but for the trap, and the trap."""
    trap = Trap()
    with http_camera() as camera:
        proxy = HTTPProxy(lambda host, port, ip: str(ip) == "127.0.0.1" and port != trap.port)
        try:
            yield camera, proxy, trap
        finally:
            proxy.close()
            trap.close()


def playlist(*lines: str) -> bytes:
    return "\n".join(("#EXTM3U", "#EXT-X-TARGETDURATION:2", *lines, "#EXT-X-ENDLIST", "")).encode()


def leading_to(address: str) -> bytes:
    """A playlist whose only stream is there."""
    return playlist("#EXT-X-STREAM-INF:BANDWIDTH=1", address)


def plays(camera: HTTPCamera, proxy: HTTPProxy, path: str = "/list.m3u8") -> bool:
    """Whether FFmpeg reads a picture from a playlist of the camera."""
    capture = open_capture(resolve("http", camera.base + path, egress=proxy, **WHERE))
    played = bool(capture.read()[0])
    capture.release()
    assert path in camera.requests
    return played


def encrypted(data: bytes) -> bytes:
    command = ["openssl", "enc", "-aes-128-cbc", "-K", KEY.hex(), "-iv", "0" * 32]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize(
    "lines",
    [
        ("#EXT-X-STREAM-INF:BANDWIDTH=1", "tcp://127.0.0.1:{port}/a.m3u8"),
        ("#EXT-X-STREAM-INF:BANDWIDTH=1", "  TCP://127.0.0.1:{port}/a.m3u8\t"),
        ("#EXT-X-STREAM-INF:BANDWIDTH=1", "crypto+tcp://127.0.0.1:{port}"),
        ("#EXT-X-STREAM-INF:BANDWIDTH=1", "hls+tcp://127.0.0.1:{port}"),
        ("#EXT-X-STREAM-INF:BANDWIDTH=1", "udp://127.0.0.1:{port}"),
        ("#EXT-X-STREAM-INF:BANDWIDTH=1", "unix:/run/x"),
        ("#EXT-X-STREAM-INF:BANDWIDTH=1", "concat:tcp://127.0.0.1:{port}"),
        ("#EXT-X-STREAM-INF:BANDWIDTH=1", "subfile,,start,0,end,0,,:tcp://127.0.0.1:{port}"),
        ("#EXT-X-STREAM-INF:BANDWIDTH=1", "data:,%23EXTM3U"),
        ('#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="x",URI="tcp://127.0.0.1:{port}"',
         '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"', "v.m3u8"),
        ('#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a"URI=tcp://127.0.0.1:{port}',
         '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"', "v.m3u8"),
        ('#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="URI=",URI="tcp://127.0.0.1:{port}"',
         '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"', "v.m3u8"),
        ('#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="\\",URI=",URI="tcp://127.0.0.1:{port}"',
         '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"', "v.m3u8"),
        ('#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=1,URI="tcp://127.0.0.1:{port}"',
         "#EXT-X-STREAM-INF:BANDWIDTH=1", "v.m3u8"),
        ('#EXT-X-KEY:METHOD=AES-128,URI="tcp://127.0.0.1:{port}"', "#EXTINF:2,", "0.ts"),
        ('#EXT-X-MAP:URI="tcp://127.0.0.1:{port}/0.ts"', "#EXTINF:2,", "0.ts"),
        ("#EXTINF:2,", "tcp://127.0.0.1:{port}/0.ts"),
        ("#EXTINF:2,", "0.ts", "#EXTINF:2,", "rtp://127.0.0.1:{port}/0.ts"),
    ],
    ids=["stream", "capitals", "crypto", "hls", "udp", "unix", "concat", "subfile", "data",
         "rendition", "unquoted", "in-a-name", "escaped", "key-frames", "key", "map", "segment",
         "second-segment"],
)  # fmt: skip
def test_playlist_with_an_address_of_another_kind_is_refused(lines: tuple[str, ...]) -> None:
    with trapped() as (camera, proxy, trap):
        named = [line.format(port=trap.port) for line in lines]
        camera.pages["/list.m3u8"] = (HLS, playlist(*named))
        camera.pages["/v.m3u8"] = (HLS, playlist("#EXTINF:2,", "0.ts"))
        assert not plays(camera, proxy)
        sentence = explain("http", camera.base + "/list.m3u8", egress=proxy, **WHERE)
        assert "but only http and https addresses are opened." in sentence
        assert trap.reached == 0, "not even a connection was made"
        assert set(camera.requests) == {"/list.m3u8"}


def test_playlist_opens_no_port() -> None:
    port = free_port()
    opened, done = [], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            if accepts(port):
                opened.append(port)

    watcher = threading.Thread(target=watch)
    with trapped() as (camera, proxy, _):
        camera.pages["/list.m3u8"] = (HLS, leading_to(f"tcp://0.0.0.0:{port}?listen=1"))
        watcher.start()
        try:
            assert not plays(camera, proxy)
        finally:
            done.set()
            watcher.join()
        assert opened == []
        assert explain("http", camera.base + "/list.m3u8", egress=proxy, **WHERE) == (
            f"The camera's playlist leads to tcp://0.0.0.0:{port}?listen=1, ".replace(
                "?listen=1", ""
            )
            + "but only http and https addresses are opened."
        )


@pytest.mark.parametrize(
    ("change", "status", "headers"),
    [
        (lambda body: body.replace(b"\n", b"\r\n"), 0, ()),
        (lambda body: body.replace(b"\n", b"\r"), 0, ()),
        (lambda body: body.replace(b"\n", b"\n\0"), 0, ()),
        (lambda body: body.replace(b"#EXT-X-ENDLIST", b""), 0, ()),
        (lambda body: b"\xef\xbb\xbf" + body, 0, ()),
        (lambda body: b"ID3\x04\0\0\0\0\0\x14" + b"\0" * 20 + body, 0, ()),
        (lambda body: b"\0".join(body[at : at + 3] for at in range(0, len(body), 3)), 0,
         (("Icy-MetaInt", "3"),)),
        (lambda body: body, 302, ()),
        (lambda body: body, 305, (("Location", "/cam"),)),
        (lambda body: body, 203, ()),
        (lambda body: body, 700, ()),
    ],
    ids=["crlf", "cr", "nul", "endless", "bom", "id3", "icy", "302", "305", "203", "700"],
)  # fmt: skip
@pytest.mark.parametrize("kind", [HLS, "video/mp2t"])
def test_playlist_in_disguise_leads_nowhere(
    change: Any, status: int, headers: tuple[tuple[str, str], ...], kind: str
) -> None:
    """What FFmpeg would take for a playlist, the proxy takes for one, too."""
    with trapped() as (camera, proxy, trap):
        body = leading_to(f"tcp://127.0.0.1:{trap.port}/a.m3u8")
        camera.pages["/list.m3u8"] = (kind, change(body))
        camera.page_status, camera.page_headers = status, [*headers]
        assert not plays(camera, proxy)
        assert trap.reached == 0


@pytest.mark.parametrize("how", ["segment", "encrypted", "in-two-segments", "stream"])
def test_nested_playlist_leads_nowhere(how: str) -> None:
    """FFmpeg may read the content of segments as a playlist, which the proxy cannot always see."""
    with trapped() as (camera, proxy, trap):
        inner = leading_to(f"tcp://127.0.0.1:{trap.port}/a.m3u8")
        key = f'#EXT-X-KEY:METHOD=AES-128,URI="key",IV=0x{"0" * 32}'
        outer = {
            "segment": playlist("#EXTINF:2,", "x.m3u8"),
            "encrypted": playlist(key, "#EXTINF:2,", "x.m3u8"),
            "in-two-segments": playlist("#EXTINF:2,", "x.m3u8", "#EXTINF:2,", "y.m3u8"),
            "stream": leading_to("x.m3u8"),
        }[how]
        first = {"encrypted": encrypted(inner), "in-two-segments": inner[:4]}.get(how, inner)
        camera.pages |= {"/list.m3u8": (HLS, outer), "/x.m3u8": (HLS, first)}
        camera.pages |= {"/y.m3u8": (HLS, inner[4:]), "/key": ("text/plain", KEY)}
        assert not plays(camera, proxy)
        assert "/x.m3u8" in camera.requests
        assert trap.reached == 0


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_playlist_with_usual_addresses_plays(end: str) -> None:
    """Relative ones, absolute ones, in capitals, and a rendition beside the stream."""
    with trapped() as (camera, proxy, _):
        host = f"127.0.0.1:{camera.port}"
        top = playlist(
            '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="x",URI="sound/list.m3u8"',
            '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"',
            f"HTTP://{host}/film.m3u8?x=a:b//c",
        )
        film = playlist("#EXTINF:2,", "0.ts", "#EXTINF:2,", f"//{host}/1.ts", "#EXTINF:2,", "/2.ts")
        for path, body in (
            ("/list.m3u8", top),
            ("/film.m3u8?x=a:b//c", film),
            ("/sound/list.m3u8", playlist("#EXTINF:2,", "../3.ts")),
        ):
            camera.pages[path] = (HLS, body.replace(b"\n", end.encode()))
        assert plays(camera, proxy)
        assert {"/0.ts", "/3.ts"} <= set(camera.requests)


def test_playlist_file_of_a_camera_leads_nowhere(tmp_path: Path) -> None:
    """A file camera reads no format that names addresses or other files."""
    trap = Trap()
    address = f"tcp://127.0.0.1:{trap.port}/a.ts"
    (tmp_path / "0.ts").write_bytes(segments()[0])
    contents = {
        "list.m3u8": leading_to(address),
        "list.mp4": playlist("#EXTINF:2,", "0.ts"),
        "list.ffconcat": f"ffconcat version 1.0\nfile '{address}'\nfile 0.ts\n".encode(),
        "stream.sdp": f"v=0\nm=video {trap.port} RTP/AVP 33\nc=IN IP4 127.0.0.1\n".encode(),
        "list.mpd": b'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
        b'<Period><AdaptationSet mimeType="video/mp4"><Representation id="1"><BaseURL>'
        + address.encode() + b"</BaseURL></Representation></AdaptationSet></Period></MPD>",
    }  # fmt: skip
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        where: dict[str, Any] = {"media_root": tmp_path, "allow_loopback": False}
        assert open_egress("file", allow_loopback=False) is None
        assert not open_capture(resolve("file", name, **where)).isOpened(), name
        assert explain("file", name, **where) == "The file is not a video that can be read."
    trap.close()
    assert trap.reached == 0


def rewritten(*lines: str, base: str = "http://192.168.1.2/a/list.m3u8") -> list[str]:
    """The lines after `#EXTM3U`, with what `show` was given in brackets."""
    kind = Address.parse("http", base)
    body = "\n".join(("#EXTM3U", *lines)).encode()
    return rewrite(body, kind, lambda server: f"[{server.url()}]").decode().split("\n")[1:]


def test_absolute_addresses_are_translated() -> None:
    assert rewritten("a.ts", "../b:c.ts", "?x=tcp://y", "seg_1:2.ts", "# tcp://note") == [
        "a.ts", "../b:c.ts", "?x=tcp://y", "seg_1:2.ts", "# tcp://note",
    ]  # fmt: skip
    assert rewritten("https://u:p@h/a?b", '#EXT-X-MAP:URI="http://h:81/x",BYTERANGE="1@0"') == [
        "[https://u:p@h:443]/a?b", '#EXT-X-MAP:URI="[http://h:81]/x",BYTERANGE="1@0"',
    ]  # fmt: skip
    assert rewritten("//h/a.ts", base="https://192.168.1.2/list.m3u8") == ["[https://h:443]/a.ts"]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("tcp://u:hunter2@h:1/hunter2?hunter2", "tcp://h:1,"),
        ('#EXT-X-KEY:METHOD=AES-128,URI="data:text/plain;base64,hunter2"', "data:,"),
        ("x-y.z+1:hunter2", "x-y.z+1:,"),
        ("http:/h/x", "http:,"),
        ("file://" + "h" * 5000, "file://" + "h" * 73 + ","),
    ],
)
def test_refusal_names_the_server_and_no_secret(line: str, shown: str) -> None:
    with pytest.raises(SourceError) as caught:
        rewritten("0.ts", line)
    assert f" leads to {shown} " in caught.value.sentence
    assert "hunter2" not in caught.value.sentence


@pytest.mark.parametrize(
    "line", ["http://a@b@c/", '#X:URI="\\tcp://h"', '#X:URI=a"b', "http://h:0/", "https://"]
)
def test_address_that_can_be_read_in_two_ways_is_refused(line: str) -> None:
    with pytest.raises(SourceError) as caught:
        rewritten(line)
    assert caught.value.sentence == INVALID


def test_hostile_lines_are_read_in_one_pass() -> None:
    """A pattern that looks again from each place would take hours here."""
    long = "a" * 500_000
    lines = [f"#X:{long}", f"#X:{', ' * 200_000}", f"#X:{long}", "#X:" + "a=" * 200_000]
    assert rewritten(*(line + "." for line in lines)) == [line + "." for line in lines]
