"""Authentication of requests: for DRF, and for async views, which DRF would give a thread each."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from project.accounts.access import (
    actor_for_request,
    actor_for_token,
    actor_for_user,
    session_credential,
)
from project.accounts.credentials import Actor, BadCredential
from project.accounts.models import User
from project.problems import problem


def parse_bearer(authorization: str) -> str | None:
    """Return the token of an `Authorization` header; None if the header is empty.

    Raises `BadCredential` for another scheme or a malformed header.
    """
    if not authorization:
        return None
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip() or " " in token.strip():
        raise BadCredential("The Authorization header must be “Bearer <token>”.")
    return token.strip()


def parse_basic(authorization: str) -> str | None:
    """Return the password of a Basic `Authorization` header; None for any other header.

    A malformed one has an empty password.
    """
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return decoded.partition(":")[2]


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>` for DRF; `request.auth` is the `Actor`."""

    def authenticate(self, request: Request) -> tuple[User, Actor] | None:
        try:
            text = parse_bearer(request.META.get("HTTP_AUTHORIZATION", ""))
            if text is None:
                return None
            actor = actor_for_token(text)
        except BadCredential as error:
            raise exceptions.AuthenticationFailed(str(error)) from None
        assert actor.user is not None
        return actor.user, actor

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class CookieAuthentication(SessionAuthentication):
    """The session cookie with CSRF for DRF; `request.auth` is the `Actor`."""

    def authenticate(self, request: Request) -> tuple[User, Actor] | None:
        authenticated = super().authenticate(request)
        if authenticated is None:
            return None
        user: Any = authenticated[0]
        return user, actor_for_user(user, session_credential(request))


class Denied(Exception):
    """A request is refused with `response`, a problem."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__(response.status_code)
        self.response = response


class _Csrf(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> str:
        return reason


def authenticate(request: HttpRequest) -> Actor:
    """Return the actor of an async view's request. Raises `Denied`. Queries the database.

    A bearer token is used if there is one, even if it is wrong; else the session cookie, with the
    CSRF check for unsafe methods.
    """
    try:
        token = parse_bearer(request.META.get("HTTP_AUTHORIZATION", ""))
        if token is not None:
            return actor_for_token(token)
    except BadCredential as error:
        raise Denied(problem(401, str(error))) from None
    return authenticate_cookie(request)


def authenticate_cookie(request: HttpRequest) -> Actor:
    """Return the actor of the session cookie, whatever else was sent. Raises `Denied`."""
    if not isinstance(request.user, User):
        raise Denied(problem(401, "Sign in, or send a bearer token."))
    csrf = _Csrf(lambda _: None)  # type: ignore[arg-type]
    csrf.process_request(request)
    reason = csrf.process_view(request, None, (), {})  # type: ignore[arg-type]
    if reason:
        raise Denied(problem(403, f"The request was not sent from Sideline's own page: {reason}"))
    return actor_for_request(request)


View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


def methods(*allowed: str) -> Callable[[View], View]:
    """Decorate an async view to answer other methods with 405 as a problem, and for `Denied`.

    The view is exempt from the CSRF middleware: `authenticate` does the check for cookies.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        async def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method in allowed:
                try:
                    return await view(request, *args, **kwargs)
                except Denied as denied:
                    return denied.response
            response = problem(405, f"This address takes {' or '.join(allowed)}.")
            response["Allow"] = ", ".join(allowed)
            return response

        return csrf_exempt(guarded)

    return decorate
