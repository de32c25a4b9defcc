"""Authorization of WebSockets: who may watch a camera or publish to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from django.conf import settings
from django.http.cookie import parse_cookie

from cameras.access import (
    BAD_KEY,
    VISIT_COOKIE,
    actor_for_stream_key,
    actor_for_ticket,
    find_known_camera,
)
from cameras.models import Camera, CameraState, Kind, StreamKey, Ticket
from project.accounts.access import (
    ConnectionGrant,
    actor_for_session,
    actor_for_token,
    grant_on_resource,
)
from project.accounts.authentication import parse_bearer
from project.accounts.credentials import Actor, BadCredential
from project.accounts.origins import (
    UntrustedOrigin,
    origin_is_trusted,
    require_trusted_origin,
)

NOT_PUSH = "This camera is not of kind push."
CREDENTIAL_NEEDED = (
    "This needs a credential: a bearer token, a ticket, a stream key in place of the camera id, or "
    "a session cookie with a trusted Origin."
)
NO_ORIGIN = "A session cookie needs a trusted Origin, and no Origin was sent."
SIGNED_OUT = "The session has ended; sign in again."


class Refused(Exception):
    """The handshake is answered with `status` and a problem: 403 without a valid credential.

    `errors` has sentences by parameter, for 400.
    """

    def __init__(
        self, detail: str, status: int = 403, errors: Mapping[str, list[str]] | None = None
    ) -> None:
        super().__init__(detail)
        self.detail, self.status, self.errors = detail, status, errors


class Closed(Exception):
    """A valid credential without access to this camera: accept, then close with `code`."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(code)
        self.code, self.reason = code, reason


@dataclass(frozen=True, slots=True)
class Admission:
    """An actor that may watch or publish, its `grant`, and the camera with its state."""

    actor: Actor
    camera: Camera
    grant: ConnectionGrant
    state: CameraState


def admit(scope: Mapping[str, Any], name: str, *, publish: bool = False) -> Admission:
    """Authorize a socket's scope to watch the camera `name` of its URL, or to publish to it.

    Raises `Refused` or `Closed`.
    """
    actor, ticket = _actor(scope, name)
    camera = find_known_camera(actor, name, actor if actor.resource_ids else None)
    if camera is None or (ticket and ticket.camera_id != camera.pk):
        raise Closed(4404)
    if ticket and (ticket.purpose == Ticket.Purpose.PUBLISH) != publish:
        raise Closed(4403)
    if not (camera.may_be_published_by(actor) if publish else camera.may_be_watched_by(actor)):
        raise Closed(4403)
    if publish and camera.kind != Kind.PUSH:
        raise Closed(4403, NOT_PUSH)
    grant = grant_on_resource(actor, "publish" if publish else "read", camera.pk)
    return Admission(actor, camera, grant, camera.current_state())


def _actor(scope: Mapping[str, Any], name: str) -> tuple[Actor, Ticket | None]:
    """Return the actor, and its ticket if it has one. Raises `Refused`.

    Only the first credential that is present counts: bearer, ticket, cookie. A valid stream key in
    the URL goes before the cookie; with one that is not valid, the cookie decides.
    """
    headers = {key.lower(): value.decode("latin-1") for key, value in scope["headers"]}
    # Django's parser; that of the standard library stops at the first malformed cookie.
    cookies = parse_cookie(headers.get(b"cookie", ""))
    origin = headers.get(b"origin", "")
    try:
        token = parse_bearer(headers.get(b"authorization", ""))
        if token is not None:
            return actor_for_token(token), None
        ticket = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if "ticket" in ticket:
            is_trusted = origin_is_trusted(origin, headers.get(b"host", ""))
            return actor_for_ticket(
                ticket["ticket"][0], cookies.get(VISIT_COOKIE, "") if is_trusted else ""
            )
    except BadCredential as error:
        raise Refused(str(error)) from None
    actor = actor_for_stream_key(name)
    if actor is not None:
        return actor, None
    try:
        return _actor_for_session(headers, cookies), None
    except Refused:
        if StreamKey.PATTERN.fullmatch(name):
            raise Refused(BAD_KEY) from None
        raise


def _actor_for_session(headers: Mapping[bytes, str], cookies: Mapping[str, str]) -> Actor:
    """Return the actor of the session cookie. Raises `Refused` with the first thing missing."""
    session_key = cookies.get(settings.SESSION_COOKIE_NAME)
    if b"origin" in headers:
        try:
            require_trusted_origin(headers[b"origin"], headers.get(b"host", ""))
        except UntrustedOrigin as error:
            raise Refused(str(error), error.status) from None
    elif session_key is not None:
        raise Refused(NO_ORIGIN)
    if session_key is None:
        raise Refused(CREDENTIAL_NEEDED)
    actor = actor_for_session(session_key)
    if actor is None:
        raise Refused(SIGNED_OUT)
    return actor
