"""Staff with view permissions only: the admin's pages open and contain no secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db.models import Field, Model
from django.test import Client
from django.urls import reverse
from pyotp import random_base32

from cameras.models import Camera, DeviceGrant, ShareLink, StreamKey, Ticket
from chats.models import Assistant, Chat
from project.accounts.credentials import Credential
from project.accounts.models import Invitation, Organization, SecondFactor, SignInLink, Token, User
from project.audit.models import AuditEntry
from tests.cameras.views.conftest import (  # noqa: F401 - fixtures
    _fast_password_hasher,
    _plain_static_names,
    club,
    viewer,
)
from tests.cameras.views.rows import PASSWORD, client_of
from tests.gate.logs import create_log_rows

pytestmark = pytest.mark.django_db
SECRET_NAMES = ("digest", "sealed", "proof", "password", "token_key")  # in names of columns
# Knox uses a token's digest as its primary key. It gives no access.
BY_DIGEST = re.compile(r"/admin/accounts/token/[0-9a-f]{128}/|value=.[0-9a-f]{128}.")
MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label_lower)


def secret_columns(model: type[Model]) -> list[str]:
    """Return the names of columns that store secrets, digests or encrypted values."""
    columns = [field.name for field in model._meta.get_fields() if isinstance(field, Field)]
    return [name for name in columns if any(word in name for word in SECRET_NAMES)]


@pytest.fixture
def secrets(club: Organization, viewer: User) -> list[str]:  # noqa: F811
    """Create a row of every model, and return all secrets that they contain."""
    camera = Camera(organization=club, name="Goal", kind="rtsp")
    camera.source = "rtsp://viewer:hunter2secret@192.0.2.7/a"
    camera.save()
    Assistant(organization=club, base_url="https://models.example.org/v1", model="large").save()
    assistant = Assistant.objects.get()
    assistant.key = "sk-stored-0123456789"
    assistant.save()
    token = Token.objects.create(user=viewer, organization=club, scopes=["read"])
    key, link = StreamKey(camera=camera, name="TV"), ShareLink(camera=camera, name="Guests")
    link.save()
    ticket, _ = Ticket.issue(camera, "watch", Credential("token", token[0].digest))
    factor = random_base32()
    plain = ["hunter2secret", assistant.key, token[1], key.issue(), link.text, ticket, factor,
            link.open(), SignInLink(user=viewer).issue(), Invitation(organization=club).issue(),
            *(SecondFactor.turn_on(viewer, factor, 0) or ())]  # fmt: skip
    DeviceGrant.objects.create(organization=club, device=0)
    Chat.objects.create(owner=viewer, organization=club, title="Set pieces")
    create_log_rows("viewer")
    stored = [str(value) for model in apps.get_models() for name in secret_columns(model)
              for value in model._default_manager.values_list(name, flat=True)]  # fmt: skip
    found = [secret for secret in (*plain, *stored) if secret]
    assert len(found) > 25
    return found


@pytest.fixture
def clients(club: Organization) -> dict[str, Client]:  # noqa: F811
    """Clients of a user with all view permissions, and of a superuser."""
    reader = User.objects.create_user("reader", password=PASSWORD, is_staff=True)
    reader.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    root = User.objects.create_superuser("root", password=PASSWORD)
    return {"reader": client_of(reader), "root": client_of(root)}


def pages_of(model: type[Model]) -> Iterator[str]:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    yield reverse(f"{name}_changelist")
    yield reverse(f"{name}_changelist") + "?q=a"
    if model is AuditEntry:  # it has no other page
        return
    yield reverse(f"{name}_add")
    for row in model._default_manager.all():
        for page in ("change", "history", "delete"):
            yield reverse(f"{name}_{page}", args=[row.pk])


@pytest.mark.parametrize("user", ["reader", "root"])
def test_admin_pages_open_and_contain_no_secret(
    clients: dict[str, Client], secrets: list[str], user: str
) -> None:
    wrong = []
    for model in MODELS:
        assert model._default_manager.exists(), model
        for url in pages_of(model):
            page = clients[user].get(url)
            text = BY_DIGEST.sub("", page.content.decode())
            contained = [secret for secret in secrets if secret in text]
            if contained or page.status_code not in (200, 403):
                wrong.append((url, page.status_code, contained))
    assert wrong == []


def test_read_only_staff_see_camera_sources_masked(
    clients: dict[str, Client], secrets: list[str]
) -> None:
    url = reverse("admin:cameras_camera_change", args=[Camera.objects.get().pk])
    page = clients["reader"].get(url).content.decode()
    assert "rtsp://viewer:•••@192.0.2.7/a" in page
    assert 'name="source"' not in page
    assert clients["reader"].post(url, {"name": "Mine"}).status_code == 403


def lookups_of(model: type[Model]) -> Iterator[str]:
    """Yield lookups of secret columns: of the model, and of models one and two relations away."""
    yield from secret_columns(model)
    for step in model._meta.get_fields():
        related: Any = step.related_model
        if not step.is_relation or related is None:
            continue
        yield from (f"{step.name}__{name}" for name in secret_columns(related))
        for further in related._meta.get_fields():
            if further.is_relation and further.related_model is not None:
                names = secret_columns(further.related_model)
                yield from (f"{step.name}__{further.name}__{name}" for name in names)


def test_lists_cannot_be_filtered_by_secrets(clients: dict[str, Client]) -> None:
    """Otherwise a secret could be guessed letter by letter."""
    wrong = []
    for model in MODELS:
        if model is AuditEntry:  # ignores what is not in its form; see `test_reading.py`
            continue
        listing = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for lookup in lookups_of(model):
            for suffix in ("", "__startswith"):
                response = clients["root"].get(listing, {f"{lookup}{suffix}": "a"})
                if response.status_code != 400:
                    wrong.append((model, lookup + suffix, response.status_code))
    assert wrong == []


def test_secret_columns_are_found_by_name() -> None:
    assert secret_columns(Token) == ["digest", "token_key"]
    assert {"auth_token_set__digest", "second_factor__sealed_secret"} <= {*lookups_of(User)}
    assert "tickets__digest" in {*lookups_of(Camera)}
