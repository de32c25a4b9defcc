"""Polling of an address that gives one picture at a time."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable

from cameras.ingest.sources import http_failures
from cameras.ingest.sources.addresses import SourceError
from cameras.ingest.sources.http_client import HTTPClient
from cameras.ingest.sources.http_failures import HTTPFailure
from cameras.ingest.sources.http_response import READ, Response
from cameras.ingest.worker.mjpeg import JPEGReader
from cameras.ingest.worker.sniff import is_picture
from cameras.live.jpeg import MAX_JPEG_BYTES

SLOWEST = 1.0  # requests a second, where nobody watches
BELIEVED_S = 10.0  # for so long a camera may say "not modified"; then it is asked for the picture

TOO_LARGE = "The picture is larger than 8 MiB."
CUT_SHORT = "The camera sent only a part of its picture."


class StillImage:
    """The newest picture of a camera's own address, `fps` times a second at most.

    Holds one picture. Where one takes longer than its turn, the lost turns are left out.
    """

    def __init__(
        self,
        client: HTTPClient,
        fps: float,
        *,
        begun: Response | None = None,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        """`begun` is an answer that came already; `wait` takes seconds, and may return early."""
        self._client = client
        self._begun = begun
        self.fps = fps  # may be changed at any time
        self._wait = wait
        self._due = 0.0  # when the next request begins, monotonic
        self._validators: dict[str, str] = {}
        self._asked = 0.0  # when the picture itself was last asked for
        self._trusts = True  # that "not modified" means it
        self._digest = b""

    def next(self) -> bytes | None:
        """The next JPEG, PNG or WebP, when its time has come. Raises `SourceError`.

        None is a sign of life without a new picture: it is the same as before.
        """
        self._pace()
        response, self._begun = self._begun or self._ask(), None
        try:
            if response.status == 304:
                response.read()  # to its end, which comes at once
                return None
            picture = _whole(response)
        except (OSError, ValueError) as error:
            if isinstance(error, SourceError):
                raise
            raise http_failures.unreachable(response.address, error) from None
        finally:
            response.close()
        return picture if self._is_new(picture, response) else None

    def _pace(self) -> None:
        ahead = self._due - time.monotonic()
        if ahead > 0:
            self._wait(ahead)
        self._due = max(self._due, time.monotonic()) + 1 / max(self.fps, SLOWEST)

    def _ask(self) -> Response:
        now = time.monotonic()
        believed = self._trusts and now - self._asked < BELIEVED_S
        if not believed:
            self._asked = now
        return self._client.get(headers=self._validators if believed else {}, keep=True)

    def _is_new(self, picture: bytes, response: Response) -> bool:
        """Whether it differs from the last; learns how to ask for the next."""
        digest = hashlib.blake2b(picture, digest_size=16).digest()
        told = {
            "If-None-Match": response.headers.get("etag"),
            "If-Modified-Since": response.headers.get("last-modified"),
        }
        validators = {name: value for name, value in told.items() if value}
        is_new = digest != self._digest
        if is_new and self._digest and validators == self._validators:
            self._trusts = False  # another picture under the same name
        self._validators, self._digest = validators, digest
        return is_new


def _whole(response: Response) -> bytes:
    """The picture. One without a length ends where its bytes say: not every server closes."""
    body = bytearray()
    while part := response.read(READ):
        body += part
        if len(body) > MAX_JPEG_BYTES:
            raise HTTPFailure(TOO_LARGE)
        if response.length is None and body.rstrip(b"\0\r\n").endswith(b"\xff\xd9"):
            one = next(iter(JPEGReader(io.BytesIO(body).read)), None)
            if one is not None:
                return one
    if not is_picture(bytes(body[:16])):
        raise http_failures.not_video(response.content_type)
    if response.length is not None and len(body) < response.length:
        raise HTTPFailure(CUT_SHORT)
    return bytes(body)
