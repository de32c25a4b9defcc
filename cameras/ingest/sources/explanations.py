"""Explains why a source did not open, in one sentence without passwords. OpenCV gives no reason.

The HTTP proxy and the RTSP relay recorded the outcome of every request.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from cameras.ingest.sources.addresses import (
    Address,
    SourceError,
    check_host,
    device_index,
    file_path,
    listing,
)
from cameras.ingest.sources.dialing import ClosedAddress
from cameras.ingest.sources.egress import Egress
from cameras.ingest.sources.http_proxy import Answer, HTTPProxy
from cameras.ingest.sources.rtsp_messages import UDP_ONLY
from cameras.ingest.sources.rtsp_relay import Outcome, RTSPRelay

NOT_VIDEO = "The camera answers, but no video could be read from it."


def explain(
    kind: str,
    source: str,
    *,
    media_root: Path,
    allow_loopback: bool,
    listed: frozenset[str] = frozenset(),
    egress: Egress | None = None,
) -> str:
    """The most likely reason why opening (through `egress`) failed. Never raises."""
    try:
        if kind == "device":
            return _explain_device(device_index(source))
        if kind == "file":
            file_path(source, media_root)
            return "The file is not a video that can be read."
        if kind == "demo":
            return "The demo clip cannot be read."
        address = Address.parse(kind, source)
        check_host(address, allow_loopback=allow_loopback, listed=listed)
        if isinstance(egress, HTTPProxy):
            return _explain_http(address, egress.answers())
        return (
            _explain_rtsp(address, egress.outcome) if isinstance(egress, RTSPRelay) else NOT_VIDEO
        )
    except SourceError as error:
        return error.sentence


def _failure(address: Address, error: Exception) -> str:
    """A sentence for a dialogue that broke off."""
    host, port = address.host, address.port
    match error:
        case SourceError():
            return error.sentence
        case TimeoutError():
            return f"{host} did not answer in time."
        case ConnectionRefusedError():
            return f"{host} refused the connection on port {port}."
        case ConnectionError():
            return f"{host} closed the connection."
        case ssl.SSLError():
            return f"{host} does not speak TLS on port {port}."
        case OSError():
            return f"{host} cannot be reached."
    return f"{host} answers on port {port}, but not as a camera does."


def _explain_device(index: int) -> str:
    if not Path(f"/dev/video{index}").exists():
        return f"There is no camera /dev/video{index} on this server."
    return f"The camera /dev/video{index} gives no picture; another program may be using it."


def _refusal(address: Address, status: int) -> str:
    """A sentence for an HTTP or RTSP status other than success."""
    if status in (401, 403) and address.user is None:
        return "The camera asks for a user name and password."
    if status in (401, 403):
        return "The camera refused this user name and password."
    if status == 404:
        return "The camera answers, but has no stream at this path (404)."
    if status == 461:
        return UDP_ONLY
    if status in (453, 503):
        return f"The camera answers that it has no free connection ({status})."
    return f"The camera answers with the error {status}."


def _explain_http(address: Address, answers: list[Answer]) -> str:
    """From the last answer that was a failure, else from the last."""
    failed = [answer for answer in answers if answer.error or answer.status >= 400]
    if not answers:
        return NOT_VIDEO
    last = failed[-1] if failed else answers[-1]
    elsewhere = (last.address.host, last.address.port) != (address.host, address.port)
    if isinstance(last.error, ClosedAddress) and elsewhere:
        where = f"The camera leads on to {last.address.host}, an address that is closed."
        return f"{where} {listing(last.address)}"
    if last.error:
        return _failure(last.address, last.error)
    if 300 <= last.status < 400:
        return "The camera redirects too often."
    if last.status not in (200, 206):
        return _refusal(address, last.status)
    if "dash+xml" in last.content_type:
        return "The address is a DASH playlist; use the camera's HLS, RTSP or MJPEG address."
    if last.content_type.startswith(("text/", "application/json", "application/xml")):
        return f"The address answers with {last.content_type}, which is not video."
    return NOT_VIDEO


def _explain_rtsp(address: Address, outcome: Outcome) -> str:
    if outcome.status >= 400 and not isinstance(outcome.error, SourceError):
        return _refusal(address, outcome.status)  # and then it hung up, perhaps
    if outcome.error:
        return _failure(address, outcome.error)
    return NOT_VIDEO
