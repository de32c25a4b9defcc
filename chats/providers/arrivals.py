"""A response's body, read so that pieces which came together are handled together."""

from __future__ import annotations

import asyncio

import httpx

BOUND = 256 * 1024  # bytes


class Arrivals:
    """Owns a response and a task that reads it; `take` gives all that was read since.

    httpx hands over every HTTP chunk by itself, and a model's server makes one of each token.
    Bound: `BOUND` bytes and one chunk; beyond it nothing is read, and the endpoint has to wait.
    """

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._read: list[bytes] = []
        self._size = 0
        self._came = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._leaving = False
        self._task = asyncio.create_task(self._reading(), name="reading a model's answer")
        self._task.add_done_callback(lambda _: self._came.set())

    async def _reading(self) -> None:
        body = self._response.stream  # not `aiter_raw`, which closes the response by itself
        assert isinstance(body, httpx.AsyncByteStream)
        try:
            async for chunk in body:
                self._read.append(chunk)
                self._size += len(chunk)
                self._came.set()
                if self._size > BOUND:
                    self._room.clear()
                    await self._room.wait()
        finally:
            self._leaving = True
            await self._response.aclose()

    async def take(self) -> bytes:
        """What came; b"" at the end. Raises what reading raised, after all that came before."""
        await self._came.wait()
        if not self._read:
            await self._task
            return b""
        chunk = b"".join(self._read)
        self._read.clear()
        self._size = 0
        self._room.set()
        if not self._task.done():
            self._came.clear()
        return chunk

    async def close(self) -> None:
        """Hang up, if the body has not ended by itself."""
        if not self._leaving:  # a cancelled `aclose` of httpx leaves the socket open for ever
            self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.exception()  # looked at: it came after whatever ended the answer
