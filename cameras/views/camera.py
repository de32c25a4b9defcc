"""The page of one camera, and its stored still picture."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.http import http_date
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from cameras.forms import ShareLinkForm, StreamKeyForm
from cameras.models import Camera, CameraStill, Kind
from cameras.stream_urls import publish_path, shared_address
from cameras.views.wall import CameraDisplay, with_display_data
from project.accounts.access import actor_for_request
from project.accounts.authentication import Denied
from project.audit.log import Action
from project.audit.recent_views import log_picture
from project.audit.requesters import Requester


@never_cache
@login_required
@require_GET
def camera(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Show a camera's live picture and its facts."""
    return camera_page(request, get_visible_camera(request, pk))


def get_visible_camera(request: HttpRequest, pk: uuid.UUID) -> Camera:
    """Return the camera if the user may watch it. Raises 404 otherwise."""
    found: Camera = get_object_or_404(
        with_display_data(Camera.objects.visible_to(actor_for_request(request))), pk=pk
    )
    return found


def camera_page(request: HttpRequest, camera: Camera, **extra: Any) -> HttpResponse:
    """Render the page of a camera from `get_visible_camera`. `extra` overrides the context."""
    actor = actor_for_request(request)
    can_operate = actor.has_scope("publish", camera.organization_id)
    owners = ("created_by", "token", "membership__user")
    links = camera.share_links.not_ended().select_related(*owners) if can_operate else []
    keys = camera.stream_keys.not_ended().select_related(*owners) if can_operate else []
    shares = [(link, shared_address(request, link)) for link in links]
    new_link = request.GET.get("link")  # the one that was just made
    context = {
        "camera": camera,
        "display": CameraDisplay.of(camera),
        "can_edit": actor.has_scope("admin", camera.organization_id),
        "can_operate": can_operate,
        "can_publish": can_operate and camera.kind == Kind.PUSH,
        "publish_path": publish_path(camera.pk),
        "keys": list(keys),
        "key_form": StreamKeyForm(),
        "shares": shares,
        "new_share": next((share for share in shares if str(share[0].pk) == new_link), None),
        "share_form": ShareLinkForm(),
    }
    return render(request, "cameras/camera.html", context | extra)


@login_required
@require_GET
def still(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Return the stored still picture as JPEG."""
    cameras = Camera.objects.visible_to(actor_for_request(request)).select_related("organization")
    camera = get_object_or_404(cameras, pk=pk)
    found = CameraStill.objects.filter(camera=camera).first()
    if found is None:
        raise Http404("No picture of this camera is stored.")
    try:
        log_picture(Requester.of(request), camera, Action.STILLS)
    except Denied as denied:
        return denied.response
    response = HttpResponse(bytes(found.jpeg), content_type="image/jpeg")
    response["Last-Modified"] = http_date(found.taken_at.timestamp())
    response["X-Timestamp"] = str(round(found.taken_at.timestamp() * 1000))
    return response
