"""The OpenAPI description: credentials, refusals, and the view that serves it.

405 is in no list of refusals, since it is never the answer to what is described; any address gives
it to other methods, as a problem like the rest.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer

from project.problems import problem_response

_WORDS = {
    "400": "The request is not understood; `errors` names the fields.",
    "401": "No valid credential.",
    "403": "The role or the token's scopes do not allow this.",
    "404": "There is no such thing, or it is of another organization.",
    "409": "The camera is switched off.",
    "413": "The body is larger than this address takes.",
    "415": "The body is not JSON.",
    "429": "Too many; see `Retry-After`.",
    "503": "Not just now; see `Retry-After`.",
}
_BY_OPERATION = {
    "auth_login_create": ("429", "503"),
    "auth_logout_create": ("400",),
    "actions_chats_export_retrieve": ("400",),
    "send_frame": ("409", "503"),
    "tickets_create": ("429",),
}
_STREAMS = ("actions/send", "/snapshot.jpg", "/stream.mjpeg", "/events", "/messages", "/edit")


def add_refusals(result: dict[str, Any], **facts: Any) -> dict[str, Any]:
    """drf-spectacular's last hook: a problem for each status that an operation may answer with."""
    for path, operations in result["paths"].items():
        for operation in operations.values():
            answers = operation["responses"]
            for status in _possible(path, operation):
                answers.setdefault(status, problem_response(_WORDS[status]))
            operation["responses"] = dict(sorted(answers.items()))
    return result


def _possible(path: str, operation: dict[str, Any]) -> set[str]:
    """Statuses from 400 on."""
    named = {parameter["name"] for parameter in operation.get("parameters", ())}
    found = {"401", "403", *_BY_OPERATION.get(operation["operationId"], ())}
    if named & {"id", "cursor"}:
        found.add("404")
    if "requestBody" in operation:
        found |= {"400", "404", "413"}
        if not path.endswith(_STREAMS):
            found.add("415")
    return found


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """`Authorization: Bearer <token>`."""

    target_class = "project.accounts.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "From /auth/login."}


class CookieScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The session cookie, with `X-CSRFToken` where something changes."""

    target_class = "project.accounts.authentication.CookieAuthentication"
    name = "cookie"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sideline_session"}


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
