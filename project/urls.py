"""All URLs of the product."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularSwaggerSplitView

from chats.api.streams import messages
from chats.api.urls import CHAT
from project import views
from project.accounts.views import sign_in
from project.openapi import asyncapi, schema

urlpatterns = [
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("api/schema/", schema, name="api-schema"),
    path("api/asyncapi/", asyncapi, name="api-asyncapi"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(url_name="api-schema"), name="api-docs"),
    path("api/v1/", include("project.accounts.api.urls")),
    path("api/v1/", include("cameras.api.urls")),
    path("api/v1/actions/", include("chats.api.urls")),
    # The seed's client writes its base URL in two ways.
    re_path(rf"^chats/{CHAT}/messages/?$", messages, name="api-messages-at-root"),
    # The admin's own views would skip the second factor and would not end other sessions.
    path("admin/login/", sign_in.to_sign_in, name="admin-login"),
    path("admin/password_change/", RedirectView.as_view(pattern_name="password")),
    path("admin/", admin.site.urls),
    path("", include("project.accounts.urls")),
    path("", include("project.audit.urls")),
    path("", include("cameras.urls")),
    path("", include("chats.urls")),
]

handler400 = "project.views.bad_request"
handler403 = "project.views.forbidden"
handler404 = "project.views.not_found"
handler500 = "project.views.server_error"
