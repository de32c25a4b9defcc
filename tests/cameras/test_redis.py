"""Web and ingest apart, through a real Redis only."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import psutil
import pytest

from tests.installation import Installation, beside, installed
from tests.parcels import parcel, picture
from tests.people import Cast, assemble
from tests.redis import RedisServer
from tests.sockets import acknowledged, age_ms, frame, pixels, v1_message, watching
from tests.waiting import until


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def apart(
    tmp_path_factory: pytest.TempPathFactory, redis: RedisServer
) -> Iterator[tuple[Installation, Cast]]:
    """One web process and one ingest process, which share a database and Redis."""
    with installed(tmp_path_factory.mktemp("apart"), REDIS_URL=redis.url) as web:
        web.serve()
        web.spawn("ingest")
        yield web, assemble(web, "apart")


def test_it_works(apart: tuple[Installation, Cast]) -> None:
    web, cast = apart
    with watching(web, cast.key) as socket:
        seen = [frame(socket, 20) for _ in range(5)]
    assert pixels(seen[-1]["frame"]).shape == (432, 768, 3)
    assert abs(seen[-1]["timestamp"] - time.time() * 1000) < 1500
    until(lambda: web.state(cast.plaza) == "live", 5)
    assert httpx.get(f"{web.url}/readyz").status_code == 200


def test_serve_without_a_camera_reader_of_its_own(apart: tuple[Installation, Cast]) -> None:
    web, _ = apart
    assert not psutil.Process(web.processes[0].pid).children()


def test_second_web_process_shows_the_same_frames(apart: tuple[Installation, Cast]) -> None:
    web, cast = apart
    with (
        beside(web) as second,
        watching(web, cast.key) as here,
        watching(second, cast.key) as there,
    ):
        ours = {frame(here, 20)["timestamp"] for _ in range(15)}
        theirs = {frame(there, 20)["timestamp"] for _ in range(15)}
    assert ours & theirs


def test_pushed_frame_goes_through_ingest(apart: tuple[Installation, Cast]) -> None:
    web, cast = apart
    with watching(web, cast.push, headers=cast["viewer"].bearer) as socket:

        def push() -> bool:
            answer = httpx.post(
                f"{web.url}/api/v1/actions/actions/send",
                json=parcel(cast.push, frame=picture(shade=150)),
                headers=cast["operator"].bearer,
            )
            assert answer.status_code == 202, answer.text
            try:
                seen = frame(socket, 0.3)
            except TimeoutError:
                return False
            return abs(int(pixels(seen["frame"]).mean()) - 150) < 6

        assert until(push, 15, "a pushed frame")


def test_restart_of_redis_is_survived(apart: tuple[Installation, Cast], redis: RedisServer) -> None:
    """Viewers see *stale*, then live again within 5 s of its return; nobody reconnects."""
    web, cast = apart
    with watching(web, cast.key, v1=True) as socket:
        until(lambda: age_ms(acknowledged(socket)) < 1000, 20, "a frame")
        redis.stop()
        until(lambda: v1_message(socket, 10).get("state") == "stale", 10, "the word “stale”")
        redis.start()
        back = time.monotonic()
        until(lambda: age_ms(acknowledged(socket)) < 1000, 10, "frames again")
        assert time.monotonic() - back < 5
    assert web.logged().count("Traceback") == 0


def test_readyz_says_no_while_redis_is_away(
    apart: tuple[Installation, Cast], redis: RedisServer
) -> None:
    web, _ = apart

    def ready() -> tuple[int, str]:
        answer = httpx.get(f"{web.url}/readyz", timeout=10)
        return answer.status_code, answer.text

    until(lambda: ready() == (200, "ready\n"), 10, "yes")
    redis.stop()
    until(lambda: ready() == (503, "not ready\n"), 10, "no")
    assert httpx.get(f"{web.url}/healthz").status_code == 200
    redis.start()
    until(lambda: ready() == (200, "ready\n"), 10, "yes again")


def test_ingest_without_redis_says_what_to_do(house: Installation) -> None:
    printed = house.manage("ingest", check=False)
    assert "REDIS_URL" in printed
    assert "Traceback" not in printed
