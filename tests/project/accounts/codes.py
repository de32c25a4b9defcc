"""Codes of an authenticator app, and helpers that turn the second factor on and sign in."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from django.test import Client
from django.urls import reverse
from pyotp import TOTP

from project.accounts.models import User
from tests.cameras.views.rows import PASSWORD, client_of


@dataclass(slots=True)
class Clock:
    """A clock for tests; `now` is in unix seconds."""

    now: float

    def advance(self, steps: int = 1) -> None:
        self.now += 30 * steps


def code(secret: str, steps: int = 0, at: float | None = None) -> str:
    """Return the six digits for `at` (default: now), shifted by `steps` of 30 s."""
    now = time.time() if at is None else at
    return TOTP(secret.replace(" ", "")).at(now, counter_offset=steps)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A user who has turned the second factor on: client, TOTP secret and recovery codes."""

    client: Client
    secret: str
    recovery: list[str]


def enrol(user: User, clock: Clock) -> Enrolled:
    """Turn the second factor on through the page. Afterwards the clock is one step later."""
    client, url = client_of(user), reverse("second-factor")
    page = client.get(url).content.decode()
    (grouped,) = re.findall(r'id="secret">([A-Z2-7 ]+)<', page)
    secret = grouped.replace(" ", "")
    response = client.post(url, {"code": code(secret, at=clock.now), "password": PASSWORD})
    recovery = re.findall(r"\b(?:[a-z2-7]{4}-){3}[a-z2-7]{4}\b", response.content.decode())
    clock.advance()
    return Enrolled(client, secret, recovery)


def first_step(user: User, client: Client | None = None) -> Client:
    """Return a client that has entered the right password, and no code yet."""
    client = client or Client()
    client.post(reverse("signin"), {"username": user.username, "password": PASSWORD})
    return client


def is_signed_in(client: Client) -> bool:
    """True if the client is signed in."""
    return client.get(reverse("password")).status_code == 200
