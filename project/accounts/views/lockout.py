"""Responses to too many wrong passwords (429), and to too many concurrent sign-ins (503)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin

from project.accounts.throttling.attempts import counted_attempt, release_attempt
from project.accounts.throttling.hashing import TooBusy
from project.problems import problem

TOO_BUSY = "Many people are signing in right now. Nothing was changed; try again in a few seconds."


def locked_out(
    request: HttpRequest, response: HttpResponse | None = None, credentials: Any = None
) -> HttpResponse:
    """Return Axes' lockout response: a page, or a problem under /api/."""
    return retry_later(request, int(settings.AXES_COOLOFF_TIME.total_seconds()))


def retry_later(request: HttpRequest, seconds: int) -> HttpResponse:
    """Return the lockout response with a wait of `seconds`."""
    minutes = max(1, round(seconds / 60))
    duration = f"{minutes} minutes" if minutes > 1 else "a minute"
    sentence = f"There were too many attempts that were wrong. Try again in {duration}."
    response = _response(request, HTTPStatus.TOO_MANY_REQUESTS, seconds, sentence)
    response._has_been_logged = True  # type: ignore[attr-defined] # audit/sign_ins.py logs
    return response


class LockoutMiddleware(MiddlewareMixin):
    """Answer 503 if a password could not be checked in time, and release unused attempts.

    A request that its client aborts keeps its attempt: the thread may still be checking it.
    """

    def __call__(self, request: HttpRequest) -> Any:
        response = super().__call__(request)
        if not self.async_mode:
            release_attempt(request)
        return response

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        response = await super().__acall__(request)
        if counted_attempt(request) is not None:  # most requests have none, and need no thread
            await sync_to_async(release_attempt)(request)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, TooBusy):
            return _response(request, HTTPStatus.SERVICE_UNAVAILABLE, 5, TOO_BUSY)
        return None


def _response(
    request: HttpRequest, status: HTTPStatus, seconds: int, sentence: str
) -> HttpResponse:
    response: HttpResponse
    if request.path_info.startswith("/api/"):
        response = problem(status, sentence)
    else:
        response = render(
            request, "accounts/locked_out.html", {"sentence": sentence}, status=status
        )
    response["Retry-After"] = str(seconds)
    return response
