"""System checks: combinations of settings that work, but not as one may think."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register


@register(Tags.security, deploy=True)
def cookies_over_plain_http(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Secure cookies follow SIDELINE_PUBLIC_URL: on a plain LAN they would lock everyone out."""
    if settings.PUBLIC_URL is not None and settings.PUBLIC_URL.scheme == "https":
        return []
    return [
        Warning(
            "Cookies travel unencrypted.",
            hint="Put a TLS proxy in front and set SIDELINE_PUBLIC_URL to its https address.",
            id="sideline.W001",
        )
    ]


@register(Tags.security, deploy=True)
def loopback_sources(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Cameras on loopback let an organization's administrator reach this machine's services."""
    if not settings.ALLOW_LOOPBACK_SOURCES:
        return []
    return [
        Warning(
            "Cameras may be read from loopback addresses.",
            hint="Unset SIDELINE_ALLOW_LOOPBACK_SOURCES unless all administrators are trusted.",
            id="sideline.W002",
        )
    ]


@register(Tags.security, deploy=True)
def any_host(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A wildcard lets a foreign name point here (DNS rebinding)."""
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    return [
        Warning(
            "Any Host header is accepted.",
            hint="List the names of this machine in SIDELINE_ALLOWED_HOSTS.",
            id="sideline.W003",
        )
    ]
