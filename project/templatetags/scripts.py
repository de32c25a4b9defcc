"""The template tag for script elements."""

from __future__ import annotations

from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag(takes_context=True)
def module(context: Any, path: str, blocking: str = "") -> SafeString:
    """Return `<script type="module">` for a static file, with the CSP nonce.

    Modules that it imports need no nonce of their own. With `blocking="render"`, in the head, the
    page is not painted before the script has run: for what would move the page's content.
    """
    # There is no nonce on the error page for a Host header that is not allowed.
    nonce = getattr(context["request"], "csp_nonce", "")
    attribute = format_html(' blocking="{}"', blocking) if blocking else ""
    return format_html(
        '<script type="module" nonce="{}"{} src="{}"></script>',
        str(nonce),
        attribute,
        static(path),
    )
