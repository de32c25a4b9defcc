"""Where a camera's pictures come from and go to: paths for our pages, addresses for others."""

from __future__ import annotations

import uuid
from urllib.parse import urlsplit

from django.http import HttpRequest
from django.urls import get_script_prefix, reverse

from cameras.models import ShareLink
from project.accounts.models import Organization
from project.addresses import public_address


def publish_path(camera_id: uuid.UUID) -> str:
    """Where the pictures of a push camera are sent to, subpath included."""
    return f"{get_script_prefix()}ws/publish/{camera_id}"


def stream_address(request: HttpRequest, organization: Organization, name: str) -> str:
    """The socket address to give to someone else; the organization may name another host."""
    whole = urlsplit(public_address(request, stream_path(name)))
    host = organization.server_host(whole.hostname or "")
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    port = f":{whole.port}" if whole.port else ""
    scheme = "wss" if whole.scheme == "https" else "ws"
    return f"{scheme}://{host}{port}{whole.path}"


def stream_path(name: str) -> str:
    """Where the pictures of a camera id or a stream key come from, subpath included."""
    return f"{get_script_prefix()}ws/stream/{name}"


def shared_address(request: HttpRequest, link: ShareLink) -> str:
    """The address of a share link, to hand on."""
    return public_address(request, reverse("shared", args=(link.text,)))
