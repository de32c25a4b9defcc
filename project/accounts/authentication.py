"""How a request proves who asks: for DRF, and for async views without a thread per frame."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from project.accounts.access import (
    Actor,
    BadCredential,
    actor_for_token,
    actor_for_user,
    actor_of,
    bearer_of,
)
from project.accounts.models import User
from project.problems import problem


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer <token>` for DRF; `request.auth` is the `Actor`."""

    def authenticate(self, request: Request) -> tuple[User, Actor] | None:
        try:
            raw = bearer_of(request.META.get("HTTP_AUTHORIZATION", ""))
            if raw is None:
                return None
            actor = actor_for_token(raw)
        except BadCredential as error:
            raise exceptions.AuthenticationFailed(str(error)) from None
        assert actor.user is not None
        return actor.user, actor

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class CookieAuthentication(SessionAuthentication):
    """The session cookie with CSRF for DRF; `request.auth` is the `Actor`."""

    def authenticate(self, request: Request) -> tuple[User, Actor] | None:
        found = super().authenticate(request)
        if found is None:
            return None
        user: Any = found[0]
        return user, actor_for_user(user, ("session", request.session.session_key or ""))


class Denied(Exception):
    """Carries the problem to answer with."""

    def __init__(self, response: JsonResponse) -> None:
        super().__init__(response.status_code)
        self.response = response


class _Csrf(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> str:
        return reason


def authenticate(request: HttpRequest) -> Actor:
    """Bearer first, and it ends the matter; else the cookie, with CSRF for unsafe methods.

    Raises `Denied`. Synchronous: it asks the database.
    """
    try:
        token = bearer_of(request.META.get("HTTP_AUTHORIZATION", ""))
        if token is not None:
            return actor_for_token(token)
    except BadCredential as error:
        raise Denied(problem(401, str(error))) from None
    if not isinstance(request.user, User):
        raise Denied(problem(401, "Sign in, or send a bearer token."))
    csrf = _Csrf(lambda _: None)  # type: ignore[arg-type]
    csrf.process_request(request)
    reason = csrf.process_view(request, None, (), {})  # type: ignore[arg-type]
    if reason:
        raise Denied(problem(403, f"The request was not sent from Sideline's own page: {reason}"))
    return actor_of(request)


View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


def methods(*allowed: str) -> Callable[[View], View]:
    """Answer other methods with 405 as a problem, for async views.

    They are exempt from the CSRF middleware, since `authenticate` asks where a cookie counts.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        async def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method in allowed:
                return await view(request, *args, **kwargs)
            response = problem(405, f"This address takes {' or '.join(allowed)}.")
            response["Allow"] = ", ".join(allowed)
            return response

        return csrf_exempt(guarded)

    return decorate
