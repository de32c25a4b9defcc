"""Stream keys and share links end with the token they were made with, and with the membership."""

from __future__ import annotations

import importlib
from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import PermissionDenied
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from knox.crypto import hash_token

from cameras.access import actor_for_stream_key
from cameras.models import Camera, ShareLink, StreamKey
from project.accounts.credentials import Credential, actor_for
from project.accounts.models import Invitation, Membership, Organization, SignInLink, Token, User
from project.audit.models import AuditEntry
from tests.cameras.views.rows import client_of, person
from tests.project.audit.written import logged_actions

pytestmark = pytest.mark.django_db

ALL_SCOPES = ["read", "publish", "chat"]


class Api:
    """The REST API with a token."""

    def __init__(self, token: str) -> None:
        self._headers = {"Authorization": f"Bearer {token}"}

    def post(self, path: str, **body: Any) -> Any:
        return Client().post(
            f"/api/v1/{path}", body, content_type="application/json", headers=self._headers
        )

    def make(self, path: str, **body: Any) -> dict[str, Any]:
        response = self.post(path, **body)
        assert response.status_code == 201, response.content
        made: dict[str, Any] = response.json()
        return made

    def token(self, **body: Any) -> tuple[Api, Token]:
        text = self.make("tokens", name="Script", scopes=["publish", "read"], **body)["token"]
        return Api(text), Token.objects.get(pk=hash_token(text))


@pytest.fixture
def api(operator: User, camera: Camera) -> Api:
    _, text = Token.objects.create(
        user=operator, organization=camera.organization, scopes=ALL_SCOPES, name="Root",
        expiry=timedelta(minutes=2),
    )  # fmt: skip
    return Api(text)


def make_passes(api: Api, camera: Camera) -> tuple[StreamKey, ShareLink]:
    in_a_year = (timezone.now() + timedelta(days=365)).isoformat()
    body = {"camera": str(camera.pk), "name": "TV", "expires_at": in_a_year}
    key, link = api.make("stream-keys", **body), api.make("share-links", **body)
    return StreamKey.objects.get(pk=key["id"]), ShareLink.objects.get(pk=link["id"])


def add_by_page(user: User, camera: Camera, name: str = "Bar") -> tuple[StreamKey, ShareLink]:
    client = client_of(user)
    client.post(reverse("streamkey-add", args=[camera.pk]), {"name": name, "days": "365"})
    link = {"name": name, "hours": "720", "uses_most": "5"}
    client.post(reverse("sharelink-add", args=[camera.pk]), link)
    return StreamKey.objects.get(name=name), ShareLink.objects.get(name=name)


def are_alive(*passes: StreamKey | ShareLink) -> set[bool]:
    return {one.is_alive for one in passes}


@pytest.mark.postgres
def test_pass_made_with_a_token_ends_no_later(api: Api, camera: Camera) -> None:
    root = Token.objects.get()
    in_a_year = (timezone.now() + timedelta(days=365)).isoformat()
    for path in ("stream-keys", "share-links"):
        for body in ({}, {"expires_at": in_a_year}):
            made = api.make(path, camera=str(camera.pk), name="TV", **body)
            assert parse_datetime(made["expires_at"]) == root.expiry
    soon = timezone.now() + timedelta(minutes=1)
    made = api.make("stream-keys", camera=str(camera.pk), name="TV", expires_at=soon.isoformat())
    assert parse_datetime(made["expires_at"]) == soon


@pytest.mark.postgres
@pytest.mark.parametrize("way", ["revoked", "over", "deleted"])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_pass_ends_with_the_token_however_far_above(
    api: Api, camera: Camera, way: str, depth: int
) -> None:
    maker = api
    for _ in range(depth):
        maker, _child = maker.token()
    key, link = make_passes(maker, camera)
    browser = add_by_page(User.objects.get(username="operator"), camera)
    assert are_alive(key, link, *browser) == {True}
    root = Token.objects.get(name="Root")
    if way == "revoked":
        root.revoke()
    elif way == "deleted":
        root.delete()
    else:  # all have the same end
        Token.objects.filter(expiry=root.expiry).update(expiry=timezone.now())
    assert are_alive(key, link) == {False}
    assert ShareLink.find(link.text) is None
    assert are_alive(*browser) == {True}


def test_visit_of_a_link_ends_with_its_token(api: Api, camera: Camera) -> None:
    _, link = make_passes(api, camera)
    visit = link.open()
    assert visit is not None
    credential = Credential("visit", link.visits.get().digest)
    assert actor_for(credential) is not None
    Token.objects.get().revoke()
    assert actor_for(credential) is None


@pytest.mark.postgres
def test_nothing_is_made_with_a_token_that_has_just_been_revoked(api: Api, camera: Camera) -> None:
    """The request was authenticated before, and stores its row afterwards."""
    token = Token.objects.get()
    actor = actor_for(Credential("token", token.pk))
    assert actor is not None
    assert actor.user is not None
    token.revoke()
    with pytest.raises(PermissionDenied):
        StreamKey(camera=camera, name="Late").set_maker(actor, camera.organization_id)
    with pytest.raises(PermissionDenied):
        Token.issue(
            actor.user, camera.organization_id, name="Late", scopes=["read"], expiry=None,
            credential=actor.credential,
        )  # fmt: skip
    Membership.objects.all().delete()
    with pytest.raises(PermissionDenied):
        ShareLink(camera=camera, name="Late").set_maker(actor, camera.organization_id)


def test_membership_ends_what_was_made_by_it_for_good(
    api: Api, camera: Camera, operator: User
) -> None:
    """A member who comes back does not bring it back."""
    own = Membership.objects.get(user=operator)
    Membership.objects.filter(pk=own.pk).update(role="admin")
    key, link = add_by_page(operator, camera)
    token_passes = make_passes(api, camera)
    _, token = api.token()
    invitation = Invitation(organization=camera.organization, membership=own, name="Ann")
    invitation.issue()
    assert invitation.is_open
    own.delete()
    Membership.objects.create(user=operator, organization=camera.organization, role="admin")
    assert are_alive(key, link, *token_passes) == {False}
    assert not invitation.is_open
    actor = actor_for(Credential("token", token.pk))
    assert actor is not None
    assert actor.roles == {}
    assert api.post("stream-keys", camera=str(camera.pk), name="TV").status_code == 404


@pytest.mark.parametrize("way", ["suspended", "deleted"])
def test_account_ends_or_pauses_its_passes(camera: Camera, operator: User, way: str) -> None:
    key, link = add_by_page(operator, camera)
    if way == "deleted":
        operator.delete()
        assert not StreamKey.objects.exists()
        assert ShareLink.find(link.text) is None
        return
    User.objects.filter(pk=operator.pk).update(is_active=False)
    assert are_alive(key, link) == {False}
    page = client_of(person("boss", camera.organization, "admin")).get(f"/cameras/{camera.pk}")
    assert page.content.decode().count("the account of operator is switched off") == 2
    User.objects.filter(pk=operator.pk).update(is_active=True)
    assert are_alive(key, link) == {True}


def test_demoted_operator_leaves_passes_to_the_operators(
    camera: Camera, operator: User, admin: User
) -> None:
    passes = add_by_page(operator, camera)
    member = Membership.objects.get(user=operator)
    change = reverse("member-change", args=[camera.organization.slug, member.pk])
    page = client_of(admin).post(change, {"role": "viewer"}, follow=True).content.decode()
    assert "operator made 1 share link and 1 stream key, which still work." in page
    assert are_alive(*passes) == {True}


def remove(by: User, member: Membership, **choice: str) -> str:
    address = reverse("member-remove", args=[member.organization.slug, member.pk])
    page: str = client_of(by).post(address, choice, follow=True).content.decode()
    return page


@pytest.mark.postgres
def test_removing_a_member_asks_what_becomes_of_keys_and_links(
    camera: Camera, operator: User, admin: User
) -> None:
    passes = [*add_by_page(operator, camera), *add_by_page(operator, camera, "Hall")]
    member = Membership.objects.get(user=operator)
    page = remove(admin, member)
    assert "These end with the membership: 2 share links and 2 stream keys" in page
    assert "Bar for Gate" in page
    assert Membership.objects.filter(pk=member.pk).exists()
    assert are_alive(*passes) == {True}
    page = remove(admin, member, passes="end")
    assert "operator is no longer a member. Ended: 2 share links and 2 stream keys." in page
    assert are_alive(*passes) == {False}
    action, subject, detail = logged_actions()[-1]
    assert (action, subject) == ("remove member", "operator")
    assert detail.startswith("ended 2 share links and 2 stream keys: ")


@pytest.mark.postgres
def test_administrator_takes_keys_and_links_over(
    api: Api, camera: Camera, operator: User, admin: User
) -> None:
    """Also those made with a token, which ends with the member; not those that have ended."""
    passes = [*add_by_page(operator, camera), *make_passes(api, camera)]
    gone, _ = add_by_page(operator, camera, "Revoked")
    gone.revoke()
    kept_until = [one.expires_at for one in passes]
    page = remove(admin, Membership.objects.get(user=operator), passes="take")
    assert "You have taken over 3 share links and 2 stream keys." in page
    Token.objects.all().delete()
    operator.delete()
    for one in passes:
        one.refresh_from_db()
        assert one.membership == Membership.objects.get(user=admin)
    assert are_alive(*passes) == {True}
    assert [one.expires_at for one in passes] == kept_until
    assert [entry[:2] for entry in logged_actions()[-2:]] == [
        ("take over keys and links", "operator"), ("remove member", "operator"),
    ]  # fmt: skip
    assert AuditEntry.objects.get(action="take over keys and links").who == "admin"
    page = client_of(admin).get(f"/cameras/{camera.pk}").content.decode()
    assert "made by a former member, taken over by admin" in page


def test_administrator_who_leaves_cannot_take_over_from_themselves(
    camera: Camera, admin: User
) -> None:
    person("boss", camera.organization, "admin")
    passes = add_by_page(admin, camera)
    member = Membership.objects.get(user=admin)
    page = remove(admin, member)
    assert "Another administrator can take them over by removing you." in page
    assert 'value="take"' not in page
    assert "Another administrator" in remove(admin, member, passes="take"), "it asks again"
    assert are_alive(*passes) == {True}
    remove(admin, member, passes="end")
    assert are_alive(*passes) == {False}


def test_member_without_keys_is_removed_at_once(
    camera: Camera, operator: User, viewer: User, admin: User
) -> None:
    add_by_page(operator, camera)
    page = client_of(admin).get(f"/organizations/{camera.organization.slug}").content.decode()
    assert "Remove viewer from Club?" in page
    assert "Remove operator from Club?" not in page, "the next page asks"
    remove(admin, Membership.objects.get(user=viewer))
    assert not Membership.objects.filter(user=viewer).exists()


def test_lists_say_who_made_a_pass_and_what_it_ends_with(
    api: Api, camera: Camera, operator: User
) -> None:
    make_passes(api, camera)
    add_by_page(operator, camera)
    client = client_of(operator)
    page = client.get(f"/cameras/{camera.pk}").content.decode()
    assert page.count("made by operator with the token “Root”, ends with it") == 2
    assert page.count("made by operator, ends when operator leaves") == 2
    api.token()
    assert "with the token “Root”, ends with it" in client.get("/account/tokens").content.decode()


def test_admin_site_says_what_ends_with_a_membership(camera: Camera, operator: User) -> None:
    add_by_page(operator, camera)
    club, member = camera.organization, Membership.objects.get(user=operator)
    root = client_of(User.objects.create_superuser("root"))
    address = reverse("admin:accounts_organization_change", args=[club.pk])
    assert "1 share link and 1 stream key" in root.get(address).content.decode()
    form = {
        "name": club.name, "slug": club.slug, "time_zone": club.time_zone, "metadata": "{}",
        "audit_days": "365", "memberships-TOTAL_FORMS": 1, "memberships-INITIAL_FORMS": 1,
        "memberships-0-id": member.pk, "memberships-0-user": operator.pk,
        "memberships-0-organization": club.pk, "memberships-0-role": "operator",
        "memberships-0-DELETE": "on",
    }  # fmt: skip
    assert root.post(address, form).status_code == 302
    assert logged_actions()[-1] == (
        "remove member", "operator", "ended 1 share link and 1 stream key",
    )  # fmt: skip
    assert not StreamKey.objects.exists()


def test_membership_cannot_be_handed_to_another_user(
    camera: Camera, operator: User, viewer: User
) -> None:
    """Tokens, keys and links belong to it."""
    member = Membership.objects.get(user=operator)
    member.user = person("newcomer")
    with pytest.raises(Exception, match="Remove this member"):
        member.full_clean()


def test_sign_in_link_ends_when_its_maker_is_no_longer_staff(viewer: User) -> None:
    clerk = User.objects.create_user("clerk", is_staff=True)
    link = SignInLink(user=viewer, made_by=clerk)
    link.issue()
    assert link.is_open
    User.objects.filter(pk=clerk.pk).update(is_active=False)
    assert not link.is_open
    assert not link.claim()
    User.objects.filter(pk=clerk.pk).update(is_active=True, is_staff=False)
    assert not link.claim()
    lasting = SignInLink(user=viewer)
    lasting.issue()
    assert lasting.claim()


@pytest.mark.postgres
def test_upgrade_links_passes_to_present_members_and_ends_the_others(
    camera: Camera, operator: User, club: Organization
) -> None:
    """The rows are as the first release left them: they know only who made them."""
    former = person("former")
    texts = {}
    for name, maker in (("present", operator), ("former", former), ("deleted", None)):
        key = StreamKey(camera=camera, name=name, created_by=maker)
        texts[name] = key.issue()
        ShareLink.objects.create(camera=camera, name=name, created_by=maker)
    importlib.import_module("cameras.migrations.0003_link_passes").link(apps, None)
    own = Membership.objects.get(user=operator)
    assert StreamKey.objects.get(name="present").membership == own
    for model in (StreamKey, ShareLink):
        assert list(model.objects.alive().values_list("name", flat=True)) == ["present"]
        assert model.objects.count() == 3, "they stay in the records"
    assert actor_for_stream_key(texts["present"]) is not None
    assert actor_for_stream_key(texts["former"]) is None
