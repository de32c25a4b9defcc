"""A model is tried with what the form holds, saved or not, and its key goes nowhere else."""

from __future__ import annotations

import threading
import time
from typing import Any

import httpx
import pytest
from django.test import Client
from django.urls import reverse

from chats import model_check
from chats.forms import MOVED
from chats.models import Assistant
from chats.process import KEY_LOST
from project.accounts.models import Organization, User
from tests.cameras.views.rows import client_of
from tests.chats.admin.form import ELSEWHERE, KEY, fields, page_of, tried, tried_by
from tests.endpoint import Model, Script
from tests.installation import Installation
from tests.people import assemble


@pytest.mark.django_db
def test_the_model_is_tried_with_what_is_not_saved_yet(admin: User, model: Model) -> None:
    ok, sentence = tried_by(admin, base_url=model.url, model="fresh", key=model.key)
    assert ok, sentence
    assert "“fresh”" in sentence
    asked = model.requests[-1]
    assert asked.body["model"] == "fresh"
    assert asked.headers["authorization"] == f"Bearer {model.key}"
    assert not Assistant.objects.exists()


@pytest.mark.postgres
@pytest.mark.django_db
def test_the_stored_key_is_used_for_its_own_host_only(
    club: Organization, admin: User, model: Model
) -> None:
    made = Assistant(organization=club, base_url=model.url, model="m")
    made.key = KEY
    made.save()
    assert tried_by(admin, base_url=model.url, model="m")[0]
    assert model.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    count = len(model.requests)
    made.base_url = ELSEWHERE
    made.save()
    assert tried_by(admin, base_url=model.url, model="m") == (False, MOVED)
    assert len(model.requests) == count
    assert tried_by(admin, base_url=model.url, model="m", remove_key="on")[0]
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
def test_refusals_are_told_in_a_sentence(
    script: Script, fact: str, admin: User, model: Model
) -> None:
    model.script = script
    ok, sentence = tried_by(admin, base_url=model.url, model="m", key=model.key)
    assert not ok
    assert fact in sentence
    assert model.key not in sentence
    assert sentence.endswith(".")


@pytest.fixture
def silent(model: Model, monkeypatch: pytest.MonkeyPatch) -> Model:
    """One that never answers, where 0.3 s are given to it."""
    monkeypatch.setattr(model_check, "TEST_S", 0.3)
    model.script = Script(silent=True)
    return model


@pytest.mark.django_db
def test_a_silent_model_is_told(admin: User, silent: Model) -> None:
    ok, sentence = tried_by(admin, base_url=silent.url, model="m")
    assert (ok, sentence) == (False, "The model did not answer within 0 seconds.")


@pytest.mark.timing
@pytest.mark.django_db
def test_a_silent_model_is_not_waited_for(admin: User, silent: Model) -> None:
    began = time.monotonic()
    assert not tried_by(admin, base_url=silent.url, model="m")[0]
    assert time.monotonic() - began < 5


@pytest.mark.django_db
def test_what_is_wrong_elsewhere_does_not_matter_to_the_test(admin: User, model: Model) -> None:
    assert tried_by(admin, base_url=model.url, model="m", temperature="hot")[0]
    assert tried_by(admin, base_url="ftp://x", model="m")[0] is False


@pytest.mark.django_db
def test_a_key_that_cannot_be_read_any_more_is_told(
    admin: User, stored: Assistant, model: Model
) -> None:
    Assistant.objects.update(sealed_key="sealed-with-a-lost-key", base_url=model.url)
    assert tried_by(admin, base_url=model.url, model="m") == (False, KEY_LOST)
    assert 'name="remove_key"' in page_of(admin)


@pytest.mark.django_db
def test_the_admins_test_is_for_staff_and_uses_the_stored_key(
    club: Organization, staff: Client, admin: User, model: Model
) -> None:
    made = Assistant(organization=club, base_url=model.url, model="m")
    made.key = KEY
    made.save()
    address = reverse("admin:chats_assistant_test")
    assert client_of(admin).post(address, fields()).status_code == 403
    assert staff.get(address).status_code == 405
    of_club = f"{address}?of={made.pk}"
    assert tried(staff, of_club, base_url=model.url, model="m")[0]
    assert model.requests[-1].headers["authorization"] == f"Bearer {KEY}"
    assert tried(staff, address, base_url=model.url, model="m")[0]
    assert "authorization" not in model.requests[-1].headers
    assert staff.post(f"{address}?of=999999", fields()).status_code == 404


@pytest.mark.timing
def test_the_built_in_model_is_tried_on_the_serving_loop(installation: Installation) -> None:
    """Tried once, then three times at once: each try has its answer within `TEST_S`."""
    admin = assemble(installation, "tried")["admin"]
    cookies = {"sideline_session": admin.session, "sideline_csrf": "a" * 32}
    headers = {"X-CSRFToken": "a" * 32, "Origin": installation.url}
    address = f"{installation.url}/organizations/demo-club/assistant/test"

    def ask() -> dict[str, Any]:
        answer = httpx.post(address, data=fields(), cookies=cookies, headers=headers, timeout=30)
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    told = [ask()]
    threads = [threading.Thread(target=lambda: told.append(ask())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [one["ok"] for one in told] == [True] * 4, told
    assert "SmolLM2" in told[0]["sentence"]
