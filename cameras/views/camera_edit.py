"""Pages that add, edit, test and remove cameras, for the organization's administrators."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from cameras.audit import log_camera_change
from cameras.forms import CameraForm, entered_source
from cameras.models import Camera, CameraStill
from cameras.source_check import check_source
from project.accounts.access import actor_for_request
from project.accounts.authentication import Denied
from project.accounts.models import Organization
from project.accounts.views.shell import Shell
from project.audit.log import Action, fetch_stored, log_action
from project.audit.recent_views import log_picture
from project.audit.requesters import Requester


def _get_editable_camera(request: HttpRequest, pk: uuid.UUID | str) -> Camera:
    """Return the camera if the user may change it. Raises 404 for outsiders, 403 for members."""
    actor = actor_for_request(request)
    cameras = Camera.objects.visible_to(actor).select_related("organization", "state")
    camera: Camera = get_object_or_404(cameras, pk=pk)
    if not actor.has_scope("admin", camera.organization_id):
        raise PermissionDenied("Cameras are changed by the organization's administrators.")
    return camera


@never_cache
@login_required
def add(request: HttpRequest) -> HttpResponse:
    """Show and process the form for a new camera."""
    shell = Shell(request)
    if not shell.administered:
        raise PermissionDenied("Cameras are added by the organization's administrators.")
    form = CameraForm(
        request.POST or None,
        organizations=shell.administered,
        initial={"organization": _suggest_organization(request, shell)},
    )
    return _process_form(request, form, None)


def _suggest_organization(request: HttpRequest, shell: Shell) -> uuid.UUID:
    """Return the preselected organization: the one in the URL, the current one, or the first."""
    requested = request.GET.get("organization")
    by_slug = {organization.slug: organization.pk for organization in shell.administered}
    current = shell.current.slug if shell.current else ""
    return by_slug.get(requested or current, shell.administered[0].pk)


@never_cache
@login_required
def edit(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Show and process the form of an existing camera. Its password stays masked."""
    camera = _get_editable_camera(request, pk)
    return _process_form(request, CameraForm(request.POST or None, instance=camera), camera)


def _process_form(request: HttpRequest, form: CameraForm, camera: Camera | None) -> HttpResponse:
    """Save a valid form and redirect to the camera; else render the form. None: a new camera."""
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                before = fetch_stored(form.instance)
                saved = form.save()
                log_camera_change(request, before, saved)
        except Camera.DoesNotExist:
            raise Http404 from None  # deleted meanwhile
        messages.success(request, f"{saved.name} is {'saved' if camera else 'added'}.")
        return redirect("camera", saved.pk)
    name = Camera.objects.values_list("name", flat=True).get(pk=camera.pk) if camera else ""
    context = {
        "form": form,
        "camera": camera,
        "saved_name": name,
        "has_still": camera is not None and CameraStill.objects.filter(camera=camera).exists(),
    }
    return render(request, "cameras/camera_form.html", context)


@never_cache
@login_required
def delete(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """Ask on GET, delete on POST. Its stored still picture and its keys are deleted with it."""
    camera = _get_editable_camera(request, pk)
    if request.method == "POST":
        with transaction.atomic():
            log_action(request, Action.REMOVE_CAMERA, camera.name, camera=camera)
            camera.delete()
        messages.success(request, f"{camera.name} is removed.")
        return redirect("wall")
    return render(request, "cameras/camera_delete.html", {"camera": camera})


@sensitive_post_parameters("password", "source")
@login_required
@require_POST
def test(request: HttpRequest) -> HttpResponse:
    """Connect to a source, for at most 10 s. Returns `{ok, sentence, picture}`.

    The picture of a stored camera is masked by its stored masks, and is logged as a still.

    `camera` is the id of the camera being edited: its stored password is used, but only with the
    address for which it was stored. Of a new camera, `organization` is the id of the organization:
    its files and devices can be tested.
    """
    if request.POST.get("camera"):
        camera = _get_editable_camera(request, _parse_uuid(request.POST["camera"]))
    else:
        camera = Camera(organization=get_administered_organization(request))
    camera.kind = request.POST.get("kind", "")
    entered = (request.POST.get(name, "")[:2000] for name in ("source", "user", "password"))
    camera.source = entered_source(camera, camera.kind, *entered)
    answer = check_source(camera)
    if answer["picture"] and not camera._state.adding:
        try:
            log_picture(Requester.of(request), camera, Action.STILLS)
        except Denied as denied:
            return denied.response
    return JsonResponse(answer)


def get_administered_organization(request: HttpRequest) -> Organization | None:
    """Return the organization that the request names, if any. Raises 404 and 403 as above."""
    actor = actor_for_request(request)
    named, administered = request.POST.get("organization"), actor.organization_ids("admin")
    organization = None
    if named:
        known = Organization.objects.visible_to(actor)
        organization = get_object_or_404(known, pk=_parse_uuid(named))
    if not administered or (organization and organization.pk not in administered):
        raise PermissionDenied("Connections are tested by the organization's administrators.")
    return organization


def _parse_uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        return uuid.UUID(int=0)  # nothing has this id: 404
