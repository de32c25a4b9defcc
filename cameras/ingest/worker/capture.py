"""One source's stream of pictures, from open to loss.

Every kind of source ends in the same picture: upright, with square pixels, progressive, with a
capture time. The connection test is this code, too, so it cannot disagree with what is shown live.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing

from av import VideoFrame
from av.error import FFmpegError

from cameras.ingest.sources.addresses import (
    Address,
    SourceError,
    check_host,
    device_index,
    file_path,
)
from cameras.ingest.sources.dialing import permitted
from cameras.ingest.sources.explanations import explain_device, explain_rtsp
from cameras.ingest.sources.http_client import HTTPClient
from cameras.ingest.sources.http_failures import NOT_VIDEO, unreachable
from cameras.ingest.sources.http_response import Response
from cameras.ingest.sources.media_io import HTTPOpener
from cameras.ingest.sources.rtsp_relay import RTSPRelay
from cameras.ingest.worker.decoding import JPEGDecoder, decode_still, too_large
from cameras.ingest.worker.demuxer import DEMO_CLIP, Demuxer, Fetch, Frame, NoVideo
from cameras.ingest.worker.frame_sink import FrameSink, Shot
from cameras.ingest.worker.freshness import STALE_AFTER, Freshness
from cameras.ingest.worker.mjpeg import JPEGReader
from cameras.ingest.worker.picture import Slot
from cameras.ingest.worker.sniff import kind_of
from cameras.ingest.worker.source import Source
from cameras.ingest.worker.still_image import StillImage
from cameras.ingest.worker.upright import Turn, Unconvertible
from cameras.ingest.worker.watchdog import Watchdog
from cameras.live.jpeg import FrameError, jpeg_orientation, jpeg_size
from cameras.live.variants import Pace

# With `watchdog.STUCK_AFTER`, the supervisor's look and the start of another process, these make
# ten seconds at most.
OPEN_LIMIT = 6.0  # seconds within which a camera has to answer
FROZEN_LIMIT = 6.0  # without a packet, of a camera that sends some each second
UNKNOWN_LIMIT = 30.0  # the same while its rate is not known, and of recordings
SILENCE_S = 90.0  # HTTPClient's own limit; the watchdog has shorter ones
KEYFRAME_LIMIT = 60.0  # for packets that give no picture
MAX_UNDECODABLE = 10  # pictures in a row; some cameras send a damaged one now and then
LATE = 0.5  # a recording this far behind its pace gives up the lost time instead of bursting
LEAP = 2.0  # seconds between two frames of a recording that are taken for a cut in it
# PyAV 18.1 raises IndexError where an HLS playlist holds nothing that opens.
UNOPENED = (FFmpegError, OSError, IndexError, NoVideo)

FROZEN = "The camera's stream has frozen; connecting again."
WAITING = "Connected. Waiting for the first picture."
WAITING_FOR_KEYFRAME = "Connected. Waiting for a keyframe; some cameras send one only now and then."
UNDECODABLE = "The camera sends pictures that cannot be decoded."
NO_KEYFRAME = (
    "The camera sends video, but no picture could be decoded from it within a minute. "
    "Set a keyframe (I-frame) interval of a few seconds in the camera."
)


class Lost(Exception):
    """The source gives no more pictures; the text is a plain sentence."""


class Capture:
    """What one source sends, each time that it is opened.

    Every frame is told to `freshness`; those that `pace` takes are put into `slot`, and masks are
    painted over them. `watchdog.run` has to run in another thread.
    """

    def __init__(
        self, source: Source, *, slot: Slot, freshness: Freshness, stop: threading.Event
    ) -> None:
        self.watchdog = Watchdog(self.hang_up)
        self._source, self._freshness, self._stop = source, freshness, stop
        self._sink = FrameSink(source, slot, freshness)
        self._permitted = permitted(allow_loopback=source.allow_loopback, listed=source.listed)
        self._relay: RTSPRelay | None = None
        self._client: HTTPClient | None = None
        self._due = 0.0  # when the next frame of a recording is to be shown, monotonic seconds
        self._first_packet = 0.0  # since a picture could be decoded; 0 is none

    @property
    def pace(self) -> Pace:
        """Which frames are put into the slot."""
        return self._sink.pace

    def hang_up(self) -> None:
        """End what may be left of a connection."""
        for connection in (self._relay, self._client):
            if connection is not None:
                connection.hang_up()

    def close(self) -> None:
        """Close the relay, after the last `run`."""
        if self._relay is not None:
            self._relay.close()

    def run(self) -> None:
        """From open to loss. Raises `Lost` or `SourceError`; returns only when stopped."""
        self.watchdog.begin()
        self._sink.begin()
        self._first_packet = 0.0
        try:
            match self._source.kind:
                case "rtsp":
                    self._run_rtsp()
                case "http":
                    self._run_http()
                case "device":
                    self._run_device()
                case _:
                    self._run_file()
        except Unconvertible as error:
            raise Lost(str(error)) from error
        finally:
            self.watchdog.rest()

    def _run_rtsp(self) -> None:
        address = self._address()
        if self._relay is None:
            self._relay = RTSPRelay(self._permitted)
        relay = self._relay
        late = f"{address.host} did not answer in time."
        self.watchdog.expect(late, OPEN_LIMIT, lambda: self._patience(relay))
        try:
            demuxer = self._demuxer("rtsp", relay.show(address))
        except UNOPENED:
            raise Lost(self.watchdog.reason or explain_rtsp(address, relay.outcome)) from None
        with closing(demuxer):
            self._show_live(demuxer)
        self._end("stream", explain_rtsp(address, relay.outcome), refused=relay.refusal)

    def _patience(self, relay: RTSPRelay) -> float:
        """How much longer the open may take: a slow camera plays, but has sent no frame yet."""
        if not relay.outcome.playing:
            return 0.0
        self._freshness.record_wait(WAITING)
        return UNKNOWN_LIMIT

    def _run_http(self) -> None:
        """MJPEG and still images are read here; what else comes over HTTP is FFmpeg's to read."""
        address = self._address()
        self.watchdog.expect(f"{address.host} did not answer in time.", OPEN_LIMIT)
        client = self._client = HTTPClient(address, self._permitted, silence_s=SILENCE_S)
        try:
            with closing(client.get()) as response:
                match kind_of(response):
                    case "mjpeg":
                        self._end("stream", self._show_jpegs(response))
                    case "still":
                        self._show_stills(
                            StillImage(client, self.pace.fps, begun=response, wait=self._stop.wait)
                        )
                    case _:
                        self._run_container(client, response)
        except SourceError as error:
            raise Lost(self.watchdog.reason or error.sentence) from None
        except (OSError, ValueError) as error:
            self._end("stream", unreachable(address, error).sentence)
        finally:
            self._client = None
            client.close()

    def _run_container(self, client: HTTPClient, response: Response) -> None:
        """What comes over HTTP in a format of FFmpeg's."""
        with closing(HTTPOpener(client, response)) as opener:
            self.watchdog.expect(FROZEN, UNKNOWN_LIMIT)
            try:
                demuxer = self._demuxer("http", client.url, opener, opener.format)
            except UNOPENED:
                raise opener.failure from None
            with closing(demuxer):
                if opener.recorded:
                    self._play(demuxer)
                else:
                    self._show_live(demuxer)
            self._end("recording" if opener.recorded else "stream", str(opener.failure))

    def _run_device(self) -> None:
        index = device_index(self._source.source)
        self.watchdog.expect("The camera does not open.", OPEN_LIMIT)
        try:
            demuxer = self._demuxer("device", f"/dev/video{index}")
        except UNOPENED:
            raise Lost(explain_device(index)) from None
        with closing(demuxer):
            self._show_live(demuxer)
        self._end("stream", explain_device(index))

    def _run_file(self) -> None:
        """Again and again from its start. Opening again is exact for every container."""
        while not self._stop.is_set():
            if self._source.kind == "demo":
                target, sentence = DEMO_CLIP, "The demo clip cannot be read."
            else:
                target = file_path(self._source.source, self._source.media_root)
                sentence = "The file is not a video that can be read."
            self.watchdog.expect("The file does not open.", OPEN_LIMIT)
            try:
                demuxer = self._demuxer("file", str(target))
            except UNOPENED:
                raise Lost(sentence) from None
            with closing(demuxer):
                if not self._play(demuxer) and not self._stop.is_set():
                    raise Lost(sentence)

    def _address(self) -> Address:
        address = Address.parse(self._source.kind, self._source.source)
        check_host(address, allow_loopback=self._source.allow_loopback, listed=self._source.listed)
        return address

    def _demuxer(
        self, kind: str, target: str, fetch: Fetch | None = None, container: str | None = None
    ) -> Demuxer:
        demuxer = Demuxer(kind, target, fetch, container, self._source.decoder)
        self._freshness.notice = demuxer.notice
        return demuxer

    def _show_live(self, demuxer: Demuxer) -> None:
        """Show what comes, as it comes, until it ends."""
        self._expect_packet()
        for frame in self._frames(demuxer):
            if self._stop.is_set():
                return
            if frame is not None:
                self._sink.show(frame, frame.arrival, frame.time)
                self._first_packet = 0.0
            self._note_packet()

    def _play(self, demuxer: Demuxer) -> int:
        """One pass of a recording at its own pace, counted from where the last pass ended.

        Each frame waits as long as the frame before it lasted by its own clock: the rate that HLS
        announces is often wrong. Returns the number of frames.
        """
        rate = demuxer.rate
        usual = 1 / (rate if rate and 1 <= rate <= 120 else 25.0)
        before: float | None = None
        frames = 0
        if self._due < time.monotonic() - LATE:
            self._due = time.monotonic()
        self.watchdog.expect(FROZEN, UNKNOWN_LIMIT)
        for frame in self._frames(demuxer):
            if frame is None:
                continue
            if frames:
                lasted = 0.0 if frame.time is None or before is None else frame.time - before
                self._due += lasted if 0 < lasted < LEAP else usual
            before, frames = frame.time, frames + 1
            self.watchdog.rest()
            if self._due < time.monotonic() - LATE:
                self._due = time.monotonic()
            if self._stop.wait(max(0.0, self._due - time.monotonic())):
                return frames
            self._sink.show(frame, time.monotonic(), None)
            self.watchdog.expect(FROZEN, UNKNOWN_LIMIT)
        self._due += usual
        return frames

    def _frames(self, demuxer: Demuxer) -> Iterator[Frame | None]:
        """The frames of a video to its end, also where it ends in an error. Raises `Lost`."""
        try:
            for frame in demuxer.frames():
                if frame is None:
                    _check_size(demuxer)
                yield frame
        except (FFmpegError, OSError):
            _check_size(demuxer)

    def _show_jpegs(self, response: Response) -> str:
        """MJPEG: only the chosen pictures are decoded, and the others count if the last one was.

        Returns why none was shown, if none was. Raises `Lost` where none can be decoded.
        """
        decoder, failures, reason = JPEGDecoder(), 0, NOT_VIDEO
        shown = False
        self._expect_packet()
        for jpeg in JPEGReader(response.read, response.boundary):
            if self._stop.is_set():
                break
            self._expect_packet()
            arrived = time.monotonic()
            try:
                size, turn = jpeg_size(jpeg), Turn.from_exif(jpeg_orientation(jpeg))
                chosen = self._sink.takes()
                frame = decoder.decode(jpeg) if chosen else None
                reason = UNDECODABLE
            except FrameError as error:
                frame, chosen, reason = None, True, error.sentence
            if frame is not None:
                self._sink.put(frame, Shot(arrived, turn))
            elif not chosen and shown:
                self._sink.pass_over(size, turn)
            if chosen:
                shown, failures = frame is not None, 0 if frame is not None else failures + 1
            if failures >= MAX_UNDECODABLE:
                raise Lost(reason)
        return reason

    def _show_stills(self, still: StillImage) -> None:
        """A still-image address, asked again at the rate that is wanted now."""
        while not self._stop.is_set():
            self._expect_packet()
            still.fps = self.pace.fps
            data = still.next()
            if data is None:
                continue
            arrived = time.monotonic()
            image = decode_still(data)
            if image is None:
                raise Lost(UNDECODABLE)
            frame = VideoFrame.from_ndarray(image, "bgr24")
            self._sink.put(frame, Shot(arrived))

    def _expect_packet(self) -> None:
        """Set the limit for the next packet; the patience follows the camera's own rate."""
        interval = self._freshness.interval
        seconds = UNKNOWN_LIMIT if interval is None else max(FROZEN_LIMIT, 3 * interval)
        self.watchdog.expect(FROZEN, seconds)

    def _note_packet(self) -> None:
        """A packet came. Raises `Lost` if packets give no picture for `KEYFRAME_LIMIT` seconds."""
        self._expect_packet()
        now = time.monotonic()
        if not self._first_packet:
            self._first_packet = now
        elif now - self._first_packet > KEYFRAME_LIMIT:
            raise Lost(NO_KEYFRAME)
        elif now - self._first_packet > 1.0:
            self._freshness.record_wait(WAITING_FOR_KEYFRAME)

    def _end(self, what: str, failure: str, *, refused: str = "") -> None:
        """Raise `Lost` with the reason why it ended, unless it was stopped.

        `failure` is that where no picture has come; `refused`, where this side cut the connection.
        """
        if self._stop.is_set():
            return
        age = self._freshness.age
        if self.watchdog.reason or refused:
            raise Lost(self.watchdog.reason or refused)
        if age is None:
            raise Lost(failure)
        if age >= STALE_AFTER - 0.5:
            raise Lost(FROZEN)
        raise Lost(f"The camera ended the {what}; connecting again.")


def _check_size(demuxer: Demuxer) -> None:
    """FFmpeg decodes no picture that is too large. Raises `Lost` with the reason."""
    if sentence := too_large(*demuxer.announced_size):
        raise Lost(sentence)
