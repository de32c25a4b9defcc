"""What somebody sees who was given a share link: one camera, without an account.

A stranger's page: no session is needed for anything on it, and it leads nowhere into the product.
"""

from __future__ import annotations

from dataclasses import replace

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from cameras.models import ShareLink
from cameras.stream_urls import stream_path
from cameras.views.wall import Seen
from project.accounts.models.tokens import digest
from project.accounts.throttling.attempts import A_SHARE, failed, is_locked
from project.accounts.views.fetch_metadata import opened_by_people
from project.accounts.views.lockout import locked_out
from project.audit.log import Action, note

COOKIE = "sideline_visit"


# Exempt: on a page without a referrer browsers send the form's Origin as `null`, which Django
# refuses. There is nothing to forge here: who knows the address may open it without a form.
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@opened_by_people
def shared(request: HttpRequest, text: str) -> HttpResponse:
    """A door at first; opening it uses the link once. Then, for as long as it lives, the picture.

    A link that is revoked, over, used up or forged is answered alike: 410.
    """
    answer = _answer(request, text)
    answer["Referrer-Policy"] = "no-referrer"  # the address is the credential
    answer["X-Robots-Tag"] = "noindex, nofollow"
    return answer


def _answer(request: HttpRequest, text: str) -> HttpResponse:
    link = ShareLink.behind(text)
    if link is None:
        return _over(request) if ShareLink.is_ours(text) else _guessed(request)
    visit = request.COOKIES.get(COOKIE, "")
    is_guest = link.visits.filter(digest=digest(visit)).exists()
    if request.method == "POST":
        return redirect("shared", link.text) if is_guest else _open(request, link)
    if is_guest:
        return _watch(request, link, visit)
    if link.uses >= link.uses_most:
        return _over(request)
    return render(request, "shared/door.html", {"link": link, "camera": link.camera})


def _guessed(request: HttpRequest) -> HttpResponse:
    """Only guesses are counted, and answered by the lock: many guests share an address, and all of
    them come back to a link that has ended."""
    if is_locked(request, A_SHARE):
        return locked_out(request)
    failed(request, A_SHARE)
    return _over(request)


def _over(request: HttpRequest) -> HttpResponse:
    return render(request, "shared/over.html", status=410)


def _watch(request: HttpRequest, link: ShareLink, visit: str) -> HttpResponse:
    seen = replace(Seen.of(link.camera), stream=stream_path(visit))
    return render(request, "shared/watch.html", {"link": link, "camera": link.camera, "seen": seen})


def _open(request: HttpRequest, link: ShareLink) -> HttpResponse:
    """Count one use, and give this browser what it watches by: for this path, with this link."""
    with transaction.atomic():
        visit = link.open()
        if visit is not None:
            note(request, Action.OPEN_LINK, link.name, camera=link.camera)
    if visit is None:
        return _over(request)
    answer = redirect("shared", link.text)
    answer.set_cookie(
        COOKIE,
        visit,
        expires=link.expires_at,
        path=reverse("shared", args=(link.text,)),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return answer
