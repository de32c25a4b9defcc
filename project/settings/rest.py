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
    "DESCRIPTION": "Live cameras, and an assistant that has watched them.",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "cameras.api.schema.add_streams",
        "chats.api.schema.add_streams",
        "project.openapi.add_error_responses",
    ],
    "ENUM_NAME_OVERRIDES": {
        "CameraKind": "cameras.models.cameras.Kind",
        "Role": "project.accounts.models.organizations.Role",
        "MessageRole": "chats.models.messages.Role",
        "MessageStatus": "chats.models.messages.Status",
    },
}
