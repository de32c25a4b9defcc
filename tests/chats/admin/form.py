"""Helpers that fill in, save and test the assistant's form."""

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
    """Return the form's data: required fields, and `changes`."""
    data = {
        "base_url": "", "key": "", "model": "", "system_prompt": "Be brief.", "temperature": "0.5",
        "max_tokens": "256", "context_tokens": "4096", "daily_tokens": "", "retention_days": "",
    }  # fmt: skip
    return data | changes


def page_of(user: User) -> str:
    """Return the HTML of the settings page for a user."""
    return client_of(user).get(reverse(PAGE, args=["club"])).content.decode()


def save(user: User, **changes: Any) -> Any:
    """Submit the form."""
    return client_of(user).post(reverse(PAGE, args=["club"]), fields(**changes))


def check(client: Client, address: str, **changes: Any) -> tuple[bool, str]:
    """Test the model; return whether it answered, and the sentence."""
    answer = client.post(address, fields(**changes))
    assert answer.status_code == 200, answer.content
    result = answer.json()
    return result["ok"], result["sentence"]


def check_as(user: User, **changes: Any) -> tuple[bool, str]:
    """Test the model as a user on the organization's page."""
    return check(client_of(user), reverse(TEST, args=["club"]), **changes)
