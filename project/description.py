"""The OpenAPI description. Made once: it costs half a second, and is the same for everybody."""

from __future__ import annotations

from functools import lru_cache

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer

_RENDERERS = {"json": OpenApiJsonRenderer, "yaml": OpenApiYamlRenderer}


@require_GET
def schema(request: HttpRequest) -> HttpResponse:
    """YAML; JSON where the client prefers it, or says `?format=json`."""
    asked = request.GET.get("format") or (
        "json" if "json" in request.headers.get("Accept", "") else "yaml"
    )
    form = asked if asked in _RENDERERS else "yaml"
    answer = HttpResponse(_made(form), content_type=_RENDERERS[form].media_type)
    answer["Content-Disposition"] = f'inline; filename="sideline.{form}"'
    answer["Cache-Control"] = "public, max-age=300"
    return answer


@lru_cache(len(_RENDERERS))
def _made(form: str) -> bytes:
    found = SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]
    rendered = _RENDERERS[form]().render(found, renderer_context={})
    return rendered if isinstance(rendered, bytes) else rendered.encode()
