"""System checks for risky combinations of settings, and for data of unreleased versions."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, Warning, register
from django.core.management import CommandError

from project.database.tables import require_released_data


@register(Tags.security, deploy=True)
def cookies_over_plain_http(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn if cookies are not secure. Without TLS, browsers would not send secure cookies."""
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
    """Warn if camera addresses may be loopback: administrators could reach local services."""
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
    """Warn of a wildcard host: it allows DNS rebinding."""
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
    """Report whether HSTS is on. It applies to every port of the host, so it is off by default."""
    if settings.PUBLIC_URL is None or settings.PUBLIC_URL.scheme != "https":
        return []
    if not settings.SECURE_HSTS_SECONDS:
        return [
            Info(
                "HSTS is off: a first visit by plain HTTP can be intercepted.",
                hint="SIDELINE_HSTS_SECONDS turns it on; do so only if no client uses ws:// here.",
                id="sideline.I001",
            )
        ]
    return [
        Warning(
            "HSTS is on: browsers refuse plain HTTP and ws:// on every port of this host.",
            hint="Unset SIDELINE_HSTS_SECONDS if clients use ws:// at the server's own port.",
            id="sideline.W004",
        )
    ]


@register(Tags.database)
def released_data(app_configs: Any, databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Refuse data of unreleased versions. `migrate` runs this check before it changes a table."""
    try:
        if databases:
            require_released_data()
    except CommandError as error:
        return [Error(str(error), id="sideline.E001")]
    return []
