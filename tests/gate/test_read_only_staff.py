"""Staff who may only look: every page of the admin opens, and no secret stands in any of them."""

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

from cameras.models import Camera, ShareLink, StreamKey, Ticket
from chats.models import Assistant, Chat
from project.accounts.models import Invitation, Organization, SecondFactor, SignInLink, Token, User
from project.accounts.models.second_factor import new_secret
from tests.cameras.views.conftest import (  # noqa: F401 - fixtures
    _plain_static_names,
    _quick_passwords,
    club,
    viewer,
)
from tests.cameras.views.rows import PASSWORD, client_of
from tests.gate.logs import log_everything

pytestmark = pytest.mark.django_db
WORDS = ("digest", "sealed", "proof", "password", "token_key")  # in the names of secrets' columns
# Where knox has a token's row called by its digest, which opens nothing.
BY_DIGEST = re.compile(r"/admin/accounts/token/[0-9a-f]{128}/|value=.[0-9a-f]{128}.")
MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label_lower)


def secret_columns(model: type[Model]) -> list[str]:
    columns = [one.name for one in model._meta.get_fields() if isinstance(one, Field)]
    return [name for name in columns if any(word in name for word in WORDS)]


@pytest.fixture
def secrets(club: Organization, viewer: User) -> list[str]:  # noqa: F811
    """A row of everything; what nobody is to read of them."""
    camera = Camera(organization=club, name="Goal", kind="rtsp")
    camera.source = "rtsp://viewer:hunter2secret@192.0.2.7/a"
    camera.save()
    Assistant(organization=club, base_url="https://models.example.org/v1", model="large").save()
    assistant = Assistant.objects.get()
    assistant.key = "sk-stored-0123456789"
    assistant.save()
    grant = Token.objects.create(user=viewer, organization=club, scopes=["read"])
    key, link = StreamKey(camera=camera, name="TV"), ShareLink(camera=camera, name="Guests")
    link.save()
    ticket, _ = Ticket.issue(camera, "watch", ("token", grant[0].digest))
    factor = new_secret()
    told = ["hunter2secret", assistant.key, grant[1], key.issue(), link.text, ticket, factor,
            link.open(), SignInLink.issue(viewer), Invitation(organization=club).issue(),
            *(SecondFactor.turn_on(viewer, factor, 0) or ())]  # fmt: skip
    Chat.objects.create(owner=viewer, organization=club, title="Set pieces")
    log_everything("viewer")
    stored = [str(value) for model in apps.get_models() for name in secret_columns(model)
              for value in model._default_manager.values_list(name, flat=True)]  # fmt: skip
    found = [one for one in (*told, *stored) if one]
    assert len(found) > 25
    return found


@pytest.fixture
def lookers(club: Organization) -> dict[str, Client]:  # noqa: F811
    """One who may look at everything, and one who may do everything."""
    looker = User.objects.create_user("looker", password=PASSWORD, is_staff=True)
    looker.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    root = User.objects.create_superuser("root", password=PASSWORD)
    return {"looker": client_of(looker), "root": client_of(root)}


def pages_of(model: type[Model]) -> Iterator[str]:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    yield reverse(f"{name}_changelist")
    yield reverse(f"{name}_changelist") + "?q=a"
    yield reverse(f"{name}_add")
    for row in model._default_manager.all():
        for page in ("change", "history", "delete"):
            yield reverse(f"{name}_{page}", args=[row.pk])


@pytest.mark.parametrize("who", ["looker", "root"])
def test_every_page_opens_and_tells_no_secret(
    lookers: dict[str, Client], secrets: list[str], who: str
) -> None:
    wrong = []
    for model in MODELS:
        assert model._default_manager.exists(), model
        for address in pages_of(model):
            page = lookers[who].get(address)
            text = BY_DIGEST.sub("", page.content.decode())
            told = [secret for secret in secrets if secret in text]
            if told or page.status_code not in (200, 403):
                wrong.append((address, page.status_code, told))
    assert wrong == []


def test_who_may_only_look_sees_a_camera_s_source_masked(
    lookers: dict[str, Client], secrets: list[str]
) -> None:
    address = reverse("admin:cameras_camera_change", args=[Camera.objects.get().pk])
    page = lookers["looker"].get(address).content.decode()
    assert "rtsp://viewer:•••@192.0.2.7/a" in page
    assert 'name="source"' not in page
    assert lookers["looker"].post(address, {"name": "Mine"}).status_code == 403


def lookups_of(model: type[Model]) -> Iterator[str]:
    """Ways to the columns of secrets: one's own, and those of rows one step and two away."""
    yield from secret_columns(model)
    for step in model._meta.get_fields():
        there: Any = step.related_model
        if not step.is_relation or there is None:
            continue
        yield from (f"{step.name}__{name}" for name in secret_columns(there))
        for further in there._meta.get_fields():
            if further.is_relation and further.related_model is not None:
                ends = secret_columns(further.related_model)
                yield from (f"{step.name}__{further.name}__{name}" for name in ends)


def test_no_list_is_filtered_by_a_secret(lookers: dict[str, Client]) -> None:
    """Else it would be read letter by letter."""
    wrong = []
    for model in MODELS:
        listing = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for lookup in lookups_of(model):
            for how in ("", "__startswith"):
                answer = lookers["root"].get(listing, {f"{lookup}{how}": "a"})
                if answer.status_code != 400:
                    wrong.append((model, lookup + how, answer.status_code))
    assert wrong == []


def test_secrets_are_found_by_the_names_of_their_columns() -> None:
    assert secret_columns(Token) == ["digest", "token_key"]
    assert {"auth_token_set__digest", "second_factor__sealed_secret"} <= {*lookups_of(User)}
    assert "tickets__digest" in {*lookups_of(Camera)}
