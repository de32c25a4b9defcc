"""The URL and the FFmpeg options with which OpenCV opens a source.

FFmpeg connects through a port of this process: the HTTP proxy or the RTSP relay. When it connects,
names are resolved there, checked, and the checked IP is dialed. So neither a second resolution (DNS
rebinding) nor a redirect can lead elsewhere. The lists below forbid every other protocol (`file`,
`concat`, `data`, `subfile`, and for RTSP `udp` and `rtp`); `crypto` is for encrypted HLS and wraps
http only. HTTP needs `tcp`: `playlists` keeps HLS, the one format with addresses in it, from naming
it. Formats that name files or addresses (DASH, concat, SDP, IMF) are not in the lists.

The options are constants and the proxy's address; they never contain text of a source.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cameras.ingest.sources.addresses import Address, check_host, device_index, file_path
from cameras.ingest.sources.dialing import permitted
from cameras.ingest.sources.egress import Egress
from cameras.ingest.sources.http_proxy import HTTPProxy
from cameras.ingest.sources.rtsp_relay import RTSPRelay

DEMO_CLIP = Path(__file__).resolve().parents[2] / "data" / "plaza.mp4"
AGENT = "Sideline"

# fpsprobesize: else the open waits for 20 frames to guess a rate, though frames carry their times.
_OPTIONS = {
    "rtsp": {
        "fpsprobesize": "0",
        "rtsp_transport": "tcp",
        "protocol_whitelist": "tcp",  # that the demuxer opens; with rtsp it would follow redirects
        "format_whitelist": "rtsp,mpegts,asf",
    },
    "http": {
        "fpsprobesize": "0",
        # No https, tls or httpproxy: see http_proxy.py.
        "protocol_whitelist": "http,tcp,crypto",
        "format_whitelist": "mpjpeg,mjpeg,jpeg_pipe,mpegts,mov,hls,h264,hevc,flv,matroska,webm,"
        "aac,ac3,eac3,mp3,webvtt",  # these of HLS beside its video; unreadable, they spoil it all
        "http_persistent": "0",  # of HLS: the proxy takes one request for each connection
        "user_agent": AGENT,
    },
    "file": {
        "protocol_whitelist": "file",
        "format_whitelist": "mov,mp4,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,h264,hevc,mjpeg",
    },
}


@dataclass(frozen=True, slots=True)
class Opening:
    """What to hand to `cv2.VideoCapture`: a URL, path or device number, and FFmpeg's options."""

    target: str | int
    options: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> str:
        """The options in the syntax of OPENCV_FFMPEG_CAPTURE_OPTIONS."""
        return "|".join(f"{name};{value}" for name, value in self.options.items())


def open_egress(
    kind: str, *, allow_loopback: bool, listed: frozenset[str] = frozenset()
) -> Egress | None:
    """Return the proxy or relay that a source of this kind needs; the caller closes it.

    `listed` and `allow_loopback` are as in `address_rules.Rule`.
    """
    may = permitted(allow_loopback=allow_loopback, listed=listed)
    return HTTPProxy(may) if kind == "http" else RTSPRelay(may) if kind == "rtsp" else None


def resolve(
    kind: str,
    source: str,
    *,
    media_root: Path,
    allow_loopback: bool,
    listed: frozenset[str] = frozenset(),
    egress: Egress | None = None,
) -> Opening:
    """What to open, right before it is opened. Raises `SourceError` with the reason."""
    if kind == "demo":
        return Opening(str(DEMO_CLIP), _OPTIONS["file"])
    if kind == "file":
        return Opening(str(file_path(source, media_root)), _OPTIONS["file"])
    if kind == "device":
        return Opening(device_index(source))
    address = Address.parse(kind, source)
    check_host(address, allow_loopback=allow_loopback, listed=listed)
    if kind == "rtsp":
        assert isinstance(egress, RTSPRelay), "an rtsp source needs a relay"
        return Opening(egress.show(address), _OPTIONS["rtsp"])
    assert isinstance(egress, HTTPProxy), "an http source needs a proxy"
    return Opening(
        egress.translation.show(address), _OPTIONS["http"] | {"http_proxy": egress.proxy}
    )
