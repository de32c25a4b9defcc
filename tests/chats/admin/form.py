"""The assistant's form as it is filled in, sent, and tried."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.urls import reverse

from project.accounts.models import User
from tests.cameras.views.rows import client_of

KEY = "sk-stored-0123456789"
ELSEWHERE = "https://models.example.org/v1"
PAGE = "assistant"
TEST = "assistant-test"


def fields(**changes: Any) -> dict[str, Any]:
    """The whole form, empty but for what has to be there and `changes`."""
    made = {
        "base_url": "", "key": "", "model": "", "system_prompt": "Be brief.", "temperature": "0.5",
        "max_tokens": "256", "context_tokens": "4096", "daily_tokens": "", "retention_days": "",
    }  # fmt: skip
    return made | changes


def page_of(user: User) -> str:
    """The settings' page as this person sees it."""
    return client_of(user).get(reverse(PAGE, args=["club"])).content.decode()


def save(user: User, **changes: Any) -> Any:
    """Send the form."""
    return client_of(user).post(reverse(PAGE, args=["club"]), fields(**changes))


def tried(client: Client, address: str, **changes: Any) -> tuple[bool, str]:
    """Whether the model answered, and what was said of it."""
    answer = client.post(address, fields(**changes))
    assert answer.status_code == 200, answer.content
    told = answer.json()
    return told["ok"], told["sentence"]


def tried_by(user: User, **changes: Any) -> tuple[bool, str]:
    """The same on the organization's page."""
    return tried(client_of(user), reverse(TEST, args=["club"]), **changes)
