"""The newest picture that a device pushed, for who comes after it: over Redis, with two servers."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import pytest
from websockets.sync.client import ClientConnection

from tests.installation import Installation, beside, installed
from tests.parcels import now, parcel, picture
from tests.people import Cast, assemble
from tests.redis import RedisServer
from tests.sockets import acknowledged, frame, heard, watching
from tests.waiting import until

Servers = tuple[Installation, Installation, Cast]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Two web processes and one of ingest, which share a database and Redis."""
    with (
        RedisServer(tmp_path_factory.mktemp("redis")) as redis,
        installed(tmp_path_factory.mktemp("newcomers"), REDIS_URL=redis.url) as first,
    ):
        first.serve()
        first.spawn("ingest")
        with beside(first) as second:
            yield first, second, assemble(first, "newcomers")


def push(house: Installation, cast: Cast) -> int:
    """One frame; when it was taken."""
    body = parcel(cast.push, timestamp=now(), frame=picture(200))
    url = f"{house.url}/api/v1/actions/actions/send"
    assert httpx.post(url, json=body, headers=cast["operator"].bearer).status_code == 202
    return int(body["timestamp"])


def shown(socket: ClientConnection) -> int:
    """The next picture's time, whatever is said before."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if "jpeg" in (message := acknowledged(socket, 20)):
            return int(message["timestamp"])
    raise AssertionError("no picture came")


@pytest.mark.parametrize("query", ["", "?width=320"])
def test_newcomer_elsewhere_gets_the_picture_that_others_have(servers: Servers, query: str) -> None:
    """The width is wished already, by the other process: for ingest it is not new."""
    first, second, cast = servers
    viewer = cast["viewer"].bearer
    with watching(first, cast.push, v1=True, headers=viewer, query=query) as here:
        until(lambda: first.state(cast.push) != "connecting", 30, "a reader")
        taken = push(first, cast)
        until(lambda: shown(here) == taken, 20, "the picture")
        with watching(second, cast.push, v1=True, headers=viewer, query=query) as there:
            assert shown(there) == taken
        assert not [one for one in heard(here, 0.5) if "jpeg" in one], "once for each"


def test_old_picture_is_shown_with_its_age_or_not_at_all(servers: Servers) -> None:
    first, _, cast = servers
    viewer = cast["viewer"].bearer
    taken = push(first, cast)
    until(lambda: first.state(cast.push) == "live", 20, "its state")
    until(lambda: first.state(cast.push) == "stale", 20, "an old picture")
    with (
        watching(first, cast.push, headers=viewer) as seed,
        watching(first, cast.push, v1=True, headers=viewer) as v1,
    ):
        found: list[dict[str, object]] = []
        until(lambda: found.append(acknowledged(v1, 20)) or "jpeg" in found[-1], 20, "a picture")
        assert [one["state"] for one in found if "state" in one][-1] == "stale"
        assert found[-1]["timestamp"] == taken
        assert int(str(found[-1]["age_ms"])) > 3_000
        newer = push(first, cast)
        assert frame(seed, 20)["timestamp"] == newer, "it was given nothing before"
