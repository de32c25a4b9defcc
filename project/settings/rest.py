"""Settings of Django REST framework and drf-spectacular."""

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        # DRF takes the 401 challenge from the first.
        "project.accounts.authentication.BearerAuthentication",
        "project.accounts.authentication.CookieAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "project.api.JSONOnlyNegotiation",
    "DEFAULT_PARSER_CLASSES": ["project.api.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "project.api.CreatedAtCursorPagination",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "project.views.as_problem",
    "PAGE_SIZE": 50,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Sideline",
    "VERSION": "1",
    "DESCRIPTION": (
        "Live cameras, and an assistant that has watched them.\n\n"
        "The sockets and the events of answers are described in AsyncAPI, at `/api/asyncapi/`."
    ),
    "CONTACT": {"name": "The administrator of this installation"},
    "LICENSE": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0.html"},
    "TAGS": [
        {"name": "auth", "description": "Sign in and out; bearer tokens."},
        {"name": "organizations", "description": "Every other object belongs to one of them."},
        {"name": "cameras", "description": "Cameras, and their pictures over HTTP."},
        {"name": "access", "description": "Credentials for one camera."},
        {"name": "frames", "description": "Pictures that clients hand over."},
        {"name": "chats", "description": "Chats and their messages."},
        {"name": "answers", "description": "Prompts, and streams of events that answer them."},
    ],
    # Else a nullable choice is one of two types, which generated clients take for a union.
    "ENUM_ADD_EXPLICIT_BLANK_NULL_CHOICE": False,
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "project.openapi.complete_operations",
    ],
    "ENUM_NAME_OVERRIDES": {
        "CameraKind": "cameras.models.cameras.Kind",
        "Role": "project.accounts.models.organizations.Role",
        "MessageRole": "chats.models.messages.Role",
        "MessageStatus": "chats.models.messages.Status",
    },
}
