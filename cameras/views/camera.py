"""One camera: its page, its last picture, and the keys that let others watch it."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import get_conditional_response
from django.utils.http import http_date
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from cameras.access import actor_of
from cameras.forms import StreamKeyForm
from cameras.models import Camera, CameraStill, Kind, StreamKey, User
from cameras.views.frame import publish_path, stream_address
from cameras.views.wall import Seen, shown


@never_cache
@login_required
@require_GET
def camera(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The picture as large as the window allows, and what is known about it."""
    return _page(request, _watched(request, pk))


def _watched(request: HttpRequest, pk: uuid.UUID) -> Camera:
    found: Camera = get_object_or_404(shown(Camera.objects.visible_to(actor_of(request))), pk=pk)
    return found


def _page(request: HttpRequest, camera: Camera, **extra: Any) -> HttpResponse:
    actor = actor_of(request)
    operates = actor.may("publish", camera.organization_id)
    context = {
        "camera": camera,
        "seen": Seen.of(camera),
        "can_edit": actor.may("admin", camera.organization_id),
        "can_key": operates,
        "can_publish": operates and camera.kind == Kind.PUSH,
        "publish_path": publish_path(camera.pk),
        "keys": list(camera.stream_keys.alive()) if operates else [],
        "key_form": StreamKeyForm(),
    }
    return render(request, "cameras/camera.html", context | extra)


@login_required
@require_GET
def still(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The last picture that was kept, as JPEG; 304 where the browser has it."""
    camera = get_object_or_404(Camera.objects.visible_to(actor_of(request)), pk=pk)
    rows = CameraStill.objects.filter(camera=camera)
    taken_at = rows.values_list("taken_at", flat=True).first()
    if taken_at is None:
        raise Http404("No picture of this camera was kept yet.")
    etag, modified = f'"{taken_at.timestamp():.3f}"', int(taken_at.timestamp())
    answer = get_conditional_response(request, etag, modified)
    if answer is None:
        jpeg = rows.values_list("jpeg", flat=True).get()
        answer = HttpResponse(bytes(jpeg), content_type="image/jpeg")
    answer["ETag"], answer["Last-Modified"] = etag, http_date(modified)
    answer["Cache-Control"] = "private, no-cache"
    return answer


@never_cache
@login_required
@require_http_methods(["POST"])
def add_stream_key(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Make a key and show it on this one answer: afterwards only its digest is known."""
    camera = _watched(request, pk)
    if not actor_of(request).may("publish", camera.organization_id):
        raise PermissionDenied("Stream keys are made by operators.")
    form = StreamKeyForm(request.POST)
    if not form.is_valid():
        return _page(request, camera, key_form=form, keys_open=True)
    key: StreamKey = form.save(commit=False)
    assert isinstance(request.user, User)
    key.camera, key.created_by = camera, request.user
    address = stream_address(request, camera.organization, key.issue())
    return _page(request, camera, new_key=key, new_address=address, keys_open=True)


@login_required
@require_POST
def revoke_stream_key(request: HttpRequest, pk: uuid.UUID, key: uuid.UUID) -> HttpResponse:
    """End a key; whoever watches by it is disconnected."""
    camera = _watched(request, pk)
    actor = actor_of(request)
    if not actor.may("publish", camera.organization_id):
        raise PermissionDenied("Stream keys are revoked by operators.")
    found = get_object_or_404(StreamKey.objects.visible_to(actor), pk=key, camera=camera)
    found.revoke()
    messages.success(request, f"The stream key “{found.name}” is revoked.")
    return redirect("camera", camera.pk)
