"""The tokens page: create, show once and revoke; and the tokens of other members."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from knox.crypto import hash_token

from project.accounts.models import Membership, Organization, Role, Token, User
from project.audit.models import AuditEntry
from tests.cameras.views.rows import client_of

pytestmark = pytest.mark.django_db

PAGE = "/account/tokens"


def fields(organization: Organization, /, **changes: Any) -> dict[str, Any]:
    defaults = {"organization": str(organization.pk), "name": "Scoreboard", "scopes": ["read"]}
    return defaults | {"days": "30"} | changes


def make_token(user: User, organization: Organization, name: str = "Old", **values: Any) -> Token:
    token: Token = Token.objects.create(
        user=user, organization=organization, name=name, scopes=["read"]
    )[0]
    Token.objects.filter(pk=token.pk).update(**values) if values else None
    return token


def page_html(client: Client) -> str:
    return client.get(PAGE).content.decode()


@pytest.mark.postgres
def test_it_works(viewer: User, club: Organization) -> None:
    client = client_of(viewer)
    page = client.post(PAGE, fields(club, scopes=["read", "chat"]))
    assert "no-store" in page["Cache-Control"]
    (text,) = re.findall(r'id="new-token"[^>]* value="(\w+)"', page.content.decode())
    token = Token.objects.get()
    assert token.digest == hash_token(text)
    assert (token.user, token.organization, token.scopes) == (viewer, club, ["chat", "read"])
    assert abs(token.expiry - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)
    command = f"curl -H &quot;Authorization: Bearer {text}&quot; http://testserver/api/v1/cameras"
    assert command in page.content.decode().replace('"', "&quot;")
    answer = Client().get("/api/v1/cameras", headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 200
    assert text not in page_html(client), "it is shown once"
    assert "Scoreboard" in page_html(client)
    assert "may watch, chat" in page_html(client)

    client.post(reverse("token-revoke", args=[token.uid]))
    answer = Client().get("/api/v1/cameras", headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 401


def test_only_scopes_of_the_role_are_offered(
    viewer: User, operator: User, admin: User, club: Organization
) -> None:
    for person, scopes in (
        (viewer, ["read", "chat"]),
        (operator, ["read", "chat", "publish"]),
        (admin, ["read", "chat", "publish", "admin"]),
    ):
        assert re.findall(r'name="scopes" value="(\w+)"', page_html(client_of(person))) == scopes
    page = client_of(viewer).post(PAGE, fields(club, scopes=["read", "admin"]))
    assert "Your role does not allow this." in page.content.decode()
    assert not Token.objects.exists()


def test_scopes_follow_the_role_in_the_chosen_organization(
    viewer: User, club: Organization
) -> None:
    school = Organization.objects.create(name="School", slug="school")
    Membership.objects.create(user=viewer, organization=school, role=Role.ADMIN)
    client = client_of(viewer)
    assert "School (administrator)" in page_html(client)
    assert "Club (viewer)" in page_html(client)
    page = client.post(PAGE, fields(club, scopes=["read", "admin"])).content.decode()
    assert "In Club your role does not allow this: Administer." in page
    client.post(PAGE, fields(school, scopes=["read", "admin"]))
    assert Token.objects.get().organization == school


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"scopes": []}, "Choose at least one thing that it may do."),
        ({"scopes": ["root"]}, "Your role does not allow this."),
        ({"name": ""}, "This field is required."),
        ({"name": "x" * 101}, "at most 100 characters"),
        ({"days": "5000"}, "Select a valid choice"),
        ({"organization": "nonsense"}, "is not a valid UUID"),
    ],
)
def test_invalid_form_shows_the_error(
    viewer: User, club: Organization, wrong: dict[str, Any], says: str
) -> None:
    page = client_of(viewer).post(PAGE, fields(club, **wrong)).content.decode()
    assert says in page
    assert 'id="new-token"' not in page
    assert not Token.objects.exists()


def test_token_cannot_be_created_for_a_foreign_organization(
    viewer: User, club: Organization, outsider: User
) -> None:
    other = Organization.objects.get(slug="other")
    page = client_of(viewer).post(PAGE, fields(other)).content.decode()
    assert "Select a valid choice" in page
    assert "Other" not in page
    assert not Token.objects.exists()
    assert Client().get(PAGE)["Location"].startswith(reverse("signin"))


def test_user_without_organization_sees_the_reason_and_no_form() -> None:
    page = page_html(client_of(User.objects.create_user("alone")))
    assert "you are not a member of one yet" in page
    assert 'name="scopes"' not in page


def test_too_many_tokens_are_refused_with_a_sentence(
    viewer: User, club: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("project.accounts.models.tokens.TOKENS_MOST", 2)
    make_token(viewer, club)
    make_token(viewer, club)
    page = client_of(viewer).post(PAGE, fields(club)).content.decode()
    assert "You have 2 tokens; revoke one first." in page
    assert Token.objects.count() == 2


def test_ended_tokens_show_why_they_ended(viewer: User, club: Organization) -> None:
    make_token(viewer, club, "Lost", revoked_at=timezone.now())
    make_token(viewer, club, "Late", expiry=timezone.now())
    living = make_token(viewer, club, "Good")
    page = page_html(client_of(viewer))
    assert re.search(r"Lost</span> <span class=\"token-state\">revoked<", page)
    assert re.search(r"Late</span> <span class=\"token-state\">over<", page)
    assert re.findall(r'action="/account/tokens/([\w-]+)/revoke"', page) == [str(living.uid)]
    assert 'data-confirm="Revoke the token “Good”?' in page


def test_token_shows_its_current_scopes(operator: User, club: Organization) -> None:
    make_token(operator, club, "Gate", scopes=["read", "publish"])
    assert "may watch, publish" in page_html(client_of(operator))
    Membership.objects.filter(user=operator).update(role=Role.VIEWER)
    assert "may watch ·" in page_html(client_of(operator))


def test_administrators_can_see_and_revoke_tokens_of_members(
    viewer: User, operator: User, admin: User, outsider: User, club: Organization
) -> None:
    token = make_token(operator, club, "Gate display")
    hidden = make_token(outsider, Organization.objects.get(slug="other"), "Elsewhere")
    revoke = reverse("token-revoke", args=[token.uid])
    assert "operator: Gate display" in page_html(client_of(admin))
    assert "Elsewhere" not in page_html(client_of(admin))
    for person in (viewer, outsider):
        assert "Gate display" not in page_html(client_of(person))
        assert client_of(person).post(revoke).status_code == 404
    assert client_of(admin).post(reverse("token-revoke", args=[hidden.uid])).status_code == 404
    assert client_of(admin).get(revoke).status_code == 405
    assert Client().post(revoke)["Location"].startswith(reverse("signin"))
    assert Token.objects.alive().filter(pk=token.pk).exists()

    page = client_of(admin).post(revoke, follow=True).content.decode()
    assert "The token “Gate display” of operator is revoked." in page
    assert "operator: Gate display" not in page
    assert not Token.objects.alive().filter(pk=token.pk).exists()


@pytest.mark.postgres
def test_token_of_a_former_member_can_be_seen_and_revoked(
    operator: User, admin: User, club: Organization
) -> None:
    token = make_token(operator, club, "Gate display")
    Membership.objects.filter(user=operator).delete()
    assert "opens nothing: that membership has ended" in page_html(client_of(admin))
    client_of(admin).post(reverse("token-revoke", args=[token.uid]))
    assert (
        "Gate display" not in page_html(client_of(admin)).partition("</h1>")[2].partition("<h2>")[2]
    )


@pytest.mark.postgres
def test_actions_are_in_the_audit_log(viewer: User, club: Organization) -> None:
    client = client_of(viewer)
    client.post(PAGE, fields(club, scopes=["read", "chat"]))
    client.post(reverse("token-revoke", args=[Token.objects.get().uid]))
    rows = AuditEntry.objects.exclude(action="sign in").order_by("pk")
    assert list(rows.values_list("who", "action", "subject", "detail")) == [
        ("viewer", "make token", "Scoreboard", "chat, read"),
        ("viewer", "revoke token", "Scoreboard", "of viewer"),
    ]


def test_page_holds_no_inline_script_or_style(admin: User, club: Organization) -> None:
    page = client_of(admin).post(PAGE, fields(club)).content.decode()
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)", page)


@pytest.mark.postgres
def test_sign_in_tokens_leave_room_for_others_and_replace_the_oldest(
    viewer: User, club: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("project.accounts.models.tokens.TOKENS_MOST", 2)
    program = make_token(viewer, club)
    signed = [Token.for_sign_in(viewer, club, "viewer")[0] for _ in range(4)]
    assert set(Token.objects.alive()) == {program, *signed[2:]}
    client = client_of(viewer)
    client.post(PAGE, fields(club))
    assert Token.objects.alive().filter(name="Scoreboard").count() == 1
    assert "revoke one first" in client.post(PAGE, fields(club)).content.decode()


@pytest.mark.parametrize("name", ["Sign-in", " sign-IN "])
def test_token_name_sign_in_is_reserved(viewer: User, club: Organization, name: str) -> None:
    page = client_of(viewer).post(PAGE, fields(club, name=name)).content.decode()
    assert "Choose another name." in page
    _, text = Token.objects.create(user=viewer, organization=club, name="Old", scopes=["read"])
    answer = Client().post(
        "/api/v1/tokens", {"name": name, "scopes": ["read"]}, "application/json",
        headers={"Authorization": f"Bearer {text}"},
    )  # fmt: skip
    assert answer.status_code == 400
    assert answer.json()["errors"].keys() == {"name"}
    assert Token.objects.count() == 1
