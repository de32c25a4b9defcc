"""The pages of a share link: one camera, without an account.

They need no session, and link to no other page of the product. A visit is a cookie, which the
page's script exchanges for tickets: nothing on the page opens the stream elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from cameras.access import VISIT_COOKIE, VISIT_SOCKETS_MOST, issue_visit_ticket
from cameras.models import ShareLink, Visit
from cameras.models.tickets import TICKET_LIFE, TooManyTickets
from cameras.stream_urls import stream_path
from cameras.views.wall import CameraDisplay
from project.accounts.models.tokens import digest
from project.accounts.origins import origin_is_trusted
from project.accounts.throttling.attempts import A_SHARE, is_locked, record_failure
from project.accounts.views.links import refuse_cross_site_fetch
from project.accounts.views.lockout import locked_out
from project.audit.log import Action, log_action
from project.problems import problem

TOO_MANY_SOCKETS = f"Open in {VISIT_SOCKETS_MOST} windows. Close one of them."


def _with_link(
    view: Callable[[HttpRequest, ShareLink], HttpResponse],
) -> Callable[[HttpRequest, str], HttpResponse]:
    """Decorate a view that is called with a valid link.

    A link that is revoked, expired or forged always gets the same response: 410.
    """

    # Exempt: on a page without a referrer browsers send the form's Origin as `null`, which Django
    # refuses. A forged request gains nothing: whoever knows the address can open it.
    @csrf_exempt
    @never_cache
    @refuse_cross_site_fetch
    @wraps(view)
    def respond(request: HttpRequest, text: str) -> HttpResponse:
        link = ShareLink.find(text)
        if link is not None:
            response = view(request, link)
        else:
            is_old = ShareLink.is_signed(text)
            response = _render_ended(request) if is_old else _reject_guess(request)
        response["Referrer-Policy"] = "no-referrer"  # the address is the credential
        response["X-Robots-Tag"] = "noindex, nofollow"
        return response

    return respond


@require_http_methods(["GET", "HEAD", "POST"])
@_with_link
def shared(request: HttpRequest, link: ShareLink) -> HttpResponse:
    """Show a page with a button; its POST counts as one use. Afterwards show the live picture.

    A link that is used up gets 410, except in the browsers that used it.
    """
    is_guest = _find_visit(request, link) is not None
    if request.method == "POST":
        return redirect("shared", link.text) if is_guest else _open_link(request, link)
    if is_guest:
        display = replace(CameraDisplay.of(link.camera), stream=_socket_path(link))
        context = {"link": link, "camera": link.camera, "display": display}
        return render(request, "shared/watch.html", context)
    if link.uses >= link.uses_most:
        return _render_ended(request)
    return render(request, "shared/open.html", {"link": link, "camera": link.camera})


@require_POST
@_with_link
def shared_ticket(request: HttpRequest, link: ShareLink) -> HttpResponse:
    """Return a ticket for one WebSocket, to the browser that has a visit of the link.

    It is valid together with the visit's cookie, which is set here for the path of the WebSocket.
    """
    origin = request.headers.get("Origin", "")
    if origin and not origin_is_trusted(origin, request.get_host()):
        return problem(403, "Only the link's own page is given a ticket.")
    visit = _find_visit(request, link)
    if visit is None:
        return problem(401, "Open the link in this browser first.")
    try:
        ticket, until = issue_visit_ticket(visit)
    except TooManyTickets:
        response: HttpResponse = problem(429, TOO_MANY_SOCKETS)
        response["Retry-After"] = str(TICKET_LIFE.seconds)
        return response
    response = JsonResponse({"ticket": ticket, "expires_at": until})
    _set_visit_cookie(
        response, request.COOKIES[VISIT_COOKIE], _socket_path(link), max_age=TICKET_LIFE
    )
    return response


def _find_visit(request: HttpRequest, link: ShareLink) -> Visit | None:
    text = request.COOKIES.get(VISIT_COOKIE, "")
    visits = link.visits.select_related("link__camera")
    return visits.filter(digest=digest(text)).first()


def _socket_path(link: ShareLink) -> str:
    return stream_path(f"shared-{link.pk.hex}")


def _set_visit_cookie(response: HttpResponse, visit: str, path: str, **life: object) -> None:
    response.set_cookie(
        VISIT_COOKIE,
        visit,
        path=path,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
        **life,  # type: ignore[arg-type]
    )


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


def _open_link(request: HttpRequest, link: ShareLink) -> HttpResponse:
    """Count one use and give the browser a visit cookie for this link's path."""
    with transaction.atomic():
        visit = link.open()
        if visit is not None:
            log_action(request, Action.OPEN_LINK, link.name, camera=link.camera)
    if visit is None:
        return _render_ended(request)
    response = redirect("shared", link.text)
    path = reverse("shared", args=(link.text,))
    _set_visit_cookie(response, visit, path, expires=link.expires_at)
    return response
