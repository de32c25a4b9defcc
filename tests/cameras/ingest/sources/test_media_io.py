"""FFmpeg through the HTTP client: what plays, and that no playlist leads anywhere else."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import av
import pytest

from cameras.ingest.sources import media_io
from cameras.ingest.sources.addresses import Address
from cameras.ingest.sources.http_client import HTTPClient
from cameras.ingest.sources.media_io import HTTPOpener
from tests.cameras.ingest.sources.raw_server import raw_server
from tests.servers import HLS, ffmpeg, http_camera, segments

OPTIONS = {
    "protocol_whitelist": "crypto",
    "http_persistent": "0",  # else PyAV 18 dies
    "extension_picky": "0",
    "format_whitelist": "hls,mpegts,mov",
}


class Played:
    """What came of opening an address: the number of frames, and the sentence if there are none."""

    def __init__(self, url: str, *, closed_port: int = 0, limit: int = 1000) -> None:
        self.frames = 0
        client = HTTPClient(
            Address.parse("http", url),
            lambda host, port, ip: str(ip) == "127.0.0.1" and port != closed_port,
        )
        self.opener = HTTPOpener(client, client.get())
        try:
            with av.open(
                client.url,
                format=self.opener.format,
                io_open=self.opener,
                timeout=(10, 10),
                options=OPTIONS,
            ) as container:
                for _ in container.decode(video=0):
                    self.frames += 1
                    if self.frames == limit:
                        break
        except (av.FFmpegError, IndexError):  # of PyAV 18, for some failures
            pass
        finally:
            self.opener.close()
            client.close()
        self.sentence = "" if self.frames else self.opener.failure.sentence


def playlist(*lines: str) -> tuple[str, bytes]:
    head = ("#EXTM3U", "#EXT-X-TARGETDURATION:2")
    return HLS, "\n".join((*head, *lines, "#EXT-X-ENDLIST", "")).encode()


PLACES = {
    "stream": ("#EXT-X-STREAM-INF:BANDWIDTH=1", "{address}"),
    "segment": ("#EXTINF:2,", "{address}"),
    "rendition": ('#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="x",URI="{address}"',
                  '#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO="a"', "v.m3u8"),
    "key": ('#EXT-X-KEY:METHOD=AES-128,URI="{address}"', "#EXTINF:2,", "0.ts"),
    "map": ('#EXT-X-MAP:URI="{address}"', "#EXTINF:2,", "0.ts"),
    "nested": ("#EXTINF:2,", "nested.ts"),
}  # fmt: skip
ADDRESSES = [
    "tcp://127.0.0.1:{port}/a.ts", "http://127.0.0.1:{port}/a.ts",
    "crypto+http://127.0.0.1:{port}/a.ts",
    # The others in two places only, which FFmpeg opens in two ways:
    " TCP://127.0.0.1:{port}/a.ts\t", "udp://127.0.0.1:{port}", "rtp://127.0.0.1:{port}",
    "crypto+tcp://127.0.0.1:{port}", "crypto:tcp://127.0.0.1:{port}", "unix:/run/x",
    "hls+tcp://127.0.0.1:{port}", "httpproxy://127.0.0.1:{port}/x",
    "concat:tcp://127.0.0.1:{port}", "subfile,,start,0,end,0,,:tcp://127.0.0.1:{port}",
    "https://127.0.0.1:{port}/a.ts", "//127.0.0.1:{port}/a.ts", "tcp://127.0.0.1:{port}?listen=1",
]  # fmt: skip


@pytest.mark.parametrize(
    ("place", "address"),
    [*product(["stream", "segment"], ADDRESSES), *product(list(PLACES)[2:], ADDRESSES[:3])],
)
def test_playlist_leads_nowhere_else(place: str, address: str) -> None:
    with http_camera() as camera, raw_server() as trap:
        address = address.format(port=trap.port)
        lines = (line.format(address=address) for line in PLACES[place])
        camera.pages["/list.m3u8"] = playlist(*lines)
        camera.pages["/v.m3u8"] = playlist("#EXTINF:2,", address)
        camera.pages["/nested.ts"] = playlist("#EXTINF:2,", address)
        Played(camera.base + "/list.m3u8", closed_port=trap.port)
        assert trap.connections == 0, "not even a connection was made"


@pytest.mark.parametrize(
    "inner",
    ["file://{clip}", "{clip}", "concat:{clip}", "subfile,,start,0,end,0,,:{clip}", "data:,x.ts",
     "crypto:{clip}", "crypto+file://{clip}", "async:file://{clip}", "pipe:0", "cache:{clip}"],
)  # fmt: skip
def test_playlist_cannot_read_a_file(inner: str, tmp_path: Path) -> None:
    clip = tmp_path / "secret.ts"
    clip.write_bytes(segments()[0])
    with http_camera() as camera:
        for line in ("#EXTINF:2,", "#EXT-X-STREAM-INF:BANDWIDTH=1"):
            camera.pages["/list.m3u8"] = playlist(line, inner.format(clip=clip))
            assert Played(camera.base + "/list.m3u8").frames == 0


def test_refusal_names_the_server_and_no_secret() -> None:
    with http_camera() as camera:
        for line, address, shown in (
            ("#EXT-X-STREAM-INF:BANDWIDTH=1", "tcp://u:hunter2@h:1/hunter2", "tcp://h:1"),
            ("#EXTINF:2,", "tcp://u:hunter2@h:1/hunter2?hunter2", "tcp://h:1"),
            ("#EXT-X-STREAM-INF:BANDWIDTH=1", "data:text/plain,hunter2", "data:"),
        ):
            camera.pages["/list.m3u8"] = playlist(line, address)
            assert Played(camera.base + "/list.m3u8").sentence == (
                f"The camera's playlist leads to {shown}, but only http and https addresses are "
                "opened."
            )
        camera.pages["/list.m3u8"] = playlist("#EXTINF:2,", "http://127.0.0.2:9/0.ts")
        assert Played(camera.base + "/list.m3u8").sentence == (
            "The camera leads on to 127.0.0.2, an address that is closed. "
            "Who runs the server can list 127.0.0.2:9 in SIDELINE_CAMERA_SERVERS."
        )
        camera.pages["/list.m3u8"] = playlist("#EXTINF:2,", "/gone.ts")
        assert "no stream at this path" in Played(camera.base + "/list.m3u8").sentence
        assert "text/html, which is not video" in Played(camera.base + "/html").sentence


@pytest.mark.parametrize("name", ["123", "s?id=4", "s.jpg", "s.php", "s b\\c.ts", "s"])
def test_segments_may_have_any_name(name: str) -> None:
    with http_camera() as camera:
        camera.pages["/list.m3u8"] = playlist("#EXTINF:2,", name)
        path = "/" + name.replace(" ", "%20")
        camera.pages[path] = ("image/jpeg", segments()[0])
        assert Played(camera.base + "/list.m3u8").frames == 20


@pytest.mark.parametrize(
    "start", [b"\xef\xbb\xbf", b"\n\n", b"\r\n\xef\xbb\xbf", b" \t\r\n" * 50, b""]
)
def test_playlist_may_begin_with_a_mark_or_blank_lines(start: bytes) -> None:
    with http_camera() as camera:
        listed = start + playlist("#EXTINF:2,", "0.ts")[1]
        for kind in (HLS, "text/html", "video/mp2t"):
            camera.pages["/live"] = (kind, listed)
            played = Played(camera.base + "/live")
            assert played.frames == 20
            assert played.opener.recorded


def test_encrypted_segments_and_byte_ranges_play(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"0123456789abcdef")
    (tmp_path / "info").write_text(f"key\n{tmp_path / 'key'}\n")
    ffmpeg("-c", "copy", "-t", "4", "-f", "hls", "-hls_list_size", "0",
           "-hls_key_info_file", tmp_path / "info", tmp_path / "packed.m3u8")  # fmt: skip
    ffmpeg("-c", "copy", "-t", "4", "-f", "hls", "-hls_list_size", "0",
           "-hls_flags", "single_file", tmp_path / "ranges.m3u8")  # fmt: skip
    with http_camera() as camera:
        for file in tmp_path.iterdir():
            camera.pages["/" + file.name] = (HLS, file.read_bytes())
        assert Played(camera.base + "/packed.m3u8").frames == 40
        assert "/key" in camera.requests
        camera.headers.clear()
        assert Played(camera.base + "/ranges.m3u8").frames == 40
        assert sum("Range: bytes=" in headers for headers in camera.headers) == 2
        camera.pages["/key"] = (HLS, b"0123456789abcdeX")
        assert Played(camera.base + "/packed.m3u8").frames == 0
        camera.pages["/key"] = (HLS, b"short")
        assert Played(camera.base + "/packed.m3u8").frames == 0


def test_recording_whose_index_is_at_its_end_plays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ffmpeg("-c", "copy", "-t", "8", tmp_path / "clip.mp4")
    clip = (tmp_path / "clip.mp4").read_bytes()
    assert clip.find(b"moov") > len(clip) / 2
    with http_camera() as camera:
        camera.pages["/clip.mp4"] = ("video/mp4", clip)
        played = Played(camera.base + "/clip.mp4")
        assert played.frames == 80
        assert played.opener.recorded
        assert len(camera.requests) == 3
        camera.page_status = 200  # ranges are promised, and not kept
        assert "does not send parts" in Played(camera.base + "/clip.mp4").sentence
        camera.page_status = 0
        monkeypatch.setattr(media_io, "MAX_SEEKS", 0)
        assert "cannot be read in order" in Played(camera.base + "/clip.mp4").sentence


def test_live_stream_is_no_recording() -> None:
    with http_camera() as camera:
        played = Played(camera.base + "/live.ts", limit=3)
        assert played.frames == 3
        assert not played.opener.recorded
        assert camera.requests == ["/live.ts"], "the answer that was begun serves the first open"


def test_playlist_is_cut_off_at_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media_io, "MAX_PLAYLIST", 500)
    with http_camera() as camera:
        camera.pages["/list.m3u8"] = playlist(*["#EXTINF:2,", "0.ts"] * 500)
        client = HTTPClient(Address.parse("http", camera.base), lambda *asked: True)
        body = HTTPOpener(client)(camera.base + "/list.m3u8", 1, {})
        assert len(b"".join(iter(lambda: body.read(100), b""))) == 500
        client.close()


def test_opener_never_raises_and_writes_nothing() -> None:
    with http_camera() as camera:
        client = HTTPClient(Address.parse("http", camera.url), lambda *asked: True)
        opener = HTTPOpener(client)
        for url, flags, options in (
            (camera.url, 2, {}), (camera.url, 3, {}), ("", 1, {}), ("http://", 1, {}),
            ("http://[::1/", 1, {}), (camera.base + "/nope", 1, {}), ("x" * 9999, 1, {}),
            ("crypto+" + camera.base + "/html", 1, {"key": "zz", "iv": ""}),
            (camera.base + "/html", 1, {"offset": "x"}),
        ):  # fmt: skip
            failed = len(opener.failures)
            body = opener(url, flags, options)
            assert body.read(100) == b""
            body.close()
            assert len(opener.failures) == failed + 1, url
        assert "/cam" not in camera.requests
        client.close()
