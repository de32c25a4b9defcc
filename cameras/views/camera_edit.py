"""Adding, changing, trying and removing cameras: a matter of the organization's administrators."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from cameras.audit import note_camera
from cameras.forms import CameraForm
from cameras.models import Camera, CameraStill
from cameras.source_check import check_source
from project.accounts.access import actor_of
from project.accounts.views.shell import Shell
from project.audit.log import Action, as_stored, note


def _administered(request: HttpRequest, pk: uuid.UUID | str) -> Camera:
    """The camera, where the person may change it: else 404 to outsiders, 403 to members."""
    actor = actor_of(request)
    cameras = Camera.objects.visible_to(actor).select_related("organization", "state")
    camera: Camera = get_object_or_404(cameras, pk=pk)
    if not actor.may("admin", camera.organization_id):
        raise PermissionDenied("Cameras are changed by the organization's administrators.")
    return camera


@never_cache
@login_required
def add(request: HttpRequest) -> HttpResponse:
    """A form for a new camera, in an organization that the person administers."""
    frame = Shell(request)
    if not frame.administered:
        raise PermissionDenied("Cameras are added by the organization's administrators.")
    form = CameraForm(
        request.POST or None,
        organizations=frame.administered,
        initial={"organization": _suggested(request, frame)},
    )
    return _answer(request, form, None)


def _suggested(request: HttpRequest, frame: Shell) -> uuid.UUID:
    wanted = request.GET.get("organization")
    by_slug = {one.slug: one.pk for one in frame.administered}
    current = frame.current.slug if frame.current else ""
    return by_slug.get(wanted or current, frame.administered[0].pk)


@never_cache
@login_required
def edit(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The same form for a camera that exists. Its password is never shown again."""
    camera = _administered(request, pk)
    return _answer(request, CameraForm(request.POST or None, instance=camera), camera)


def _answer(request: HttpRequest, form: CameraForm, camera: Camera | None) -> HttpResponse:
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                before = as_stored(form.instance)
                saved = form.save()
                note_camera(request, before, saved)
        except Camera.DoesNotExist:
            raise Http404 from None  # deleted meanwhile
        messages.success(request, f"{saved.name} is {'saved' if camera else 'added'}.")
        return redirect("camera", saved.pk)
    name = Camera.objects.values_list("name", flat=True).get(pk=camera.pk) if camera else ""
    context = {
        "form": form,
        "camera": camera,
        "saved_name": name,
        "pictured": camera is not None and CameraStill.objects.filter(camera=camera).exists(),
    }
    return render(request, "cameras/camera_form.html", context)


@never_cache
@login_required
def delete(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Ask on GET, remove on POST. Its stored pictures and keys go with it."""
    camera = _administered(request, pk)
    if request.method == "POST":
        with transaction.atomic():
            note(request, Action.REMOVE_CAMERA, camera.name, camera=camera)
            camera.delete()
        messages.success(request, f"{camera.name} is removed.")
        return redirect("wall")
    return render(request, "cameras/camera_delete.html", {"camera": camera})


@login_required
@require_POST
def test(request: HttpRequest) -> JsonResponse:
    """Try a source, at most 5 s: `{ok, sentence}`.

    `camera` names the one being edited, so that its stored password can be used, and only with
    the address it was stored for.
    """
    if request.POST.get("camera"):
        camera = _administered(request, _uuid(request.POST["camera"]))
    elif actor_of(request).organization_ids("admin"):
        camera = Camera()
    else:
        raise PermissionDenied("Connections are tested by the organization's administrators.")
    camera.kind = request.POST.get("kind", "")
    camera.source = request.POST.get("source", "")[:2000]
    return JsonResponse(check_source(camera))


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        return uuid.UUID(int=0)  # nobody's camera: 404
