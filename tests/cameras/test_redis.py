"""Web and ingest processes that share only Redis and the database."""

from __future__ import annotations

import time
from collections.abc import Iterator

import httpx
import psutil
import pytest
from django.core.management import CommandError, call_command

from tests.cameras.picture_outputs import is_next_taken_after
from tests.installation import Installation, installed, second_server
from tests.people import Scenario, create_scenario
from tests.push_messages import now, picture, send_body
from tests.redis import RedisServer
from tests.sockets import next_frame, next_picture, pixels, receive_and_acknowledge, watching
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
def scenario(web: Installation) -> Scenario:
    return create_scenario(web, "apart")


@pytest.fixture(scope="module")
def second(web: Installation) -> Iterator[Installation]:
    """Another web process on the same database and Redis."""
    with second_server(web) as other:
        yield other


def push(installation: Installation, scenario: Scenario, shade: int = 200) -> int:
    """One frame; when it was taken."""
    body = send_body(scenario.push, timestamp=now(), frame=picture(shade))
    url = f"{installation.url}/api/v1/actions/actions/send"
    answer = httpx.post(url, json=body, headers=scenario["operator"].bearer, timeout=30)
    assert answer.status_code == 202, answer.text
    return int(body["timestamp"])


@pytest.mark.postgres
def test_it_works(web: Installation, scenario: Scenario) -> None:
    with watching(web, scenario.key) as socket:
        seen = [next_frame(socket, 60) for _ in range(5)]
    assert pixels(seen[-1]["frame"]).shape == (432, 768, 3)
    until(lambda: web.state(scenario.plaza) == "live", 30)
    assert httpx.get(f"{web.url}/readyz").status_code == 200


def test_serve_starts_no_ingest_process_with_redis(web: Installation) -> None:
    assert not psutil.Process(web.processes[0].pid).children()


@pytest.mark.postgres
def test_second_web_process_shows_the_same_frames(
    web: Installation, second: Installation, scenario: Scenario
) -> None:
    with watching(web, scenario.key) as here, watching(second, scenario.key) as there:
        ours = {next_frame(here, 30)["timestamp"] for _ in range(15)}
        theirs = {next_frame(there, 30)["timestamp"] for _ in range(15)}
    assert ours & theirs


@pytest.mark.timing  # a pushed picture is shown for 10 s
@pytest.mark.parametrize("query", ["", "?width=320"])
def test_new_viewer_in_another_process_gets_the_newest_picture(
    web: Installation, second: Installation, scenario: Scenario, query: str
) -> None:
    """The other process watches this width already, so ingest is encoding it."""
    viewer = scenario["viewer"].bearer
    with watching(web, scenario.push, v1=True, headers=viewer, query=query) as here:
        until(lambda: web.state(scenario.push) != "connecting", 60, "a reader")
        taken = push(web, scenario)
        until(lambda: next_picture(here)["timestamp"] == taken, 60, "the picture")
        with watching(second, scenario.push, v1=True, headers=viewer, query=query) as there:
            assert next_picture(there)["timestamp"] == taken
        newer = push(web, scenario)
        assert next_picture(here)["timestamp"] == newer, "the former one is not sent again"


@pytest.mark.timing  # a pushed picture is stale after 3 s and offline after 10
def test_old_pushed_frame_is_sent_with_its_age_or_not_at_all(
    web: Installation, scenario: Scenario
) -> None:
    viewer = scenario["viewer"].bearer
    with web.api() as api:

        def read_state() -> tuple[str, str]:
            state = api.get(f"/cameras/{scenario.push}").json()["state"]
            return state["state"], state["last_frame_at"]

        _, former = read_state()
        taken = push(web, scenario, shade=150)
        until(
            lambda: read_state()[0] == "stale" and read_state()[1] != former, 60, "an old picture"
        )
    with (
        watching(web, scenario.push, headers=viewer) as seed,
        watching(web, scenario.push, v1=True, headers=viewer) as v1,
    ):
        found: list[dict[str, object]] = []
        until(
            lambda: found.append(receive_and_acknowledge(v1, 30)) or "jpeg" in found[-1],
            60,
            "a picture",
        )
        assert [one["state"] for one in found if "state" in one][-1] == "stale"
        assert found[-1]["timestamp"] == taken
        assert int(str(found[-1]["age_ms"])) > 3_000
        newer = push(web, scenario, shade=150)
        seen = next_frame(seed, 30)
        assert seen["timestamp"] == newer, "it must not get the old one"
        assert abs(int(pixels(seen["frame"]).mean()) - 150) < 6


@pytest.mark.extended
def test_streams_continue_after_a_restart_of_redis(
    web: Installation, scenario: Scenario, redis: RedisServer
) -> None:
    """Viewers get “stale”, then pictures, without reconnecting. test_leases.py tests the delay."""

    def ready() -> tuple[int, str]:
        answer = httpx.get(f"{web.url}/readyz", timeout=30)
        return answer.status_code, answer.text

    with watching(web, scenario.key, v1=True) as socket:
        until(lambda: "jpeg" in receive_and_acknowledge(socket, 30), 60, "a frame")
        until(lambda: ready() == (200, "ready\n"), 60, "yes")
        redis.stop()
        until(
            lambda: receive_and_acknowledge(socket, 60).get("state") == "stale",
            60,
            "the word “stale”",
        )
        until(lambda: ready() == (503, "not ready\n"), 60, "no")
        assert httpx.get(f"{web.url}/healthz").status_code == 200
        away = time.time() * 1000
        redis.start()
        until(lambda: is_next_taken_after(socket, away), 60, "frames again")
        until(lambda: ready() == (200, "ready\n"), 60, "yes again")


@pytest.mark.django_db
def test_ingest_without_redis_explains_the_error() -> None:
    with pytest.raises(CommandError, match="REDIS_URL"):
        call_command("ingest")
