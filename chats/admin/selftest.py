"""The self-test of streams: a page, and three endpoints for its script."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_POST

from chats.selftest.judgement import Heard, heard_of, judge
from chats.selftest.probe import NotReached, Probe, bounded_quiet, listen, ticket
from project.addresses import public_url
from project.problems import problem

log = logging.getLogger(__name__)

ALIVE_S = 0.3  # between signs of life
FAILED = "The test could not be run; the server’s log says more."


class SelftestViews:
    """Views of a model admin, for staff with view permission on assistants."""

    def __init__(self, model_admin: ModelAdmin[Any]) -> None:
        self._admin = model_admin

    def urls(self) -> list[URLPattern]:
        inside = self._admin.admin_site.admin_view
        return [
            path("selftest", inside(self.page), name="chats_selftest"),
            path("selftest/begin", inside(require_POST(self.begin)), name="chats_selftest_begin"),
            path("selftest/judge", inside(require_POST(self.judge)), name="chats_selftest_judge"),
            path("selftest/here", require_POST(self.here), name="chats_selftest_here"),
        ]

    def page(self, request: HttpRequest) -> HttpResponse:
        """Says where the browser listens; its script does the rest."""
        self._require_view(request)
        public = public_url(request, reverse("admin:chats_selftest"))
        here = request.build_absolute_uri("/")
        context = {
            **self._admin.admin_site.each_context(request),
            "title": "Stream self-test",
            "opts": self._admin.opts,
            "quiet": f"{bounded_quiet(request.GET.get('quiet', '')):g}",
            "here": here,
            "public": public,
            "is_elsewhere": urlsplit(public)[:2] != urlsplit(here)[:2],
            "from_server": settings.PUBLIC_URL is not None,
        }
        return TemplateResponse(request, "admin/chats/selftest.html", context)

    def begin(self, request: HttpRequest) -> JsonResponse:
        """Tickets for the two streams: `{chat, bare, limit}`, paths and seconds."""
        self._require_view(request)
        probes = _probes(request)
        paths = {name: _path(probe) for name, probe in probes.items()}
        return JsonResponse({**paths, "limit": probes["chat"].limit_s})

    def judge(self, request: HttpRequest) -> JsonResponse:
        """What a browser heard, judged: `{chat, bare}` in, `Judgement` out."""
        self._require_view(request)
        try:
            report = json.loads(request.body)
            chat, bare = heard_of(report["chat"]), heard_of(report["bare"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            return problem(400, f"That is not what two streams look like: {error}")
        return _judged(chat, bare)

    async def here(self, request: HttpRequest) -> HttpResponseBase:
        """The same, listened to by this server at its public address.

        Spaces go ahead of the JSON: what a proxy does to a long silence is to be found, not met.
        """
        await sync_to_async(self._require_staff)(request)
        if settings.PUBLIC_URL is None:
            return problem(404, "SIDELINE_PUBLIC_URL is not set.")
        probes = _probes(request).values()
        streams = [(public_url(request, _path(probe)), probe.limit_s) for probe in probes]
        return StreamingHttpResponse(_stream_judgement(streams), content_type="application/json")

    def _require_view(self, request: HttpRequest) -> None:
        if not self._admin.has_view_permission(request):
            raise PermissionDenied

    def _require_staff(self, request: HttpRequest) -> None:
        if not self._admin.admin_site.has_permission(request):
            raise PermissionDenied
        self._require_view(request)


def _probes(request: HttpRequest) -> dict[str, Probe]:
    quiet = bounded_quiet(request.POST.get("quiet", ""))
    return {name: Probe(name == "bare", quiet) for name in ("chat", "bare")}


def _path(probe: Probe) -> str:
    return reverse("selftest-stream", args=(ticket(probe),))


async def _stream_judgement(streams: list[tuple[str, float]]) -> AsyncIterator[bytes]:
    """The judgement of both, as JSON. Never raises."""
    both = asyncio.gather(*(listen(*stream) for stream in streams), return_exceptions=True)
    try:
        while not both.done():
            yield b" "
            await asyncio.wait({both}, timeout=ALIVE_S)
        heard: list[Heard] = []
        for one in await both:
            if isinstance(one, BaseException):
                raise one
            heard.append(one)
        yield _judged(*heard).content
    except NotReached as error:
        yield json.dumps({"state": "note", "sentence": str(error), "findings": []}).encode()
    except Exception:
        log.exception("the public address could not be listened to")
        yield json.dumps({"state": "wrong", "sentence": FAILED, "findings": []}).encode()
    finally:
        both.cancel()


def _judged(chat: Heard, bare: Heard) -> JsonResponse:
    return JsonResponse(asdict(judge(chat, bare)))
