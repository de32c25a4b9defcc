"""Authentication for async views: the same doors as DRF's, without a thread per frame."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, JsonResponse
from django.middleware.csrf import CsrfViewMiddleware

from cameras.access import Actor, BadCredential, actor_for_token, actor_of, bearer_of
from cameras.api.problems import problem
from cameras.models import Camera, User


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


def camera_for(actor: Actor, camera_id: uuid.UUID) -> Camera:
    """The camera if the actor may watch it. 404 for outsiders, 403 without the scope."""
    cameras = Camera.objects.select_related("organization", "state")
    camera = cameras.filter(pk=camera_id).first()
    if camera is None:
        raise Denied(problem(404, "There is no such camera."))
    if actor.may_watch(camera):
        return camera
    if camera.organization_id in actor.roles:
        raise Denied(problem(403, "This needs the scope “read”."))
    raise Denied(problem(404, "There is no such camera."))
