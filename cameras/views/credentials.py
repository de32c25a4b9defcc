"""Stream keys and share links, which operators create on a camera's page."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from cameras.audit import make_share_link, make_stream_key, revoke
from cameras.forms import ShareLinkForm, StreamKeyForm
from cameras.models import Camera, ShareLink, StreamKey
from cameras.stream_urls import key_addresses
from cameras.views.camera import camera_page, get_visible_camera
from project.accounts.access import actor_for_request


def _get_operated_camera(request: HttpRequest, pk: uuid.UUID) -> Camera:
    """Return the camera if the user operates it. Raises 404 for outsiders, 403 for viewers."""
    camera = get_visible_camera(request, pk)
    if not actor_for_request(request).has_scope("publish", camera.organization_id):
        raise PermissionDenied("Stream keys and share links are managed by operators.")
    return camera


@never_cache
@login_required
@require_POST
def add_stream_key(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Create a key and show it in this response only: just its digest is stored."""
    camera = _get_operated_camera(request, pk)
    form = StreamKeyForm(request.POST)
    if not form.is_valid():
        return camera_page(request, camera, key_form=form, keys_open=True)
    key: StreamKey = form.save(commit=False)
    key.camera = camera
    text = make_stream_key(request, actor_for_request(request), key)
    addresses = key_addresses(request, camera.organization, text)
    return camera_page(request, camera, new_key=key, new_addresses=addresses, keys_open=True)


@never_cache
@login_required
@require_POST
def add_share_link(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Create a link, and show its address on the camera's page.

    Its address is derived by signing, so the page can show it again.
    """
    camera = _get_operated_camera(request, pk)
    form = ShareLinkForm(request.POST)
    if not form.is_valid():
        return camera_page(request, camera, share_form=form, shares_open=True)
    link: ShareLink = form.save(commit=False)
    link.camera = camera
    make_share_link(request, actor_for_request(request), link)
    return redirect(f"{reverse('camera', args=(camera.pk,))}?link={link.pk}")


@login_required
@require_POST
def revoke_credential(
    request: HttpRequest, pk: uuid.UUID, credential: uuid.UUID, model: type[StreamKey | ShareLink]
) -> HttpResponse:
    """Revoke a key or link. Its viewers are disconnected."""
    camera = _get_operated_camera(request, pk)
    found: Any = get_object_or_404(model, pk=credential, camera=camera)
    revoke(request, found)
    messages.success(request, f"The {model._meta.verbose_name} “{found.name}” is revoked.")
    panel = "stream-keys" if model is StreamKey else "share-links"
    return redirect(f"{reverse('camera', args=(camera.pk,))}#{panel}")
