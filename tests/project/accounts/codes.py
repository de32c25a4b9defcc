"""What an authenticator app does, and how a test turns the second factor on."""

from __future__ import annotations

import base64
import re
import time
from dataclasses import dataclass

from django.test import Client
from django.urls import reverse
from django_otp.oath import TOTP

from project.accounts.models import User
from tests.cameras.views.rows import PASSWORD, client_of


@dataclass(slots=True)
class Clock:
    """Seconds since 1970."""

    now: float

    def turn(self, steps: int = 1) -> None:
        self.now += 30 * steps


def code(secret: str, steps: int = 0, at: float | None = None) -> str:
    """The six digits of now, or of so many steps later (or earlier)."""
    totp = TOTP(base64.b32decode(secret.replace(" ", "")), drift=steps)
    totp.time = time.time() if at is None else at
    return f"{totp.token():06}"


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A person with the second factor on: the browser in which it was done, and what it gave."""

    client: Client
    secret: str
    recovery: list[str]


def enrol(user: User, clock: Clock) -> Enrolled:
    """As a person does it, on the page. The code that confirmed it is a step old afterwards."""
    client, address = client_of(user), reverse("second-factor")
    page = client.get(address).content.decode()
    (shown,) = re.findall(r'id="secret">([A-Z2-7 ]+)<', page)
    secret = shown.replace(" ", "")
    answer = client.post(address, {"code": code(secret, at=clock.now), "password": PASSWORD})
    recovery = re.findall(r"\b(?:[a-z2-7]{4}-){3}[a-z2-7]{4}\b", answer.content.decode())
    clock.turn()
    return Enrolled(client, secret, recovery)


def first_step(user: User, client: Client | None = None) -> Client:
    """A browser in which the password was right."""
    client = client or Client()
    client.post(reverse("signin"), {"username": user.username, "password": PASSWORD})
    return client


def is_in(client: Client) -> bool:
    """Whether somebody is signed in there."""
    return client.get(reverse("password")).status_code == 200
