"""The files in `deploy/`: the nginx sample in use, and the systemd units as systemd checks them."""

from __future__ import annotations

import configparser
import contextlib
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.core.management import get_commands, load_command_class
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests import ROOT
from tests.gate.routes import credential_paths
from tests.installation import KEEPER, Installation, installed, submit
from tests.nginx import nginx
from tests.people import Scenario, create_scenario
from tests.waiting import free_port, until

DEPLOY = ROOT / "deploy"
SUBPATH = "/sideline"


def sample(sideline: int, root: int, under_path: int, logs: Path) -> str:
    """Return the shipped nginx.conf without TLS, with its two servers on these ports.

    Its logs are in the folder `logs`.
    """
    text = (DEPLOY / "nginx.conf").read_text().replace("/var/log/nginx", str(logs))
    text = re.sub(r"\n *(listen \[::\]|ssl_certificate)[^;]*;", "", text)
    assert text.count("listen 443 ssl http2;") == 2
    for port in (root, under_path):
        text = text.replace("listen 443 ssl http2;", f"listen 127.0.0.1:{port};", 1)
    assert text.count("server 127.0.0.1:7103;") == 1
    return text.replace("server 127.0.0.1:7103;", f"server 127.0.0.1:{sideline};")


class Site:
    """An installation, and the URL at which nginx serves it."""

    def __init__(self, installation: Installation, origin: str, path: str, folder: Path) -> None:
        self.installation, self.origin, self.path = installation, origin, path
        self.url = origin + path
        self.folder = folder
        self.scenario: Scenario = create_scenario(installation, "deploy")

    def bearer(self) -> dict[str, str]:
        return self.scenario["viewer"].bearer

    def cookie(self) -> dict[str, str]:
        return {"Cookie": f"sideline_session={self.scenario['viewer'].session}"}

    def watch(self, headers: dict[str, str], camera: str = "") -> dict[str, object]:
        """Receive three frames on a socket through nginx; return the first."""
        camera = camera or self.scenario.plaza
        address = f"{self.url.replace('http', 'ws', 1)}/ws/stream/{camera}"
        with connect(
            address, additional_headers=headers, max_size=None, open_timeout=60, proxy=None
        ) as socket:
            frames = [json.loads(socket.recv(timeout=60)) for _ in range(3)]
        times = [frame["timestamp"] for frame in frames]
        assert times == sorted(set(times))
        made: dict[str, object] = frames[0]
        return made


@contextlib.contextmanager
def behind_nginx(folder: Path, path: str) -> Iterator[Site]:
    """Run an installation behind the shipped sample, at the root or under the subpath."""
    ports = {"": free_port(), SUBPATH: free_port()}
    origin = f"http://127.0.0.1:{ports[path]}"
    data = folder / "data"
    data.mkdir()
    with installed(
        data, SIDELINE_PUBLIC_URL=origin + path, SIDELINE_TRUSTED_PROXIES="127.0.0.1"
    ) as installation:
        installation.serve()
        site = sample(installation.port, ports[""], ports[SUBPATH], folder)
        with nginx(folder, site, ports[path]):
            made = Site(installation, origin, path, folder)
            until(lambda: installation.state(made.scenario.plaza) == "live", 60, "the camera")
            yield made


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("", id="root", marks=pytest.mark.extended),
        pytest.param(SUBPATH, id="subpath"),
    ],
)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    with behind_nginx(tmp_path_factory.mktemp("nginx"), request.param) as made:
        yield made


def test_links_and_redirects_stay_under_the_public_url(site: Site) -> None:
    with httpx.Client(follow_redirects=True) as client:
        page = client.get(f"{site.url}/signin")
        assert page.status_code == 200, page.text
        local = re.findall(r'(?:href|src|action)="(/[^"]*)"', page.text)
        assert any("/static/" in address for address in local)
        for address in local:
            assert address.startswith(f"{site.path}/"), address
            if "/static/" in address:
                assert client.get(site.origin + address).status_code == 200, address
        wall = client.get(f"{site.url}/")
        assert wall.url.path == f"{site.path}/signin"
        signed_in = submit(client, wall, {"next": wall.url.params.get("next", ""), **KEEPER})
        assert signed_in.status_code == 200, signed_in.text
        assert signed_in.url.path == f"{site.path}/"
        assert "Plaza" in signed_in.text
        local = re.findall(r'(?:href|src|action)="(/[^"]*)"', signed_in.text)
        assert [address for address in local if not address.startswith(f"{site.path}/")] == []


def test_session_cookie_is_limited_to_the_subpath(site: Site) -> None:
    page = httpx.get(f"{site.url}/signin")
    assert f"Path={site.path}/" in page.headers["set-cookie"]


def test_programs_log_in_and_take_a_snapshot(site: Site) -> None:
    answer = httpx.post(
        f"{site.url}/api/v1/auth/login",
        json=KEEPER,
    )
    assert answer.status_code == 200, answer.text
    headers = {"Authorization": f"Bearer {answer.json()['token']}"}
    cameras = httpx.get(f"{site.url}/api/v1/cameras?limit=1", headers=headers).json()
    if cameras["next"]:
        assert cameras["next"].startswith(f"{site.url}/api/v1/cameras?")
    picture = httpx.get(
        f"{site.url}/api/v1/cameras/{site.scenario.plaza}/snapshot.jpg", headers=headers
    )
    assert picture.status_code == 200, picture.text
    assert picture.content.startswith(b"\xff\xd8")


def test_socket_delivers_frames_to_a_bearer(site: Site) -> None:
    assert site.watch(site.bearer())["camera_id"] == site.scenario.plaza


def test_socket_delivers_frames_to_a_session_of_the_public_origin(site: Site) -> None:
    frame = site.watch(site.cookie() | {"Origin": site.origin})
    assert frame["camera_id"] == site.scenario.plaza
    with pytest.raises(InvalidStatus, match="403"):
        site.watch(site.cookie() | {"Origin": "http://elsewhere.example"})


def test_no_credential_of_a_url_is_in_any_log(site: Site) -> None:
    """`test_masked_logs.py` tests more spellings, without a server behind nginx."""
    secret = "hunter2hunter2"
    paths = [*credential_paths(secret).values(), *credential_paths(f"sk_{secret}").values()]
    for path in (*paths, f"/ws/stream/{site.scenario.plaza}?ticket={secret}"):
        answer = httpx.get(site.url + path, headers={"Referer": site.url + path})
        assert answer.status_code >= 400, path
    with pytest.raises(InvalidStatus):
        site.watch({}, site.scenario.key[:-1])
    watched = site.watch({}, site.scenario.key)
    assert watched["camera_id"] == site.scenario.key
    log = site.folder / "sideline.log"
    until(lambda: "/ws/stream/*** " in log.read_text(), 30, "nginx to log the socket")
    logs = log.read_text() + (site.folder / "sideline-error.log").read_text()
    logs += site.installation.logged()
    assert secret not in logs
    assert site.scenario.key.removeprefix("sk_")[:8] not in logs


def arrivals(site: Site, timeout: float) -> list[float]:
    """Return when the first three pictures of an MJPEG stream arrived, in seconds."""
    found: list[float] = []
    began, data = time.monotonic(), b""
    address = f"{site.url}/api/v1/cameras/{site.scenario.plaza}/stream.mjpeg"
    with httpx.stream("GET", address, headers=site.bearer(), timeout=timeout) as answer:
        assert answer.status_code == 200
        for chunk in answer.iter_raw():
            data += chunk
            found += [time.monotonic() - began] * (data.count(b"\xff\xd9") - len(found))
            if len(found) >= 3:
                break
    assert data.startswith(b"--sideline\r\n")
    return found


def test_mjpeg_is_delivered(site: Site) -> None:
    assert len(arrivals(site, 60)) >= 3


@pytest.mark.timing
def test_mjpeg_arrives_unbuffered(site: Site) -> None:
    first, *_, last = arrivals(site, 10)
    assert first < 2, "the first part was buffered"
    assert last < 5


def test_too_large_body_gets_413(site: Site) -> None:
    def post(path: str, size: int) -> int:
        return httpx.post(
            f"{site.url}{path}", content=b"x" * size, headers=site.bearer(), timeout=60
        ).status_code

    assert post("/api/v1/auth/login", 2 * 1024**2) == 413
    assert post("/api/v1/actions/actions/send", 13 * 1024**2) == 413
    assert post("/api/v1/actions/actions/send", 9 * 1024**2) == 400, "large enough for a frame"
    assert post("/api/v1/actions/actions/send/", 9 * 1024**2) == 400


def test_only_the_proxy_can_set_the_client_address(site: Site) -> None:
    def fail_to_sign_in(url: str, own_address: str, name: str) -> None:
        transport = httpx.HTTPTransport(local_address=own_address)
        with httpx.Client(transport=transport) as client:
            answer = client.post(
                f"{url}/api/v1/auth/login",
                json={"username": name, "password": "wrong"},
                headers={"X-Forwarded-For": "203.0.113.9"},
            )
            assert answer.status_code == 401, answer.text

    fail_to_sign_in(site.url, "127.0.0.5", "through-nginx")
    fail_to_sign_in(site.installation.url, "127.0.0.7", "past-nginx")
    script = (
        "from axes.models import AccessAttempt as A\n"
        "print(*(f'{a.username}={a.ip_address}' for a in A.objects.all()))"
    )
    printed = site.installation.manage("shell", "-v0", "-c", script)
    assert "through-nginx=127.0.0.5" in printed
    assert "past-nginx=127.0.0.7" in printed


UNITS = sorted(DEPLOY.glob("*.service"))


def unit(path: Path) -> configparser.ConfigParser:
    parsed = configparser.ConfigParser(interpolation=None, strict=False)
    parsed.optionxform = str  # type: ignore[assignment, method-assign]
    parsed.read_string(path.read_text())
    return parsed


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_unit_starts_an_existing_command_as_an_unprivileged_user(path: Path) -> None:
    service = unit(path)["Service"]
    python, script, command, *options = service["ExecStart"].split()
    folder = service["WorkingDirectory"]
    assert python == f"{folder}/.venv/bin/python"
    assert (ROOT / script).is_file()
    parser = load_command_class(get_commands()[command], command).create_parser(script, command)
    parser.parse_args(options)
    assert service["User"] not in ("", "root")
    assert service["StateDirectory"] == "sideline"
    assert service["EnvironmentFile"] == "/etc/sideline.env"
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"


def test_environment_sample_contains_only_known_settings() -> None:
    settings = (ROOT / "project" / "settings" / "__init__.py").read_text()
    lines = (DEPLOY / "sideline.env").read_text().splitlines()
    names = [found[1] for line in lines if (found := re.match(r"#?([A-Z_]+)=", line))]
    assert "SIDELINE_DATA_DIR" in names
    assert [name for name in names if f'"{name}"' not in settings] == []


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_accepts_the_unit(path: Path, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    assert analyze, "systemd-analyze is missing"
    text = path.read_text().replace("/opt/sideline/.venv/bin/python", sys.executable)
    copy = tmp_path / path.name
    copy.write_text(text.replace("/opt/sideline", str(ROOT)))
    done = subprocess.run(
        [analyze, "verify", str(copy)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
