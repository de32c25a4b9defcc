"""A connection is closed also when a part of it cannot be released."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cameras.consumers.camera_socket import CameraSocket
from cameras.consumers.publish import PublishConsumer
from cameras.consumers.stream import StreamConsumer
from tests.waiting import until_async


class Stuck:
    """A viewer or publisher that cannot be released."""

    def leave(self) -> None:
        raise RuntimeError("a fault of ours")

    close = leave


@pytest.mark.parametrize(
    ("create", "part"), [(StreamConsumer, "viewer"), (PublishConsumer, "publisher")]
)
async def test_withdrawn_right_closes_a_connection_whose_part_cannot_be_released(
    create: Callable[[], CameraSocket],
    part: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    closed: list[int] = []

    async def close(code: int, reason: str = "") -> None:
        closed.append(code)

    consumer = create()
    consumer.task = None
    monkeypatch.setattr(consumer, part, Stuck())
    monkeypatch.setattr(consumer, "close", close)
    consumer._close_soon(4401)
    await until_async(lambda: closed == [4401])
    assert getattr(consumer, part) is None
    assert "a connection could not be released" in caplog.text
