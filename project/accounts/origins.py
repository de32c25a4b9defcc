"""Which pages may use a browser's cookies on a WebSocket: those of this host, and trusted origins.

CORS and Django's CSRF check do the same for HTTP, with the same list.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host

BAD_ORIGIN = "The Origin is not trusted; SIDELINE_TRUSTED_ORIGINS lists those of other pages."
BAD_HOST = "The Host is not one of this server's; SIDELINE_ALLOWED_HOSTS lists them."


class UntrustedOrigin(Exception):
    """The request is refused with `status`; the text is a sentence."""

    def __init__(self, sentence: str, status: int = 403) -> None:
        super().__init__(sentence)
        self.status = status


def require_trusted_origin(origin: str, host: str) -> None:
    """Accept the header `Origin` if it is trusted, or of the header `Host`.

    Raises `UntrustedOrigin`, also if there is none.
    """
    origin, host = origin.lower(), host.lower()
    if origin and origin in settings.TRUSTED_ORIGINS:
        return
    schemes = ("https",) if settings.SESSION_COOKIE_SECURE else ("http", "https")
    try:
        parts = urlsplit(origin)
    except ValueError:  # such as an unclosed bracket
        raise UntrustedOrigin(BAD_ORIGIN) from None
    if not host or parts.netloc != host or parts.scheme not in schemes:
        raise UntrustedOrigin(BAD_ORIGIN)
    if not validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS):
        raise UntrustedOrigin(BAD_HOST, 400)


def origin_is_trusted(origin: str, host: str) -> bool:
    """True if `require_trusted_origin` accepts it."""
    try:
        require_trusted_origin(origin, host)
    except UntrustedOrigin:
        return False
    return True
