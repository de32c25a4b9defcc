"""What operators make on a camera's page to let others watch it: stream keys and share links."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from cameras.forms import ShareLinkForm, StreamKeyForm
from cameras.models import Camera, ShareLink, StreamKey
from cameras.stream_urls import stream_address
from cameras.views.camera import camera_page, watched
from project.accounts.access import actor_of
from project.accounts.models import User
from project.audit.log import Action, note


def _operated(request: HttpRequest, pk: uuid.UUID) -> Camera:
    """The camera of the address: 404 to outsiders, 403 to those who may only watch it."""
    camera = watched(request, pk)
    if not actor_of(request).may("publish", camera.organization_id):
        raise PermissionDenied("Stream keys and share links are a matter of operators.")
    return camera


@never_cache
@login_required
@require_POST
def add_stream_key(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Make a key and show it on this one answer: afterwards only its digest is known."""
    camera = _operated(request, pk)
    form = StreamKeyForm(request.POST)
    if not form.is_valid():
        return camera_page(request, camera, key_form=form, keys_open=True)
    key: StreamKey = form.save(commit=False)
    assert isinstance(request.user, User)
    key.camera, key.created_by = camera, request.user
    with transaction.atomic():
        text = key.issue()
        ends = f"ends {key.expires_at:%-d %B %Y}"
        note(request, Action.MAKE_KEY, key.name, camera=camera, detail=ends)
    address = stream_address(request, camera.organization, text)
    return camera_page(request, camera, new_key=key, new_address=address, keys_open=True)


@login_required
@require_POST
def revoke_stream_key(request: HttpRequest, pk: uuid.UUID, key: uuid.UUID) -> HttpResponse:
    """End a key; whoever watches by it is disconnected."""
    camera = _operated(request, pk)
    keys = StreamKey.objects.visible_to(actor_of(request))
    found = get_object_or_404(keys, pk=key, camera=camera)
    with transaction.atomic():
        found.revoke()
        note(request, Action.REVOKE_KEY, found.name, camera=camera)
    messages.success(request, f"The stream key “{found.name}” is revoked.")
    return redirect("camera", camera.pk)


@never_cache
@login_required
@require_POST
def add_share_link(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Make a link. Its address is signed and not kept, so the page can show it again."""
    camera = _operated(request, pk)
    form = ShareLinkForm(request.POST)
    if not form.is_valid():
        return camera_page(request, camera, share_form=form, shares_open=True)
    link: ShareLink = form.save(commit=False)
    assert isinstance(request.user, User)
    link.camera, link.created_by = camera, request.user
    with transaction.atomic():
        link.save()
        said = f"may be opened {link.openings}, ends {link.expires_at:%-d %B %Y}"
        note(request, Action.MAKE_LINK, link.name, camera=camera, detail=said)
    messages.success(request, f"The share link “{link.name}” is made. Copy its address below.")
    return _at_the_links(camera)


@login_required
@require_POST
def revoke_share_link(request: HttpRequest, pk: uuid.UUID, link: uuid.UUID) -> HttpResponse:
    """End a link; whoever watches by it is disconnected."""
    camera = _operated(request, pk)
    links = ShareLink.objects.visible_to(actor_of(request))
    found = get_object_or_404(links, pk=link, camera=camera)
    with transaction.atomic():
        found.revoke()
        note(request, Action.REVOKE_LINK, found.name, camera=camera)
    messages.success(request, f"The share link “{found.name}” is revoked.")
    return _at_the_links(camera)


def _at_the_links(camera: Camera) -> HttpResponse:
    return redirect(f"{reverse('camera', args=(camera.pk,))}#share-links")
