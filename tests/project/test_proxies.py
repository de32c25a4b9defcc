"""Proxies that the settings do not name."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from project.middleware import TrustedProxies


def test_a_proxy_that_is_not_named_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["client"][0])

    async def ask(door: TrustedProxies, *headers: tuple[bytes, bytes]) -> None:
        scope = {"type": "http", "client": ["203.0.113.1", 4], "headers": headers}
        await door(scope, None, None)  # type: ignore[arg-type]

    async def asked() -> None:
        door = TrustedProxies(app)
        await ask(door, (b"host", b"x"))
        assert caplog.messages == []
        for _ in range(3):
            await ask(door, (b"x-forwarded-for", b"192.0.2.7"))

    asyncio.run(asked())
    assert seen == ["203.0.113.1"] * 4
    (said,) = caplog.messages
    assert said.startswith("X-Forwarded-For from 203.0.113.1 is ignored.")
    assert "SIDELINE_TRUSTED_PROXIES" in said
