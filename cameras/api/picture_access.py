"""Who may fetch pictures over HTTP: as everywhere, and with a URL alone, by a stream key or Basic.

Players, `<img>` tags and home automation cannot send a bearer token. A stream key may stand in the
place of the camera id. Or the password of Basic is a stream key, or a token of scope `read` alone.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from knox.crypto import hash_token

from cameras.access import BAD_KEY, actor_for_stream_key, get_known_camera, require_watch
from cameras.models import Camera, StreamKey
from project.accounts.access import actor_for_token
from project.accounts.authentication import (
    Denied,
    authenticate,
    authenticate_cookie,
    parse_basic,
)
from project.accounts.credentials import Actor, BadCredential
from project.accounts.models import Token
from project.accounts.models.tokens import digest
from project.accounts.throttling.attempts import A_KEY, is_locked, record_failure
from project.accounts.views.lockout import locked_out
from project.problems import problem

READ_ALONE = frozenset({"read"})
BAD_PASSWORD = (
    "The password must be a valid stream key, or a valid token with only the scope “read”."
)
# A browser that gets Basic opens a dialog for a password. Over plain HTTP, browsers send
# `Sec-Fetch-*` only to localhost, but this one with each address that a person opens.
_BROWSER_HEADERS = ("HTTP_COOKIE", "HTTP_UPGRADE_INSECURE_REQUESTS")


def open_camera(request: HttpRequest, name: str) -> tuple[Camera, Actor]:
    """Return the camera with this id or stream key, and who asks. Raises `Denied`.

    The first of these credentials that is valid counts: Basic, the key, the cookie. A bearer token
    that is sent is used even if it is wrong.
    """
    key_actor = actor_for_stream_key(name)
    actor = _authenticate(request, name, key_actor)
    camera = get_known_camera(actor, name, key_actor)
    require_watch(actor, camera)
    return camera, actor


def is_key(name: str) -> bool:
    """True if the URL has a stream key, valid or not, in the place of the camera id."""
    return name.startswith(StreamKey.PREFIX)


def _authenticate(request: HttpRequest, name: str, key_actor: Actor | None) -> Actor:
    """Return who asks. `key_actor` is the actor of the key in the URL. Raises `Denied`."""
    header = request.META.get("HTTP_AUTHORIZATION", "")
    password = parse_basic(header)
    if password is None and header:
        return authenticate(request)
    actor = (_actor_for_password(password) if password is not None else None) or key_actor
    if actor is not None:
        return actor
    try:
        return authenticate_cookie(request)
    except Denied as denied:
        response = denied.response
    if password is not None:
        response = _reject(request, password, BAD_PASSWORD)
    elif is_key(name):
        response = _reject(request, name, BAD_KEY)
    if response.status_code == 401 and not _is_browser(request):
        response["WWW-Authenticate"] = 'Basic realm="Sideline", charset="UTF-8"'
    raise Denied(response)


def _actor_for_password(password: str) -> Actor | None:
    actor = actor_for_stream_key(password)
    if actor is not None:
        return actor
    try:
        actor = actor_for_token(password)
    except BadCredential:
        return None
    return actor if actor.scopes == READ_ALONE else None


def _reject(request: HttpRequest, secret: str, detail: str) -> HttpResponse:
    """Count a guess. Too many from one network address are answered with 429.

    Valid credentials are never refused for the guesses of others: a house of players shares an
    address. One that has ended, or has more scopes, was no guess.
    """
    if not _was_issued(secret):
        if is_locked(request, A_KEY):
            return locked_out(request)
        record_failure(request, A_KEY)
    return problem(401, detail)


def _was_issued(secret: str) -> bool:
    keys = StreamKey.objects.filter(digest=digest(secret))
    return keys.exists() or Token.objects.filter(digest=hash_token(secret)).exists()


def _is_browser(request: HttpRequest) -> bool:
    return any(
        value and (name in _BROWSER_HEADERS or name.startswith("HTTP_SEC_FETCH_"))
        for name, value in request.META.items()
    )
