"""The one way in which a page of ours names a script."""

from __future__ import annotations

from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag(takes_context=True)
def module(context: Any, path: str) -> SafeString:
    """`<script type="module">` for a file of ours, with the nonce that lets it run.

    What it imports runs by the same nonce.
    """
    nonce = getattr(context["request"], "csp_nonce", "")  # of a page that refuses a Host header
    return format_html(
        '<script type="module" nonce="{}" src="{}"></script>', str(nonce), static(path)
    )
