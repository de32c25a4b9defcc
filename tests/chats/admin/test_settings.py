"""The assistant's settings, on the organization's page and in the admin."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from chats.forms import MOVED
from chats.models import Assistant
from project.accounts.models import Organization, User
from tests.cameras.views.rows import client_of, person
from tests.chats.admin.form import ELSEWHERE, KEY, PAGE, TEST, check_as, fields, page_of, save
from tests.endpoint import Model


@pytest.mark.django_db
@pytest.mark.parametrize("name", [PAGE, TEST])
def test_only_organization_administrators_can_use_the_settings(
    name: str,
    club: Organization,
    admin: User,
    operator: User,
    viewer: User,
    outsider: User,
    model: Model,
) -> None:
    address = reverse(name, args=["club"])
    for user, status in ((viewer, 403), (operator, 403), (outsider, 404)):
        assert client_of(user).post(address, fields(daily_tokens="1")).status_code == status
        if name == PAGE:
            assert client_of(user).get(address).status_code == status
    assert Client().post(address, fields()).status_code == 302
    assert not Assistant.objects.exists()
    filled = fields(base_url=model.url, model="m", daily_tokens="1")
    assert client_of(admin).post(address, filled).status_code in (200, 302)


@pytest.mark.django_db
def test_request_without_csrf_token_is_refused(admin: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin, backend="django.contrib.auth.backends.ModelBackend")
    for name in (PAGE, TEST):
        assert client.post(reverse(name, args=["club"]), fields()).status_code == 403


@pytest.mark.postgres
@pytest.mark.django_db
def test_administrator_can_save_settings(club: Organization, admin: User) -> None:
    answer = save(admin, base_url=ELSEWHERE + "/", model="large", key=KEY, retention_days="30")
    assert answer.status_code == 302
    saved = Assistant.objects.get(organization=club)
    assert (saved.base_url, saved.model, saved.key) == (ELSEWHERE, "large", KEY)
    assert (saved.temperature, saved.max_tokens, saved.retention_days) == (0.5, 256, 30)
    assert saved.daily_tokens is None
    assert KEY not in saved.sealed_key


@pytest.mark.django_db
def test_key_is_never_shown(admin: User, staff: Client, stored: Assistant) -> None:
    of_admin = reverse("admin:chats_assistant_change", args=[stored.pk])
    pages = (
        page_of(admin),
        save(admin, base_url=ELSEWHERE, key="sk-typed", model="").content.decode(),
        staff.get(of_admin).content.decode(),
        staff.get(reverse("admin:chats_assistant_changelist")).content.decode(),
    )
    for page in pages:
        assert KEY not in page
        assert stored.sealed_key not in page
        assert "sk-typed" not in page
    for page in pages[:3]:
        assert "A key is stored." in page
        assert 'name="remove_key"' in page
        assert 'type="password"' in page


@pytest.mark.django_db
def test_empty_key_keeps_the_stored_one(admin: User, stored: Assistant) -> None:
    assert save(admin, base_url=ELSEWHERE + "/beta", model="small").status_code == 302
    stored.refresh_from_db()
    assert (stored.key, stored.model, stored.base_url) == (KEY, "small", ELSEWHERE + "/beta")


@pytest.mark.postgres
@pytest.mark.django_db
def test_stored_key_can_be_replaced_or_removed(admin: User, stored: Assistant) -> None:
    save(admin, base_url=ELSEWHERE, model="large", key="sk-new")
    stored.refresh_from_db()
    assert stored.key == "sk-new"
    save(admin, base_url=ELSEWHERE, model="large", remove_key="on")
    stored.refresh_from_db()
    assert stored.sealed_key == ""
    assert 'name="remove_key"' not in page_of(admin)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "other",
    [
        "https://models.example.com/v1",
        "http://models.example.org/v1",
        "https://models.example.org:8443/v1",
        "https://models.example.org.evil.example/v1",
    ],
)
def test_stored_key_is_not_sent_to_another_host(other: str, admin: User, stored: Assistant) -> None:
    page = save(admin, base_url=other, model="large").content.decode()
    assert escape(MOVED) in page
    assert check_as(admin, base_url=other, model="large") == (False, MOVED)
    stored.refresh_from_db()
    assert stored.base_url == ELSEWHERE
    assert save(admin, base_url=other, model="large", key="sk-other").status_code == 302


@pytest.mark.django_db
def test_key_is_removed_with_its_address(admin: User, stored: Assistant) -> None:
    """Otherwise the key could be sent to another host in two steps."""
    assert save(admin).status_code == 302
    stored.refresh_from_db()
    assert stored.sealed_key == ""


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "field", "sentence"),
    [
        ({"base_url": "ftp://x"}, "base_url", ""),
        ({"base_url": "http://u:p@models.example.org"}, "base_url", ""),
        ({"base_url": "http://127.0.0.1:9/v1", "model": "m"}, "base_url", ""),
        ({"base_url": "http://169.254.169.254/", "model": "m"}, "base_url", ""),
        ({"base_url": ELSEWHERE}, "model", "Name the model that the endpoint is to use."),
        ({"key": "sk-1"}, "base_url", "Enter the base URL that the key is for."),
        (
            {"base_url": ELSEWHERE, "model": "m", "key": "schlüssel"},
            "key",
            "The key holds characters that no key has. Enter it again.",
        ),
        ({"temperature": "3"}, "temperature", ""),
        ({"max_tokens": "1"}, "max_tokens", ""),
        ({"context_tokens": "9999999"}, "context_tokens", ""),
        ({"daily_tokens": "-1"}, "daily_tokens", ""),
        ({"retention_days": "0"}, "retention_days", ""),
    ],
)
def test_invalid_settings_are_explained(
    changes: dict[str, str], field: str, sentence: str, admin: User
) -> None:
    answer = save(admin, **changes)
    assert answer.status_code == 200
    ((name, (message,)),) = answer.context["form"].errors.items()
    assert name == field
    assert message.endswith(".")
    assert not sentence or message == sentence
    assert escape(message) in answer.content.decode()
    assert not Assistant.objects.exists()


@pytest.mark.postgres
@pytest.mark.django_db
def test_admin_has_the_same_form(club: Organization, staff: Client, stored: Assistant) -> None:
    address = reverse("admin:chats_assistant_change", args=[stored.pk])
    moved = staff.post(address, fields(base_url="https://models.example.com/v1", model="large"))
    assert escape(MOVED) in moved.content.decode()
    assert staff.post(address, fields(base_url=ELSEWHERE, model="small")).status_code == 302
    stored.refresh_from_db()
    assert (stored.model, stored.key) == ("small", KEY)
    other = Organization.objects.create(name="Other", slug="other")
    added = staff.post(
        reverse("admin:chats_assistant_add"),
        fields(organization=str(other.pk), base_url=ELSEWHERE, model="m", key="sk-2"),
    )
    assert added.status_code == 302
    assert Assistant.objects.get(organization=other).key == "sk-2"


@pytest.mark.django_db
def test_staff_with_view_permission_cannot_see_the_key(stored: Assistant) -> None:
    helper = person("helper")
    helper.is_staff = True
    helper.save()
    helper.user_permissions.add(Permission.objects.get(codename="view_assistant"))
    address = reverse("admin:chats_assistant_change", args=[stored.pk])
    page = client_of(helper).get(address)
    assert page.status_code == 200
    assert ELSEWHERE in page.content.decode()
    assert KEY not in page.content.decode()
    assert "data-test" not in page.content.decode()
    assert client_of(helper).post(address, fields(key="sk-theirs")).status_code == 403
    test = f"{reverse('admin:chats_assistant_test')}?of={stored.pk}"
    assert client_of(helper).post(test, fields(base_url=ELSEWHERE)).status_code == 403
