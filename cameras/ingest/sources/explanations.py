"""Explains why an RTSP camera or a device did not open, in one sentence without passwords.

FFmpeg's own reasons name our relay. The relay recorded the outcome of its last connection. HTTP
cameras explain themselves: `http_failures`.
"""

from __future__ import annotations

from pathlib import Path

from cameras.ingest.sources.addresses import Address, SourceError
from cameras.ingest.sources.dialing import describe
from cameras.ingest.sources.http_failures import NOT_VIDEO
from cameras.ingest.sources.rtsp_messages import UDP_ONLY
from cameras.ingest.sources.rtsp_relay import Outcome

_STATUSES = {
    400: "The camera does not understand what it is asked (400); look at the path of the address.",
    403: "The camera answers that this is forbidden (403): the user may lack the right to view, "
    "or the camera allows no more connections.",
    404: "The camera answers, but has no stream at this path (404).",
    405: "The camera does not allow this at the path of the address (405); look at the path.",
    453: "The camera answers that it has no free connection (453).",
    454: "The camera ended the session (454).",
    459: "The camera wants one address for all of its stream (459); look at the path.",
    500: "The camera answers that it failed (500); restarting it may help.",
    503: "The camera answers that it has no free connection (503).",
}


def explain_device(index: int) -> str:
    """Why `/dev/video` with that number gives no picture."""
    if not Path(f"/dev/video{index}").exists():
        return f"There is no camera /dev/video{index} on this server."
    return f"The camera /dev/video{index} gives no picture; another program may be using it."


def explain_rtsp(address: Address, outcome: Outcome) -> str:
    """Why the camera at an address gives no picture, from what came of the connection."""
    if outcome.status >= 400 and not isinstance(outcome.error, SourceError):
        return _refusal(address, outcome.status)  # and then it hung up, perhaps
    if outcome.error:
        return _failure(address, outcome.error)
    return NOT_VIDEO


def _failure(address: Address, error: Exception) -> str:
    """A sentence for a dialogue that broke off."""
    if isinstance(error, SourceError):
        return error.sentence
    return describe(address, error)


def _refusal(address: Address, status: int) -> str:
    """A sentence for an HTTP or RTSP status other than success."""
    if status == 401 and address.user is None:
        return "The camera asks for a user name and password."
    if status == 401:
        return "The camera refused this user name and password."
    if status == 461:
        return UDP_ONLY
    return _STATUSES.get(status) or f"The camera answers with the error {status}."
