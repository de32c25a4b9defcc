"""Our own addresses, as others reach them."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest
from django.urls import get_script_prefix, reverse

from cameras.models import ShareLink


def public_address(request: HttpRequest, path: str) -> str:
    """A whole address of a path of ours, as others reach it."""
    if settings.PUBLIC_URL is not None:
        return f"{settings.PUBLIC_URL.scheme}://{settings.PUBLIC_URL.netloc}{path}"
    return request.build_absolute_uri(path)


def stream_path(name: str) -> str:
    """Where the pictures of a camera id or a stream key come from, subpath included."""
    return f"{get_script_prefix()}ws/stream/{name}"


def shared_address(request: HttpRequest, link: ShareLink) -> str:
    """The address of a share link, to hand on."""
    return public_address(request, reverse("shared", args=(link.text,)))
