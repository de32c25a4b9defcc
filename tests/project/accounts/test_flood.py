"""A flood of sign-ins. Each hash takes a tenth of a second of a core; the pages must not wait."""

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
from tests.people import assemble

SIGN_INS = 50


def sign_in(url: str, number: int) -> int:
    """Under a name of its own, for one name would soon be locked."""
    form = {"username": f"nobody-{number}", "password": "wrong"}
    return httpx.post(f"{url}/api/v1/auth/login", json=form, timeout=60).status_code


def timings(client: httpx.Client, enough: threading.Event | int) -> list[float]:
    """Seconds that the wall takes, again and again."""
    found: list[float] = []
    while len(found) < enough if isinstance(enough, int) else not enough.is_set():
        began = time.perf_counter()
        assert client.get("/").status_code == 200
        found.append(time.perf_counter() - began)
    return found


def p95(seconds: list[float]) -> float:
    return quantiles(seconds, n=20)[-1]


@pytest.mark.timing
def test_pages_answer_while_fifty_wrong_sign_ins_run(folder: Path) -> None:
    with installed(folder) as installation:
        installation.serve()
        cookies = {"sideline_session": assemble(installation, "flood")["viewer"].session}
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
        assert set(statuses) <= {401, 503}  # on a slow machine the last are told to come back
        assert len(busy) >= 20
        assert p95(busy) < max(6 * idle, 1.0)  # without the bound it takes seconds


@pytest.mark.postgres
@pytest.mark.django_db
def test_an_older_hash_is_made_anew_at_the_sign_in(viewer: User, settings: Any) -> None:
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
    made = make_password(PASSWORD)
    assert made.startswith("argon2$argon2id$v=19$m=47104,t=2,p=1$")
    assert check_password(PASSWORD, made)
    assert not check_password("wrong", made)
    assert not identify_hasher(made).must_update(made)


def test_no_more_than_a_few_are_hashed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    running, most, lock, full = 0, 0, threading.Lock(), threading.Event()

    def slow(self: object, password: str, salt: str) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            if most >= hashing.AT_ONCE:
                full.set()
        assert full.wait(60)
        time.sleep(0.01)  # in which one more would come in, if it could
        with lock:
            running -= 1
        return "made"

    monkeypatch.setattr(hashing.Argon2PasswordHasher, "encode", slow)
    with ThreadPoolExecutor(12) as pool:
        done = list(pool.map(lambda _: hashing.Argon2().encode("x", "salt"), range(40)))
    assert set(done) == {"made"}
    assert most == hashing.AT_ONCE


@pytest.mark.postgres
@pytest.mark.django_db
@pytest.mark.parametrize("door", ["page", "api"])
def test_who_finds_no_place_is_told_to_come_back(
    viewer: User, settings: Any, monkeypatch: pytest.MonkeyPatch, door: str
) -> None:
    settings.PASSWORD_HASHERS = ["project.accounts.throttling.hashing.Argon2"]
    monkeypatch.setattr(hashing.Argon2, "_admitted", threading.BoundedSemaphore(1))
    assert hashing.Argon2._admitted.acquire(blocking=False)
    form = {"username": "viewer", "password": PASSWORD}
    if door == "page":
        answer = Client().post(reverse("signin"), form)
        assert "try again in a few seconds" in answer.content.decode()
    else:
        answer = Client().post(reverse("api-login"), form, content_type="application/json")
        assert answer["Content-Type"] == "application/problem+json"
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert not AccessAttempt.objects.exists(), "nothing was examined, so the try is given back"
