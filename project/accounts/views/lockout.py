"""The answers to too many wrong passwords, and to more sign-ins than the machine can examine."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.deprecation import MiddlewareMixin

from project.accounts.throttling.attempts import holds, settle
from project.accounts.throttling.hashing import TooBusy
from project.problems import problem

BUSY = "Many people are signing in right now. Nothing was changed; try again in a few seconds."


def locked_out(
    request: HttpRequest, response: HttpResponse | None = None, credentials: Any = None
) -> HttpResponse:
    """Axes' answer after too many wrong tries: a page, or a problem under /api/."""
    return wait(request, int(settings.AXES_COOLOFF_TIME.total_seconds()))


def wait(request: HttpRequest, seconds: int) -> HttpResponse:
    """The same for another while, as long as wrong codes ask for."""
    minutes = max(1, round(seconds / 60))
    for_long = f"{minutes} minutes" if minutes > 1 else "a minute"
    sentence = f"There were too many attempts that were wrong. Try again in {for_long}."
    answer = _later(request, HTTPStatus.TOO_MANY_REQUESTS, seconds, sentence)
    answer._has_been_logged = True  # type: ignore[attr-defined]  # no line for each: see signins
    return answer


class Busy(MiddlewareMixin):
    """Says so where a password could not be examined for want of time; and gives back tries that
    were taken and not used, whatever the answer is."""

    def __call__(self, request: HttpRequest) -> Any:
        answer = super().__call__(request)
        if not self.async_mode:
            settle(request)
        return answer

    async def __acall__(self, request: HttpRequest) -> HttpResponseBase:
        answer = await super().__acall__(request)
        if holds(request) is not None:  # streams have none, and need no thread
            await sync_to_async(settle)(request)
        return answer

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, TooBusy):
            return _later(request, HTTPStatus.SERVICE_UNAVAILABLE, 5, BUSY)
        return None


def _later(request: HttpRequest, status: HTTPStatus, seconds: int, sentence: str) -> HttpResponse:
    answer: HttpResponse
    if request.path_info.startswith("/api/"):
        answer = problem(status, sentence)
    else:
        answer = render(request, "accounts/locked_out.html", {"sentence": sentence}, status=status)
    answer["Retry-After"] = str(seconds)
    return answer
