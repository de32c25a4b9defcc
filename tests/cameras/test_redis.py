"""Web and ingest apart, through a real Redis only; the second web process on the same rows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.cameras.picture_exits import taken_after
from tests.installation import Installation, beside, installed
from tests.parcels import now, parcel, picture
from tests.people import Cast, assemble
from tests.redis import RedisServer
from tests.sockets import acknowledged, frame, next_picture, pixels, watching
from tests.waiting import until


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, redis: RedisServer) -> Iterator[Installation]:
    """One web process and one ingest process, which share a database and Redis."""
    with installed(tmp_path_factory.mktemp("apart"), REDIS_URL=redis.url) as first:
        first.serve()
        first.spawn("ingest")
        yield first
        assert "Traceback" not in first.logged()


@pytest.fixture(scope="module")
def cast(web: Installation) -> Cast:
    return assemble(web, "apart")


@pytest.fixture(scope="module")
def second(web: Installation) -> Iterator[Installation]:
    """Another web process on the same database and Redis."""
    with beside(web) as other:
        yield other


def push(installation: Installation, cast: Cast, shade: int = 200) -> int:
    """One frame; when it was taken."""
    body = parcel(cast.push, timestamp=now(), frame=picture(shade))
    url = f"{installation.url}/api/v1/actions/actions/send"
    answer = httpx.post(url, json=body, headers=cast["operator"].bearer, timeout=30)
    assert answer.status_code == 202, answer.text
    return int(body["timestamp"])


@pytest.mark.postgres
def test_it_works(web: Installation, cast: Cast) -> None:
    with watching(web, cast.key) as socket:
        seen = [frame(socket, 60) for _ in range(5)]
    assert pixels(seen[-1]["frame"]).shape == (432, 768, 3)
    until(lambda: web.state(cast.plaza) == "live", 30)
    assert httpx.get(f"{web.url}/readyz").status_code == 200


def test_serve_without_a_camera_reader_of_its_own(web: Installation) -> None:
    assert not psutil.Process(web.processes[0].pid).children()


@pytest.mark.postgres
def test_second_web_process_shows_the_same_frames(
    web: Installation, second: Installation, cast: Cast
) -> None:
    with watching(web, cast.key) as here, watching(second, cast.key) as there:
        ours = {frame(here, 30)["timestamp"] for _ in range(15)}
        theirs = {frame(there, 30)["timestamp"] for _ in range(15)}
    assert ours & theirs


@pytest.mark.timing  # a pushed picture is shown for 10 s
@pytest.mark.parametrize("query", ["", "?width=320"])
def test_newcomer_elsewhere_gets_the_picture_that_others_have(
    web: Installation, second: Installation, cast: Cast, query: str
) -> None:
    """The width is wished already, by the other process: for ingest it is not new."""
    viewer = cast["viewer"].bearer
    with watching(web, cast.push, v1=True, headers=viewer, query=query) as here:
        until(lambda: web.state(cast.push) != "connecting", 60, "a reader")
        taken = push(web, cast)
        until(lambda: next_picture(here)["timestamp"] == taken, 60, "the picture")
        with watching(second, cast.push, v1=True, headers=viewer, query=query) as there:
            assert next_picture(there)["timestamp"] == taken
        newer = push(web, cast)
        assert next_picture(here)["timestamp"] == newer, "the former one once for each"


@pytest.mark.timing  # a pushed picture is stale after 3 s and offline after 10
def test_pushed_frame_goes_through_ingest_and_is_shown_old_with_its_age_or_not_at_all(
    web: Installation, cast: Cast
) -> None:
    viewer = cast["viewer"].bearer
    with web.api() as api:

        def told() -> tuple[str, str]:
            state = api.get(f"/cameras/{cast.push}").json()["state"]
            return state["state"], state["last_frame_at"]

        _, former = told()
        taken = push(web, cast, shade=150)
        until(lambda: told()[0] == "stale" and told()[1] != former, 60, "an old picture")
    with (
        watching(web, cast.push, headers=viewer) as seed,
        watching(web, cast.push, v1=True, headers=viewer) as v1,
    ):
        found: list[dict[str, object]] = []
        until(lambda: found.append(acknowledged(v1, 30)) or "jpeg" in found[-1], 60, "a picture")
        assert [one["state"] for one in found if "state" in one][-1] == "stale"
        assert found[-1]["timestamp"] == taken
        assert int(str(found[-1]["age_ms"])) > 3_000
        newer = push(web, cast, shade=150)
        seen = frame(seed, 30)
        assert seen["timestamp"] == newer, "it was given nothing before"
        assert abs(int(pixels(seen["frame"]).mean()) - 150) < 6


@pytest.mark.extended
def test_restart_of_redis_is_survived(web: Installation, cast: Cast, redis: RedisServer) -> None:
    """Viewers see *stale*, then pictures again; nobody reconnects. How soon: test_leases.py."""

    def ready() -> tuple[int, str]:
        answer = httpx.get(f"{web.url}/readyz", timeout=30)
        return answer.status_code, answer.text

    with watching(web, cast.key, v1=True) as socket:
        until(lambda: "jpeg" in acknowledged(socket, 30), 60, "a frame")
        until(lambda: ready() == (200, "ready\n"), 60, "yes")
        redis.stop()
        until(lambda: acknowledged(socket, 60).get("state") == "stale", 60, "the word “stale”")
        until(lambda: ready() == (503, "not ready\n"), 60, "no")
        assert httpx.get(f"{web.url}/healthz").status_code == 200
        away = time.time() * 1000
        redis.start()
        until(lambda: taken_after(socket, away), 60, "frames again")
        until(lambda: ready() == (200, "ready\n"), 60, "yes again")


def test_ingest_without_redis_says_what_to_do(folder: Path) -> None:
    printed = Installation(folder).manage("ingest", check=False)
    assert "REDIS_URL" in printed
    assert "Traceback" not in printed
