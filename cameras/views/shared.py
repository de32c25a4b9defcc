"""The pages of a share link: one camera, without an account.

They need no session, and link to no other page of the product.
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
from cameras.views.wall import CameraDisplay
from project.accounts.models.tokens import digest
from project.accounts.throttling.attempts import A_SHARE, is_locked, record_failure
from project.accounts.views.fetch_metadata import refuse_cross_site_fetch
from project.accounts.views.lockout import locked_out
from project.audit.log import Action, log_action

COOKIE = "sideline_visit"


# Exempt: on a page without a referrer browsers send the form's Origin as `null`, which Django
# refuses. A forged request gains nothing: whoever knows the address can open it.
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@refuse_cross_site_fetch
def shared(request: HttpRequest, text: str) -> HttpResponse:
    """Show a page with a button; its POST counts as one use. Afterwards show the live picture.

    A link that is revoked, expired, used up or forged always gets the same response: 410.
    """
    response = _respond(request, text)
    response["Referrer-Policy"] = "no-referrer"  # the address is the credential
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response


def _respond(request: HttpRequest, text: str) -> HttpResponse:
    link = ShareLink.find(text)
    if link is None:
        return _render_ended(request) if ShareLink.is_signed(text) else _reject_guess(request)
    visit = request.COOKIES.get(COOKIE, "")
    is_guest = link.visits.filter(digest=digest(visit)).exists()
    if request.method == "POST":
        return redirect("shared", link.text) if is_guest else _open_link(request, link)
    if is_guest:
        return _render_watch(request, link, visit)
    if link.uses >= link.uses_most:
        return _render_ended(request)
    return render(request, "shared/open.html", {"link": link, "camera": link.camera})


def _reject_guess(request: HttpRequest) -> HttpResponse:
    """Count a guessed address. Too many from one network address are locked out.

    Only guesses count: many guests share a network address, and return to links that have ended.
    """
    if is_locked(request, A_SHARE):
        return locked_out(request)
    record_failure(request, A_SHARE)
    return _render_ended(request)


def _render_ended(request: HttpRequest) -> HttpResponse:
    return render(request, "shared/ended.html", status=410)


def _render_watch(request: HttpRequest, link: ShareLink, visit: str) -> HttpResponse:
    display = replace(CameraDisplay.of(link.camera), stream=stream_path(visit))
    context = {"link": link, "camera": link.camera, "display": display}
    return render(request, "shared/watch.html", context)


def _open_link(request: HttpRequest, link: ShareLink) -> HttpResponse:
    """Count one use and give the browser a visit cookie for this link's path."""
    with transaction.atomic():
        visit = link.open()
        if visit is not None:
            log_action(request, Action.OPEN_LINK, link.name, camera=link.camera)
    if visit is None:
        return _render_ended(request)
    response = redirect("shared", link.text)
    response.set_cookie(
        COOKIE,
        visit,
        expires=link.expires_at,
        path=reverse("shared", args=(link.text,)),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response
