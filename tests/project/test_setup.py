"""The first start, the second start, and a start that fails."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.installation import Installation, installed, submit
from tests.processes import killed_with_parent
from tests.project.backups.holdings import KEYS, mode
from tests.sockets import next_frame, watching
from tests.waiting import until

NO_ADMIN = {"SIDELINE_ADMIN_USERNAME": "", "SIDELINE_ADMIN_PASSWORD": ""}

# Imports only Daphne, the admin and DRF, nothing of the product.
LIBRARIES = """
import django
from django.conf import settings
apps = ["admin", "auth", "contenttypes", "messages", "sessions"]
apps = ["daphne", *(f"django.contrib.{app}" for app in apps), "rest_framework", "drf_spectacular"]
settings.configure(INSTALLED_APPS=apps)
django.setup()
import drf_spectacular.views
"""


def measure_libraries() -> float:
    """Return the seconds that two such processes take: a start runs two, web and ingest."""
    began = time.monotonic()
    both = [subprocess.Popen(killed_with_parent(sys.executable, "-c", LIBRARIES)) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    return time.monotonic() - began


def links(text: str) -> list[str]:
    """Return the sign-in links in the output."""
    return re.findall(r"http://127\.0\.0\.1:\d+/signin/[\w-]+", text)


def open_link(client: httpx.Client, link: str) -> httpx.Response:
    """Open the link as a user does: load the page, submit its form."""
    page = client.get(link)
    return submit(client, page, {}) if page.status_code == 200 else page


def rows(installation: Installation) -> dict[str, int]:
    """Return the number of rows by table, without tables that change by themselves."""
    script = (
        "import json; from django.apps import apps\n"
        "print(json.dumps({m._meta.label: m.objects.count() for m in apps.get_models()}))"
    )
    found: dict[str, int] = json.loads(installation.manage("shell", "-v0", "-c", script))
    for passing in ("SignInLink", "CameraState", "CameraStill", "PushClock"):
        found.pop(f"cameras.{passing}", None)
    return found


def users_with_a_password(installation: Installation) -> list[str]:
    script = (
        "from project.accounts.models import User\n"
        "print(*(u.username for u in User.objects.all() if u.has_usable_password()))"
    )
    return installation.manage("shell", "-v0", "-c", script).split()


def demo_cameras(installation: Installation) -> list[list[Any]]:
    """Return id, `detect` and `classes` of each demo camera."""
    script = (
        "import json; from cameras.models import Camera\n"
        "found = Camera.objects.filter(kind='demo').values_list('id', 'detect', 'classes')\n"
        "print(json.dumps([[str(pk), *facts] for pk, *facts in found]))"
    )
    made: list[list[Any]] = json.loads(installation.manage("shell", "-v0", "-c", script))
    return made


def wait_for_person(installation: Installation, camera: str, viewer: httpx.Client) -> None:
    """Wait until the signed-in user receives a detected person from the camera."""
    cookie = {"Cookie": f"sideline_session={viewer.cookies['sideline_session']}"}

    def found(message: dict[str, Any]) -> bool:
        return any(one["class"] == "person" for one in message.get("detections", []))

    with watching(installation, camera, headers=cookie, origin=installation.url) as socket:
        until(lambda: found(next_frame(socket, 60)), 60, "a person")


@pytest.mark.extended
@pytest.mark.postgres
@pytest.mark.timeout(300)  # one start from nothing, and two more
def test_sign_in_links_are_printed_until_a_user_has_a_password(folder: Path) -> None:
    with installed(folder, **NO_ADMIN) as installation:
        (folder / "static").unlink()  # a first start collects the static files itself
        assert installation.is_empty()
        installation.start(new=True)  # ... and creates the tables
        assert (folder / "static" / "staticfiles.json").exists()
        said = installation.logged()
        assert f"Sideline is at {installation.url}/\n" in said
        steps = ["Making the tables", "Collecting the files", "Sideline is at", "Its data is in"]
        assert sorted(steps, key=said.index) == steps, "what takes a while is announced"
        (first,) = links(installation.logged())
        assert users_with_a_password(installation) == [], "a default password"

        with httpx.Client(follow_redirects=True) as person, httpx.Client() as thief:
            assert person.get(first).status_code == 200
            signed_in = open_link(person, first)
            assert signed_in.status_code == 200, signed_in.text
            assert signed_in.url == f"{installation.url}/"
            assert "Plaza" in signed_in.text
            ((plaza, detects, what),) = demo_cameras(installation)
            assert detects
            assert what == ["person"]
            wait_for_person(installation, plaza, person)
            assert open_link(thief, first).status_code == 410, "a link works once"
        installation.stop()

        installation.serve()
        _, second = links(installation.logged())
        assert second != first
        (other,) = links(installation.manage("signinlink"))
        with httpx.Client(follow_redirects=True) as person:
            assert open_link(person, second).status_code == 410, "a newer link replaces it"
            assert open_link(person, other).status_code == 200
            page = person.get(f"{installation.url}/account/password")
            form = dict.fromkeys(("new_password1", "new_password2"), "wide-river-7-stones")
            answer = submit(person, page, form)
            assert answer.url == f"{installation.url}/", answer.text
        installation.stop()

        installation.serve()
        assert len(links(installation.logged())) == 2, "no link once a user has a password"
        installation.stop()
        assert "Traceback" not in installation.logged()


def secrets(folder: Path) -> dict[str, bytes]:
    """Return the two keys, after a check of their file modes."""
    assert [mode(folder / name) for name in KEYS] == [0o600] * 2
    return {name: (folder / name).read_bytes() for name in KEYS}


@pytest.mark.postgres
def test_second_start_changes_nothing(folder: Path) -> None:
    with installed(folder) as installation:
        installation.prepare()  # as a first start leaves it
        before = rows(installation)
        assert before["accounts.Organization"] == before["cameras.Camera"] == 1
        keys = secrets(folder)
        installation.serve()
        assert httpx.get(f"{installation.url}/signin").status_code == 200
        installation.stop()
        assert rows(installation) == before
        assert secrets(folder) == keys


@pytest.mark.timing
def test_second_start_is_quick(folder: Path) -> None:
    with installed(folder) as installation:
        took = []
        for _ in range(3):  # the machine may be busy: the quickest of three counts
            began = time.monotonic()
            installation.serve(new=True)  # the state after a first start is prepared
            assert httpx.get(f"{installation.url}/signin").status_code == 200
            took.append(time.monotonic() - began)
            installation.stop()
            # 3 s on a machine where the libraries take 1.9 s; a slower or busy one gets more.
            libraries = measure_libraries()
            limit = max(3, 1.6 * libraries)
            print(f"\n[a second start takes {took[-1]:.2f} s, the libraries {libraries:.2f} s]")
            if took[-1] <= limit:
                break
        assert took[-1] <= limit, took


def test_taken_port_is_one_sentence_and_demo_can_be_off(folder: Path) -> None:
    with installed(folder, SIDELINE_DEMO="0") as installation, socket.socket() as taken:
        taken.bind(("127.0.0.1", installation.port))
        taken.listen()
        installation.prepare(with_rows=False)
        process = installation.spawn("serve", "--prepare")
        until(lambda: process.poll() is not None, 60, "the end")
        assert process.returncode not in (0, -signal.SIGKILL)
        lines = installation.logged().splitlines()
        complaints = [line for line in lines if not line.startswith("Sideline is at")]
        assert len(complaints) == 1, lines
        assert str(installation.port) in complaints[0]
        assert rows(installation)["cameras.Camera"] == 0
        assert users_with_a_password(installation) == ["keeper"]
