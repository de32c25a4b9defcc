"""Paths of the pages. The API's are in `project.accounts.api.urls`."""

from django.urls import path

from project.accounts.views import (
    invitations,
    organizations,
    password_reset,
    passwords,
    second_factor,
    shell,
    sign_in,
    tokens,
)

urlpatterns = [
    path("signin", sign_in.sign_in, name="signin"),
    path("signin/code", sign_in.second_step, name="second-step"),
    path("signin/forgotten", password_reset.forgotten, name="forgotten"),
    path("signin/reset/<str:person>/<str:token>", password_reset.reset, name="reset"),
    path("signin/<str:text>", sign_in.sign_in_link, name="signin-link"),
    path("signout", sign_in.sign_out, name="signout"),
    path("account/password", passwords.password, name="password"),
    path("account/email", passwords.email, name="email"),
    path("account/second-factor", second_factor.second_factor, name="second-factor"),
    path("account/second-factor/off", second_factor.turn_off, name="second-factor-off"),
    path("account/second-factor/codes", second_factor.renew_codes, name="recovery-codes"),
    path("account/tokens", tokens.tokens, name="tokens"),
    path("account/tokens/<uuid:uid>/revoke", tokens.revoke_token, name="token-revoke"),
    path("organization", shell.choose_organization, name="organization-choose"),
    path("organizations/<slug:slug>", organizations.organization, name="organization"),
    path("invitations/<str:text>", invitations.invitation, name="invitation"),
    path("organizations/<slug:slug>/invitations", invitations.invite, name="invitation-add"),
    path(
        "organizations/<slug:slug>/invitations/<uuid:pk>/revoke",
        invitations.revoke,
        name="invitation-revoke",
    ),
    path(
        "organizations/<slug:slug>/members/<int:pk>",
        organizations.change_member,
        name="member-change",
    ),
    path(
        "organizations/<slug:slug>/members/<int:pk>/remove",
        organizations.remove_member,
        name="member-remove",
    ),
]
