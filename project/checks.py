"""System checks: combinations of settings that work, but not as one may think."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, Warning, register
from django.core.management import CommandError

from project.installation import must_be_released


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


@register(Tags.security, deploy=True)
def strict_transport(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """HSTS is an answer of the whole host, not of this port alone: off unless asked for."""
    if settings.PUBLIC_URL is None or settings.PUBLIC_URL.scheme != "https":
        return []
    if not settings.SECURE_HSTS_SECONDS:
        return [
            Info(
                "HSTS is off: a first visit by plain HTTP can be intercepted.",
                hint="SIDELINE_HSTS_SECONDS turns it on, where no client uses ws:// on this host.",
                id="sideline.I001",
            )
        ]
    return [
        Warning(
            "HSTS is on: browsers refuse plain HTTP and ws:// on every port of this host.",
            hint="Unset SIDELINE_HSTS_SECONDS where clients use ws:// at the server's own port.",
            id="sideline.W004",
        )
    ]


@register(Tags.database)
def released(app_configs: Any, databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """`migrate` asks this before it touches a table."""
    try:
        if databases:
            must_be_released()
    except CommandError as error:
        return [Error(str(error), id="sideline.E001")]
    return []
