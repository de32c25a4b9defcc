"""Opening of videos by FFmpeg (PyAV), and the frames in them.

Nothing here dials. RTSP goes through the relay (`sources.rtsp_relay`), a port of this process. What
FFmpeg would fetch over HTTP (playlists, segments, keys) is fetched by `sources.media_io`, which it
calls for every address: of its own protocols it may use `crypto` alone, which wraps those. So no
redirect and no address in a playlist leads past our address rules, and neither a file nor another
protocol can be named. Formats that name files or addresses (DASH, concat, SDP, IMF) are not in the
lists. The options are constants: they never contain text of a source.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.logging
from av import Codec, VideoFrame
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.error import FFmpegError, InvalidDataError
from av.video.stream import VideoStream

from cameras.live.jpeg import MAX_PIXELS

DEMO_CLIP = Path(__file__).resolve().parents[2] / "data" / "plaza.mp4"
LIMIT_S = 90.0  # FFmpeg's own, for an open and for a read; the capture's watchdog is earlier

OPTIONS = {
    "rtsp": {
        # Else the open waits for 20 frames to guess a rate, though frames carry their times.
        "fpsprobesize": "0",
        # A stream between two keyframes tells no size; it is read on without one.
        "analyzeduration": "1000000",
        "probesize": "100000",
        "rtsp_transport": "tcp",
        "protocol_whitelist": "tcp",  # that the demuxer opens; with rtsp it would follow redirects
        "format_whitelist": "rtsp,mpegts,asf",
    },
    "http": {
        "fpsprobesize": "0",
        "protocol_whitelist": "crypto",
        "format_whitelist": "mpegts,mov,hls,h264,hevc,flv,matroska,webm,mpeg,avi,asf,ogg,"
        "aac,ac3,eac3,mp3,webvtt",  # these of HLS beside its video; unreadable, they spoil it all
        "http_persistent": "0",  # with it PyAV 18.1 dies of a double free
        "extension_picky": "0",  # segments may have any name, or none
        "allowed_extensions": "ALL",
        "allowed_segment_extensions": "ALL",
    },
    "file": {
        "protocol_whitelist": "file",
        "format_whitelist": "mov,mp4,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,h264,hevc,mjpeg",
    },
    "device": {},
}

Fetch = Callable[[str, int, dict[str, Any]], Any]  # PyAV's `io_open`


@dataclass(frozen=True, slots=True)
class Frame:
    """A decoded frame, when its packet came (monotonic seconds), and its time in the stream in
    seconds, or None."""

    image: VideoFrame
    arrival: float
    time: float | None
    pixel_aspect: Fraction | None


class NoVideo(Exception):
    """What was opened holds no video."""


class Demuxer:
    """An opened video. One thread owns it; whoever makes it closes it.

    `container` is the name of its format where FFmpeg cannot tell it by itself, as of HLS under
    another name. `decoder` is a kind of hardware (`cuda`, `qsv`), or empty; where it cannot be
    used, `notice` says so, and the video is decoded in software. Raises one of `FFmpegError`,
    `OSError` and `IndexError` where it does not open, `NoVideo` where it holds none.
    """

    def __init__(
        self,
        kind: str,
        target: str,
        fetch: Fetch | None = None,
        container: str | None = None,
        decoder: str = "",
    ) -> None:
        av.logging.set_level(None)  # FFmpeg's complaints name the URL, password and all
        self._container: InputContainer = av.open(
            target,
            format="video4linux2" if kind == "device" else container,
            options=OPTIONS[kind],
            timeout=(LIMIT_S, LIMIT_S),
            io_open=fetch,
            hwaccel=_hardware(decoder) if decoder else None,
        )
        self.packets = 0
        video = self._container.streams.video
        if not video:
            self._container.close()
            raise NoVideo
        best = self._container.streams.best("video")
        self.stream = best if isinstance(best, VideoStream) else video[0]
        context = self.stream.codec_context
        self._announced = context.width, context.height  # forgotten where the decoder refuses it
        in_software = decoder and not context.is_hwaccel
        self.notice = f"Decoded in software: {decoder} cannot be used here." if in_software else ""
        context.thread_count = 1
        context.options = {"max_pixels": str(MAX_PIXELS)}

    @property
    def codec(self) -> str:
        """The name of the video's coding, such as `h264`."""
        return self.stream.codec_context.name

    @property
    def rate(self) -> float | None:
        """Frames a second as announced, or None."""
        rate = self.stream.average_rate or self.stream.base_rate
        return float(rate) if rate else None

    @property
    def announced_size(self) -> tuple[int, int]:
        """Width and height; 0 × 0 until a keyframe has told them."""
        context = self.stream.codec_context
        return (context.width, context.height) if context.width else self._announced

    def frames(self) -> Iterator[Frame | None]:
        """Each decoded frame, and None for a packet that gave none.

        Damaged packets are passed over. Raises `FFmpegError`, `OSError`.
        """
        for packet in self._container.demux(self.stream):
            arrival = time.monotonic()
            self.packets += packet.size > 0
            try:
                decoded = packet.decode()
            except InvalidDataError:
                decoded = []
            if not decoded and packet.size:
                yield None
            for frame in decoded:
                if isinstance(frame, VideoFrame):
                    yield Frame(frame, arrival, frame.time, self._pixel_aspect())

    def _pixel_aspect(self) -> Fraction | None:
        stream = self.stream
        return stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or None

    def close(self) -> None:
        """Close it; FFmpeg's threads, if any, end."""
        self._container.close()


def _hardware(decoder: str) -> HWAccel | None:
    """The hardware for `av.open`; None where this machine has none, which would fail the open."""
    try:
        HWAccel(decoder).create(Codec("h264", "r"))
    except (FFmpegError, OSError, ValueError, RuntimeError):  # no device, driver or such decoder
        return None
    return HWAccel(decoder, allow_software_fallback=True)


__all__ = ["OPTIONS", "Demuxer", "FFmpegError", "Frame", "NoVideo"]
