"""Authentication for async views: the same doors as DRF's, without a thread per frame."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.views.decorators.csrf import csrf_exempt

from cameras.access import BadCredential, actor_for_token, actor_of, bearer_of
from cameras.actors import Actor
from cameras.models import Camera, User
from project.api import problem


class Denied(Exception):
    """Carries the problem to answer with."""

    def __init__(self, response: JsonResponse) -> None:
        super().__init__(response.status_code)
        self.response = response


class _Csrf(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> str:
        return reason


def actor_at_the_door(request: HttpRequest) -> Actor:
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


def known_camera(actor: Actor, camera_id: uuid.UUID) -> Camera:
    """The camera, if it is of the actor's organizations or key; else 404."""
    known = Camera.objects.known_to(actor).select_related("organization", "state")
    camera = known.filter(pk=camera_id).first()
    if camera is None:
        raise Denied(problem(404, "There is no such camera."))
    return camera


def must_watch(actor: Actor, camera: Camera) -> None:
    """403 where role or scope do not let the actor see the camera."""
    if not actor.may_watch(camera):
        raise Denied(problem(403, "This needs the scope “read”."))


View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


def methods(*allowed: str) -> Callable[[View], View]:
    """Answer other methods with 405 as a problem, for async views.

    They are exempt from the CSRF middleware, since `actor_at_the_door` asks where a cookie counts.
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
