"""One camera: its page, and its last picture."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.cache import get_conditional_response
from django.utils.http import http_date
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from cameras.forms import ShareLinkForm, StreamKeyForm
from cameras.models import Camera, CameraStill, Kind
from cameras.stream_urls import publish_path, shared_address
from cameras.views.wall import Seen, shown
from project.accounts.access import actor_of
from project.audit.stills import saw_still


@never_cache
@login_required
@require_GET
def camera(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The picture as large as the window allows, and what is known about it."""
    return camera_page(request, watched(request, pk))


def watched(request: HttpRequest, pk: uuid.UUID) -> Camera:
    """The camera of the address, if one may watch it; 404 else."""
    found: Camera = get_object_or_404(shown(Camera.objects.visible_to(actor_of(request))), pk=pk)
    return found


def camera_page(request: HttpRequest, camera: Camera, **extra: Any) -> HttpResponse:
    """The page of a camera that came out of `watched`; `extra` goes over its context."""
    actor = actor_of(request)
    operates = actor.may("publish", camera.organization_id)
    links = list(camera.share_links.alive()) if operates else []
    context = {
        "camera": camera,
        "seen": Seen.of(camera),
        "can_edit": actor.may("admin", camera.organization_id),
        "can_key": operates,
        "can_publish": operates and camera.kind == Kind.PUSH,
        "publish_path": publish_path(camera.pk),
        "keys": list(camera.stream_keys.alive()) if operates else [],
        "key_form": StreamKeyForm(),
        "shares": [(link, shared_address(request, link)) for link in links],
        "share_form": ShareLinkForm(),
    }
    return render(request, "cameras/camera.html", context | extra)


@login_required
@require_GET
def still(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The last picture that was kept, as JPEG; 304 where the browser has it."""
    seen = Camera.objects.visible_to(actor_of(request)).select_related("organization")
    camera = get_object_or_404(seen, pk=pk)
    rows = CameraStill.objects.filter(camera=camera)
    taken_at = rows.values_list("taken_at", flat=True).first()
    if taken_at is None:
        raise Http404("No picture of this camera was kept yet.")
    saw_still(request, camera)
    etag, modified = f'"{taken_at.timestamp():.3f}"', int(taken_at.timestamp())
    answer = get_conditional_response(request, etag, modified)
    if answer is None:
        jpeg = rows.values_list("jpeg", flat=True).first()
        if jpeg is None:
            raise Http404("The picture is gone: what is masked in it was changed just now.")
        answer = HttpResponse(bytes(jpeg), content_type="image/jpeg")
    answer["ETag"], answer["Last-Modified"] = etag, http_date(modified)
    answer["Cache-Control"] = "private, no-cache"
    return answer
