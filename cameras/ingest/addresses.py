"""From a checked source to what OpenCV opens.

An RTSP name is looked up here, once, and the URL handed to FFmpeg carries the checked IP, so a
second look-up cannot lead elsewhere (DNS rebinding). HTTP goes through the gate, which looks up
and checks whatever FFmpeg is led to. The lists below close every other protocol to it (`file`,
`concat`, `data`, `subfile`, `tcp` by name); `crypto` is for encrypted HLS, and wraps http only.

What remains: an RTSP server may redirect FFmpeg to another RTSP address, which nothing can turn
off: FFmpeg connects there, but it reads nothing back but video.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from cameras.ingest.dialing import look_up, permitted
from cameras.ingest.gate import Gate
from cameras.ingest.sources import Address, check_host, device_index, file_path

DEMO_CLIP = Path(__file__).resolve().parent.parent / "data" / "plaza.mp4"
AGENT = "Sideline"

# fpsprobesize: else the open waits for 20 frames to guess a rate, though frames carry their times.
_OPTIONS = {
    "rtsp": {
        "fpsprobesize": "0",
        "rtsp_transport": "tcp",
        "protocol_whitelist": "rtsp,rtsps,rtp,tcp,tls",
        "format_whitelist": "rtsp,mpegts,asf",
    },
    "http": {
        "fpsprobesize": "0",
        # No https, tls or httpproxy: see the gate.
        "protocol_whitelist": "http,tcp,crypto",
        "format_whitelist": "mpjpeg,mjpeg,jpeg_pipe,mpegts,mov,hls,h264,hevc,flv,matroska,webm,"
        "aac,ac3,eac3,mp3,webvtt",  # these of HLS beside its video; unreadable, they spoil it all
        "http_persistent": "0",  # of HLS: the gate takes one request for each connection
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


def gate_for(kind: str, *, allow_loopback: bool) -> Gate | None:
    """The gate that a source of this kind needs; whoever asks for it closes it."""
    return Gate(permitted(allow_loopback=allow_loopback)) if kind == "http" else None


def resolve(
    kind: str, source: str, *, media_root: Path, allow_loopback: bool, gate: Gate | None = None
) -> Opening:
    """What to open, right before it is opened. Raises `SourceError` with the reason."""
    if kind == "demo":
        return Opening(str(DEMO_CLIP), _OPTIONS["file"])
    if kind == "file":
        return Opening(str(file_path(source, media_root)), _OPTIONS["file"])
    if kind == "device":
        return Opening(device_index(source))
    address = Address.parse(kind, source)
    check_host(address, allow_loopback=allow_loopback)
    if kind == "rtsp":
        ip = look_up(address, permitted(allow_loopback=allow_loopback))[0]
        return Opening(address.url(ip), _OPTIONS["rtsp"])
    assert gate is not None, "an http source needs a gate"
    return Opening(gate.translation.show(address), _OPTIONS["http"] | {"http_proxy": gate.proxy})
