"""The API's paths about users and organizations.

Each is served with and without a trailing slash, never redirected.
"""

from django.urls import re_path

from project.accounts.api import login, organizations, tokens

UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
ID = rf"(?P<pk>{UUID})"

urlpatterns = [
    re_path(r"^auth/login/?$", login.Login.as_view(), name="api-login"),
    re_path(r"^auth/logout/?$", login.Logout.as_view(), name="api-logout"),
    re_path(
        r"^organizations/?$", organizations.OrganizationList.as_view(), name="api-organizations"
    ),
    re_path(
        rf"^organizations/{ID}/?$",
        organizations.OrganizationDetail.as_view(),
        name="api-organization",
    ),
    re_path(r"^tokens/?$", tokens.TokenList.as_view(), name="api-tokens"),
    re_path(rf"^tokens/{ID}/?$", tokens.TokenDetail.as_view(), name="api-token"),
]
