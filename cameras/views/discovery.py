"""Search for cameras on the network, and for the streams of one, asked by the camera form."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, JsonResponse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from cameras import discovery
from cameras.discovery import Busy
from cameras.views.camera_edit import get_administered_organization
from project.problems import problem

SEARCHING = "Another search of your organization is running. Try again in a few seconds."
NO_ORGANIZATION = "Choose the organization first."
MAX_TEXT = 2000


@login_required
@require_POST
def discover(request: HttpRequest) -> JsonResponse:
    """Search for about 3 s. `organization` is the id of the organization that gets the camera.

    One search of an organization runs at a time; another is answered 429.
    """
    organization = get_administered_organization(request)
    if organization is None:
        return problem(400, NO_ORGANIZATION)
    try:
        return JsonResponse(discovery.search(organization))
    except Busy:
        return problem(429, SEARCHING)


@sensitive_post_parameters("password")
@login_required
@require_POST
def discover_streams(request: HttpRequest) -> JsonResponse:
    """Ask the camera at `address` for its streams, as `user` with `password`, for at most 10 s."""
    organization = get_administered_organization(request)
    if organization is None:
        return problem(400, NO_ORGANIZATION)
    address, user, password = (
        request.POST.get(name, "")[:MAX_TEXT] for name in ("address", "user", "password")
    )
    if not (user + password).isprintable():
        return problem(400, "The user name or password holds a control character.")
    try:
        return JsonResponse(discovery.streams(organization, address, user, password))
    except Busy:
        return problem(429, SEARCHING)
