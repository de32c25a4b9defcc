"""Client addresses in the log: the peer's, or the one that a trusted proxy reports."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from project.addresses import normalize_address
from project.middleware import TrustedProxies
from tests.installation import KEEPER, Installation, installed, submit
from tests.people import Scenario, create_scenario
from tests.project.audit.reading import ask, open_views, view_of
from tests.sockets import next_frame, watching
from tests.waiting import until


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Installation, Scenario]]:
    """An installation whose proxies are at 127.0.0.1 and in 10.0.0.0/8."""
    folder = tmp_path_factory.mktemp("behind")
    with installed(folder, SIDELINE_TRUSTED_PROXIES="127.0.0.1,10.0.0.0/8") as installation:
        installation.serve()
        yield installation, create_scenario(installation, "behind")


def failed_from(installation: Installation, *lines: str) -> str:
    """Return the logged address of a failed sign-in with these `X-Forwarded-For` headers."""
    headers = [("X-Forwarded-For", line) for line in lines]
    with httpx.Client(base_url=installation.url, headers=headers, timeout=30) as client:
        answer = submit(client, client.get("/signin"), {"username": "who", "password": "no"})
        assert answer.status_code == 200
    (row,) = ask(
        installation,
        "SELECT host(address) AS address FROM audit_auditentry "
        "WHERE action = 'fail to sign in' ORDER BY id DESC LIMIT 1",
    )
    return str(row["address"])


async def client_in_scope(peer: str, *lines: str) -> str:
    """Return the client address in the scope behind `TrustedProxies`."""
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)

    headers = [(b"x-forwarded-for", line.encode()) for line in lines]
    scope = {"type": "http", "client": [peer, 5], "headers": headers, "scheme": "http"}
    await TrustedProxies(app)(scope, None, None)  # type: ignore[arg-type]
    return str(scopes[0]["client"][0])


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        (["203.0.113.7"], "203.0.113.7"),
        (["6.6.6.6, 203.0.113.7"], "203.0.113.7"),  # the left one was sent by the client
        (["6.6.6.6", "203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7, 10.1.2.3"], "203.0.113.7"),
        (["203.0.113.7", "10.1.2.3"], "203.0.113.7"),
        (["203.0.113.7, ::ffff:10.1.2.3"], "203.0.113.7"),
        (["2001:DB8::0007"], "2001:db8::7"),
        (["10.9.9.9"], "127.0.0.1"),
        (["203.0.113.7, <script>"], "127.0.0.1"),
        ([], "127.0.0.1"),
    ],
)
async def test_client_is_the_last_address_that_is_no_trusted_proxy(
    settings: Any, lines: list[str], client: str
) -> None:
    settings.TRUSTED_PROXIES = [*map(ipaddress.ip_network, ("127.0.0.1", "10.0.0.0/8"))]
    assert await client_in_scope("127.0.0.1", *lines) == client


@pytest.mark.postgres
def test_failed_sign_in_is_logged_with_the_client_address(
    behind: tuple[Installation, Scenario],
) -> None:
    for lines in (["6.6.6.6", "203.0.113.7, ::ffff:10.1.2.3"], ["6.6.6.6, 203.0.113.7"]):
        assert failed_from(behind[0], *lines) == "203.0.113.7"


@pytest.mark.postgres
def test_attempts_count_per_client_not_per_proxy(
    behind: tuple[Installation, Scenario],
) -> None:
    installation, _ = behind

    def login(client: str, password: str) -> int:
        headers = {"X-Forwarded-For": f"192.0.2.9, {client}"}
        form = {"username": KEEPER["username"], "password": password}
        url = f"{installation.url}/api/v1/auth/login"
        return httpx.post(url, json=form, headers=headers, timeout=60).status_code

    assert login("203.0.113.5", "wrong") == 401
    row = "ip_address = '203.0.113.5' AND username = 'keeper' AND user_agent = ''"
    assert len(ask(installation, f"SELECT id FROM axes_accessattempt WHERE {row}")) == 1
    ask(installation, f"UPDATE axes_accessattempt SET failures_since_start = 7 WHERE {row}")
    assert login("203.0.113.5", "wrong") == 429, "the eighth attempt"
    assert login("203.0.113.5", KEEPER["password"]) == 429
    assert login("203.0.113.6", KEEPER["password"]) == 200


@pytest.mark.postgres
def test_sockets_and_pages_log_the_same_address(behind: tuple[Installation, Scenario]) -> None:
    installation, scenario = behind
    forwarded = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9"}
    with watching(installation, scenario.key, headers=forwarded) as socket:
        next_frame(socket, 20)
        assert [row["address"] for row in open_views(installation, scenario.plaza)] == [
            "203.0.113.9"
        ]
    snapshot = f"{installation.url}/api/v1/cameras/{scenario.plaza}/snapshot.jpg"
    headers = forwarded | scenario["viewer"].bearer
    until(lambda: httpx.get(snapshot, headers=headers).status_code == 200, 60, "a picture")
    taken = view_of(installation, scenario.plaza, "behind-viewer", "take snapshot")
    assert taken["address"] == "203.0.113.9"


def test_untrusted_peer_cannot_set_its_address(installation: Installation) -> None:
    assert failed_from(installation, "203.0.113.7") == "127.0.0.1"
    scenario = create_scenario(installation, "unbelieved")
    viewer = scenario["viewer"]
    headers = viewer.bearer | {"X-Forwarded-For": "203.0.113.7"}
    with watching(installation, scenario.plaza, headers=headers) as socket:
        next_frame(socket, 20)
        assert view_of(installation, scenario.plaza, viewer.username)["address"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("", None),
        (None, None),
        ("unix:", None),
    ],
)
def test_addresses_are_normalized(text: str | None, expected: str | None) -> None:
    assert normalize_address(text) == expected
    assert expected is None or re.fullmatch(r"[0-9a-f:.]+", expected)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("::ffff:192.0.2.1", None, "192.0.2.1"),
        ("fe80::1%eth0", None, "fe80::1"),
        ("::ffff:127.0.0.1", "::ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:127.0.0.1", "not an address", "127.0.0.1"),
        ("", None, ""),
    ],
)
async def test_scope_has_the_normalized_address(
    settings: Any, peer: str, forwarded: str | None, client: str
) -> None:
    settings.TRUSTED_PROXIES = [ipaddress.ip_network("127.0.0.1")]
    assert await client_in_scope(peer, *([] if forwarded is None else [forwarded])) == client
