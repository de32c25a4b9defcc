"""The test of a model uses the form's values; a stored key is sent to its own host only."""

from __future__ import annotations

import threading
import time
from typing import Any

import httpx
import pytest
from django.test import Client
from django.urls import reverse

from chats import services
from chats.forms import MOVED
from chats.models import Assistant
from chats.services import KEY_LOST
from project.accounts.models import Organization, User
from tests.cameras.views.rows import client_of
from tests.chats.admin.form import ELSEWHERE, KEY, check, check_as, fields, page_of
from tests.endpoint import Model, Script
from tests.installation import Installation
from tests.people import create_scenario


@pytest.mark.django_db
def test_model_is_tested_with_unsaved_settings(admin: User, model: Model) -> None:
    ok, sentence = check_as(admin, base_url=model.url, model="fresh", key=model.key)
    assert ok, sentence
    assert "“fresh”" in sentence
    request = model.requests[-1]
    assert request.body["model"] == "fresh"
    assert request.headers["authorization"] == f"Bearer {model.key}"
    assert not Assistant.objects.exists()


@pytest.mark.postgres
@pytest.mark.django_db
def test_stored_key_is_used_for_its_own_host_only(
    club: Organization, admin: User, model: Model
) -> None:
    assistant = Assistant(organization=club, base_url=model.url, model="m")
    assistant.key = KEY
    assistant.save()
    assert check_as(admin, base_url=model.url, model="m")[0]
    assert model.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    count = len(model.requests)
    assistant.base_url = ELSEWHERE
    assistant.save()
    assert check_as(admin, base_url=model.url, model="m") == (False, MOVED)
    assert len(model.requests) == count
    assert check_as(admin, base_url=model.url, model="m", remove_key="on")[0]
    assert "authorization" not in model.requests[-1].headers


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("script", "fact"),
    [
        (Script(status=401), "key"),
        (Script(status=404), "base URL"),
        (Script(status=429, headers={"Retry-After": "30"}), " 30 "),
        (Script(status=500), "500"),
        (Script(raw=b"<p>hello</p>"), "/v1"),
    ],
)
def test_refusals_are_explained_in_a_sentence(
    script: Script, fact: str, admin: User, model: Model
) -> None:
    model.script = script
    ok, sentence = check_as(admin, base_url=model.url, model="m", key=model.key)
    assert not ok
    assert fact in sentence
    assert model.key not in sentence
    assert sentence.endswith(".")


@pytest.fixture
def silent(model: Model, monkeypatch: pytest.MonkeyPatch) -> Model:
    """A model that never answers, with a timeout of 0.3 s."""
    monkeypatch.setattr(services, "TEST_S", 0.3)
    model.script = Script(silent=True)
    return model


@pytest.mark.django_db
def test_silent_model_is_reported(admin: User, silent: Model) -> None:
    ok, sentence = check_as(admin, base_url=silent.url, model="m")
    assert (ok, sentence) == (False, "The model did not answer within 0 seconds.")


@pytest.mark.timing
@pytest.mark.django_db
def test_silent_model_times_out(admin: User, silent: Model) -> None:
    began = time.monotonic()
    assert not check_as(admin, base_url=silent.url, model="m")[0]
    assert time.monotonic() - began < 5


@pytest.mark.django_db
def test_errors_in_other_fields_do_not_prevent_the_test(admin: User, model: Model) -> None:
    assert check_as(admin, base_url=model.url, model="m", temperature="hot")[0]
    assert check_as(admin, base_url="ftp://x", model="m")[0] is False


@pytest.mark.django_db
def test_undecryptable_key_is_reported(admin: User, stored: Assistant, model: Model) -> None:
    Assistant.objects.update(sealed_key="sealed-with-a-lost-key", base_url=model.url)
    assert check_as(admin, base_url=model.url, model="m") == (False, KEY_LOST)
    assert 'name="remove_key"' in page_of(admin)


@pytest.mark.django_db
def test_admin_test_is_for_staff_and_uses_the_stored_key(
    club: Organization, staff: Client, admin: User, model: Model
) -> None:
    assistant = Assistant(organization=club, base_url=model.url, model="m")
    assistant.key = KEY
    assistant.save()
    address = reverse("admin:chats_assistant_test")
    assert client_of(admin).post(address, fields()).status_code == 403
    assert staff.get(address).status_code == 405
    of_club = f"{address}?of={assistant.pk}"
    assert check(staff, of_club, base_url=model.url, model="m")[0]
    assert model.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    assert check(staff, address, base_url=model.url, model="m")[0]
    assert "authorization" not in model.requests[-1].headers
    assert staff.post(f"{address}?of=999999", fields()).status_code == 404


@pytest.mark.timing
def test_built_in_model_is_tested_on_the_serving_event_loop(installation: Installation) -> None:
    """Tested once, then three times concurrently: each test succeeds within `TEST_S`."""
    admin = create_scenario(installation, "tried")["admin"]
    cookies = {"sideline_session": admin.session, "sideline_csrf": "a" * 32}
    headers = {"X-CSRFToken": "a" * 32, "Origin": installation.url}
    address = f"{installation.url}/organizations/demo-club/assistant/test"

    def ask() -> dict[str, Any]:
        answer = httpx.post(address, data=fields(), cookies=cookies, headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result

    results = [ask()]
    threads = [threading.Thread(target=lambda: results.append(ask())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [each["ok"] for each in results] == [True] * 4, results
    assert "SmolLM2" in results[0]["sentence"]
