"""Many concurrent sign-ins must not slow pages down. Each hash takes 0.1 s of a core."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx
import pytest
from axes.models import AccessAttempt
from django.contrib.auth.hashers import check_password, identify_hasher, make_password
from django.test import Client
from django.urls import reverse

import project.settings
from project.accounts.models import User
from project.accounts.throttling import hashing
from tests.cameras.views.rows import PASSWORD
from tests.installation import installed
from tests.people import create_scenario

SIGN_INS = 50


def sign_in(url: str, number: int) -> int:
    """Fail to sign in under a new name, since one name would soon be locked. Return the status."""
    form = {"username": f"nobody-{number}", "password": "wrong"}
    return httpx.post(f"{url}/api/v1/auth/login", json=form, timeout=60).status_code


def timings(client: httpx.Client, until: threading.Event | int) -> list[float]:
    """Return the response times of the wall in seconds: `until` of them, or until it is set."""
    seconds: list[float] = []
    while len(seconds) < until if isinstance(until, int) else not until.is_set():
        began = time.perf_counter()
        assert client.get("/").status_code == 200
        seconds.append(time.perf_counter() - began)
    return seconds


def p95(seconds: list[float]) -> float:
    return quantiles(seconds, n=20)[-1]


@pytest.mark.timing
def test_pages_stay_fast_during_fifty_wrong_sign_ins(folder: Path) -> None:
    with installed(folder) as installation:
        installation.serve()
        cookies = {"sideline_session": create_scenario(installation, "flood")["viewer"].session}
        with httpx.Client(base_url=installation.url, cookies=cookies, timeout=30) as client:
            timings(client, 5)
            idle = p95(timings(client, 40))
            over = threading.Event()
            with ThreadPoolExecutor(SIGN_INS + 1) as pool:
                watching = pool.submit(timings, client, over)
                statuses = list(pool.map(lambda n: sign_in(installation.url, n), range(SIGN_INS)))
                over.set()
                busy = watching.result()
        print(f"idle p95 {idle:.3f} s, busy p95 {p95(busy):.3f} s of {len(busy)}")
        assert set(statuses) <= {401, 503}  # on a slow machine the last ones get 503
        assert len(busy) >= 20
        assert p95(busy) < max(6 * idle, 1.0)  # without the bound: seconds


@pytest.mark.postgres
@pytest.mark.django_db
def test_sign_in_upgrades_older_hashes(viewer: User, settings: Any) -> None:
    settings.PASSWORD_HASHERS = project.settings.PASSWORD_HASHERS
    viewer.password = make_password(PASSWORD, hasher="pbkdf2_sha256")
    viewer.save()
    form = {"username": "viewer", "password": PASSWORD}
    assert Client().post(reverse("signin"), form).status_code == 302
    viewer.refresh_from_db()
    assert viewer.password.startswith("argon2$argon")
    assert viewer.check_password(PASSWORD)


def test_passwords_are_hashed_with_argon2_first(settings: Any) -> None:
    settings.PASSWORD_HASHERS = project.settings.PASSWORD_HASHERS
    encoded = make_password(PASSWORD)
    assert encoded.startswith("argon2$argon2id$v=19$m=47104,t=2,p=1$")
    assert check_password(PASSWORD, encoded)
    assert not check_password("wrong", encoded)
    assert not identify_hasher(encoded).must_update(encoded)


def test_concurrent_hashes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    running, most, lock, full = 0, 0, threading.Lock(), threading.Event()

    def slow(self: object, password: str, salt: str) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            if most >= hashing.AT_ONCE:
                full.set()
        assert full.wait(60)
        time.sleep(0.01)  # time for one more to start, if the bound did not hold
        with lock:
            running -= 1
        return "encoded"

    monkeypatch.setattr(hashing.Argon2PasswordHasher, "encode", slow)
    with ThreadPoolExecutor(12) as pool:
        results = list(pool.map(lambda _: hashing.Argon2().encode("x", "salt"), range(40)))
    assert set(results) == {"encoded"}
    assert most == hashing.AT_ONCE


@pytest.mark.postgres
@pytest.mark.django_db
@pytest.mark.parametrize("entry_point", ["page", "api"])
def test_sign_in_beyond_the_bound_gets_503_with_retry_after(
    viewer: User, settings: Any, monkeypatch: pytest.MonkeyPatch, entry_point: str
) -> None:
    settings.PASSWORD_HASHERS = ["project.accounts.throttling.hashing.Argon2"]
    monkeypatch.setattr(hashing.Argon2, "_admitted", threading.BoundedSemaphore(1))
    assert hashing.Argon2._admitted.acquire(blocking=False)
    form = {"username": "viewer", "password": PASSWORD}
    if entry_point == "page":
        response = Client().post(reverse("signin"), form)
        assert "try again in a few seconds" in response.content.decode()
    else:
        response = Client().post(reverse("api-login"), form, content_type="application/json")
        assert response["Content-Type"] == "application/problem+json"
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert not AccessAttempt.objects.exists(), (
        "the password was not checked, so the attempt is released"
    )
