"""URLs of a camera's streams: paths for our own pages, full addresses for others."""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit

from django.http import HttpRequest
from django.urls import get_script_prefix, reverse

from cameras.models import ShareLink
from project.accounts.models import Organization
from project.addresses import public_url


def publish_path(camera_id: uuid.UUID) -> str:
    """The path to push pictures to, with the script prefix."""
    return f"{get_script_prefix()}ws/publish/{camera_id}"


def stream_address(request: HttpRequest, organization: Organization, name: str) -> str:
    """The full WebSocket address of a stream. The organization may set another host."""
    whole = urlsplit(public_url(request, stream_path(name)))
    host = organization.server_host(whole.hostname or "")
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    port = f":{whole.port}" if whole.port else ""
    scheme = "wss" if whole.scheme == "https" else "ws"
    return f"{scheme}://{host}{port}{whole.path}"


def stream_path(name: str) -> str:
    """The path of the stream of a camera id or a stream key, with the script prefix."""
    return f"{get_script_prefix()}ws/stream/{name}"


def shared_address(request: HttpRequest, link: ShareLink) -> str:
    """The full address of a share link."""
    return public_url(request, reverse("shared", args=(link.text,)))
