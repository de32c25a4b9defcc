"""The API's descriptions and their views: OpenAPI of REST, AsyncAPI of sockets and events.

OpenAPI is generated, but for the operations in `openapi.yaml`: here are the authentication schemes,
and what every operation has. Its version is 3.0.3, which most generators of clients read. AsyncAPI
is the file `asyncapi.yaml`.

405 is not listed: no documented operation returns it. Other methods get it, as a problem.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer

from project.problems import PROBLEM_TYPE, field_problem

_ASYNCAPI = Path(__file__).with_name("asyncapi.yaml")
_OPERATIONS = Path(__file__).with_name("openapi.yaml")
_DESCRIPTIONS = {
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
    "auth_login_create": ("429",),
    "auth_logout_create": ("400",),
    "actions_chats_export_retrieve": ("400",),
    "camera_mjpeg": ("400", "429"),
    "camera_snapshot": ("400", "429"),
    "send_frame": ("409",),
    "tickets_create": ("429",),
}
_STREAMS = ("actions/send", "/snapshot.jpg", "/stream.mjpeg", "/events", "/messages", "/edit")


_VERBS = {
    "list": "List",
    "create": "Create",
    "retrieve": "Read",
    "partial_update": "Change",
    "update": "Replace",
    "destroy": "Delete",
}
_TAGS = {
    "tokens": "auth",
    "stream-keys": "access",
    "share-links": "access",
    "tickets": "access",
    "actions": "chats",
}


def complete_operations(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Add what drf-spectacular leaves out: `openapi.yaml`, types of nullable references, and more.

    Each operation gets a summary, a tag, problem responses, and `security` (empty where no
    credential is needed). A postprocessing hook: the last one.
    """
    written = yaml.safe_load(_OPERATIONS.read_text())
    for kind, components in written["components"].items():
        result["components"][kind] |= components
    paths = {path.rstrip("/"): operations for path, operations in result["paths"].items()}
    result["paths"] = dict(sorted((paths | written["paths"]).items()))
    for path, operations in result["paths"].items():
        for operation in operations.values():
            if "summary" not in operation:
                operation["summary"] = _summary(path, operation)
            operation["tags"] = [_TAGS.get(tag, tag) for tag in operation["tags"]]
            operation.setdefault("security", [])
            errors = {status: _DESCRIPTIONS[status] for status in _error_statuses(path, operation)}
            responses = operation["responses"]
            errors |= {s: responses[s]["description"] for s in responses if s >= "400"}
            problems = {status: _problem(status, errors[status]) for status in errors}
            operation["responses"] = dict(sorted((responses | problems).items()))
    schemas = result["components"]["schemas"]
    for name, schema in schemas.items():
        if "properties" in schema and not name.endswith(("Request", "Problem")):
            schema["required"] = sorted(schema["properties"])  # a serializer leaves none out
    _inline_nullable(result, schemas)
    text = str(result)
    for name in [name for name in schemas if f"schemas/{name}'" not in text]:
        del schemas[name]  # it was nullable in each place
    url = settings.FORCE_SCRIPT_NAME or "/"
    result["servers"] = [{"url": url, "description": "This installation."}]
    return result


def _problem(status: str, description: str) -> dict[str, Any]:
    """Return the OpenAPI response object of a problem."""
    schema = {"$ref": "#/components/schemas/Problem"}
    response = {"description": description, "content": {PROBLEM_TYPE: {"schema": schema}}}
    if status not in ("429", "503"):
        return response
    seconds = {"description": "Seconds.", "schema": {"type": "integer"}}
    return response | {"headers": {"Retry-After": seconds}}


def _summary(path: str, operation: dict[str, Any]) -> str:
    """Return a verb and the noun of the path; where that is a verb, the first sentence."""
    noun = [part for part in path.split("/") if not part.startswith("{")][-1].replace("-", " ")
    if not noun.endswith("s"):
        return str(operation["description"]).partition(".")[0]
    verb = next(text for end, text in _VERBS.items() if operation["operationId"].endswith(end))
    if verb == "List":
        return f"{verb} {noun}"
    return f"{verb} {'an' if noun[0] in 'aeiou' else 'a'} {noun[:-1]}"


def _inline_nullable(node: Any, schemas: dict[str, Any]) -> None:
    """Replace each `nullable` reference by what it refers to.

    In 3.0 `nullable` needs a type beside it, and some generators misread a type beside a reference.
    """
    if isinstance(node, list):
        for item in node:
            _inline_nullable(item, schemas)
    elif isinstance(node, dict):
        if node.get("nullable") is True and "type" not in node:
            (reference,) = node.pop("allOf", None) or node.pop("oneOf")
            name = reference["$ref"].rpartition("/")[2]
            node["title"] = name
            node.update({key: value for key, value in schemas[name].items() if key not in node})
            if "enum" in node:
                node["enum"] = [*node["enum"], None]
        for item in node.values():
            _inline_nullable(item, schemas)


def _error_statuses(path: str, operation: dict[str, Any]) -> set[str]:
    parameters = {parameter["name"] for parameter in operation.get("parameters", ())}
    statuses = {"401", "503", *_BY_OPERATION.get(operation["operationId"], ())}
    if operation["security"]:
        statuses.add("403")
    if "id" in parameters:
        statuses.add("404")
    if "cursor" in parameters:
        statuses.add("400")
    if "requestBody" in operation:
        statuses |= {"400", "404", "413"}
        if not path.endswith(_STREAMS):
            statuses.add("415")
    return statuses


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """`Authorization: Bearer <token>`."""

    target_class = "project.accounts.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        described = "A token, from `/api/v1/auth/login` or `/api/v1/tokens`."
        return {"type": "http", "scheme": "bearer", "description": described}


class CookieScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The session cookie; unsafe methods also need `X-CSRFToken`."""

    target_class = "project.accounts.authentication.CookieAuthentication"
    name = "cookie"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        described = "A browser's session. Methods other than GET also need `X-CSRFToken`."
        name = settings.SESSION_COOKIE_NAME
        return {"type": "apiKey", "in": "cookie", "name": name, "description": described}


_RENDERERS = {"json": OpenApiJsonRenderer, "yaml": OpenApiYamlRenderer}


@require_GET
def schema(request: HttpRequest) -> HttpResponse:
    """Serve the OpenAPI document as YAML; as JSON if Accept or `?format=json` says so."""
    return _serve(request, "openapi")


@require_GET
def asyncapi(request: HttpRequest) -> HttpResponse:
    """Serve the AsyncAPI document, of sockets and events, in the same forms."""
    return _serve(request, "asyncapi")


def _serve(request: HttpRequest, name: str) -> HttpResponse:
    requested = request.GET.get("format") or (
        "json" if "json" in request.headers.get("Accept", "") else "yaml"
    )
    if requested not in _RENDERERS:
        return field_problem("format", "“format” must be json or yaml, or left out.")
    media_type = _RENDERERS[requested].media_type
    if name == "asyncapi":
        media_type = media_type.replace("oai.openapi", "aai.asyncapi")
    response = HttpResponse(_rendered(name, requested), content_type=media_type)
    response["Content-Disposition"] = f'inline; filename="sideline-{name}.{requested}"'
    response["Cache-Control"] = "public, max-age=300"
    return response


@lru_cache(len(_RENDERERS) * 2)
def _rendered(name: str, form: str) -> bytes:
    document = _openapi() if name == "openapi" else asyncapi_document()
    rendered = _RENDERERS[form]().render(document, renderer_context={})
    return rendered if isinstance(rendered, bytes) else rendered.encode()


def _openapi() -> Any:
    return SchemaGenerator().get_schema(public=True)  # type: ignore[no-untyped-call]


def asyncapi_document() -> dict[str, Any]:
    """Return the file with what the settings decide: the cookie's name and the path."""
    document: dict[str, Any] = yaml.safe_load(_ASYNCAPI.read_text())
    cookie = document["components"]["securitySchemes"]["cookie"]
    cookie["name"] = settings.SESSION_COOKIE_NAME
    if settings.FORCE_SCRIPT_NAME:
        for server in document["servers"].values():
            server["pathname"] = settings.FORCE_SCRIPT_NAME
    return document
