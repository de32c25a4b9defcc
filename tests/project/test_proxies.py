"""Proxies that are not in SIDELINE_TRUSTED_PROXIES."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from project.middleware import TrustedProxies


def test_untrusted_proxy_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["client"][0])

    async def send(middleware: TrustedProxies, *headers: tuple[bytes, bytes]) -> None:
        scope = {"type": "http", "client": ["203.0.113.1", 4], "headers": headers}
        await middleware(scope, None, None)  # type: ignore[arg-type]

    async def send_all() -> None:
        middleware = TrustedProxies(app)
        await send(middleware, (b"host", b"x"))
        assert caplog.messages == []
        for _ in range(3):
            await send(middleware, (b"x-forwarded-for", b"192.0.2.7"))

    asyncio.run(send_all())
    assert seen == ["203.0.113.1"] * 4
    (message,) = caplog.messages
    assert message.startswith("X-Forwarded-For from 203.0.113.1 is ignored.")
    assert "SIDELINE_TRUSTED_PROXIES" in message
