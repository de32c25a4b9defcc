"""Why an HTTP camera cannot be read: one exception for each kind, with its sentence.

    SourceError
    ├── ClosedAddress     an address where no camera may live (`dialing`)
    └── HTTPFailure
        ├── Unreachable   no connection, or one that broke off
        ├── Silent        a body that goes on no longer
        ├── HungUp        `HTTPClient.hang_up` ended it
        ├── Unauthorized  the login is missing, wrong, or of a kind that is not known
        ├── Refused       any other status than success; `status` tells which
        ├── Misdirected   redirects that lead nowhere, addresses that are no HTTP
        └── NotVideo      an answer, but not one that can be video

Sentences never hold a password, nor what a stranger wrote beyond a host, a port and a media type.
"""

from __future__ import annotations

import re

from cameras.ingest.sources.addresses import Address, SourceError, listing
from cameras.ingest.sources.dialing import ClosedAddress, describe

NOT_VIDEO = "The camera answers, but no video could be read from it."

_MEDIA_TYPE = re.compile(r"[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,60}")
_PLACE = re.compile(r"([A-Za-z0-9+.,-]{1,40}:)((?://[^/?#]*)?)")
_SHOWN = 80  # characters of an address in a sentence


class HTTPFailure(SourceError):
    """Why a request, or the body that it brought, came to nothing."""


class Unreachable(HTTPFailure):
    """No connection, or one that broke off."""


class Silent(HTTPFailure):
    """A body that goes on no longer, though its connection is there."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The camera sent nothing for {seconds:g} seconds.")


class HungUp(HTTPFailure):
    """This side closed the connection."""

    def __init__(self) -> None:
        super().__init__("The connection was closed.")


class Unauthorized(HTTPFailure):
    """The login is missing, wrong, or of a kind that is not known."""


class Refused(HTTPFailure):
    """Another status than success."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Misdirected(HTTPFailure):
    """A redirect that leads nowhere, or an address that is no HTTP."""


class NotVideo(HTTPFailure):
    """An answer that cannot be video."""


def unreachable(address: Address, error: Exception) -> Unreachable:
    """For an `OSError` of the connection, or a `ValueError` for an answer that is no HTTP."""
    return Unreachable(describe(address, error))


def closed_elsewhere(address: Address) -> ClosedAddress:
    """For a redirect or a playlist to a closed address."""
    return ClosedAddress(
        f"The camera leads on to {address.host}, an address that is closed. {listing(address)}"
    )


def unauthorized(*, has_login: bool, unusable: str = "") -> Unauthorized:
    """For 401. `unusable` is a sentence on what is asked for, where that is not known."""
    if not has_login:
        return Unauthorized("The camera asks for a user name and password.")
    return Unauthorized(unusable or "The camera refused this user name and password.")


def refused(status: int, *, has_login: bool) -> Refused:
    """For a status that is neither success, nor 401, nor a redirect that can be followed."""
    if status == 403 and has_login:
        sentence = "forbidden (403), though this user name and password may be right"
    elif status == 403:
        sentence = "forbidden (403)"
    else:
        return Refused(status, _error(status))
    return Refused(status, f"The camera answers that this is {sentence}.")


def _error(status: int) -> str:
    if status == 404:
        return "The camera answers, but has no stream at this path (404)."
    if status in (453, 503):
        return f"The camera answers that it has no free connection ({status})."
    if status in (204, 205):
        return f"The camera answers, but sends nothing ({status})."
    return f"The camera answers with the error {status}."


def not_video(content_type: str) -> NotVideo:
    """For an answer in which nothing found a picture; `content_type` is lower-case."""
    if "dash+xml" in content_type:
        return NotVideo(
            "The address is a DASH playlist; use the camera's HLS, RTSP or MJPEG address."
        )
    told = _MEDIA_TYPE.fullmatch(content_type) is not None
    if told and content_type.startswith(("text/", "application/json", "application/xml")):
        return NotVideo(f"The address answers with {content_type}, which is not video.")
    return NotVideo(NOT_VIDEO)


def no_http(url: str) -> Misdirected:
    """For an address in a playlist. Names scheme, host and port: the rest may be secret."""
    found = _PLACE.match(url)
    shown = "another kind of address"
    if found:
        host = found[2].rpartition("@")[2].removeprefix("//")
        shown = "".join(filter(str.isprintable, found[1] + ("//" + host if found[2] else "")))
    return Misdirected(
        f"The camera's playlist leads to {shown[:_SHOWN]}, but only http and https addresses are "
        "opened."
    )
