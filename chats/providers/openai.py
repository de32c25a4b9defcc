"""A provider for any endpoint that streams chat completions in OpenAI's format."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx

from chats.providers.base import (
    Conversation,
    Finish,
    Nonsense,
    Refused,
    Turn,
    Unreachable,
    clean,
)  # fmt: skip
from chats.providers.errors import error_in, refusal, retry_after
from chats.providers.stream_parser import AnswerParser
from chats.providers.transport import CONNECT_S, Arrivals, CheckedTransport, check_base_url

FIRST_BYTE_S = 60.0
PIECE_S = 60.0  # between two pieces of an answer; a ping is a piece
SILENCE_S = 600.0  # of pings alone
BODY_MOST = 32 * 1024 * 1024  # bytes of a whole answer, with what is around its words
SLICE = 16 * 1024  # bytes parsed at a time
COUNT_S = 5.0  # that a finished answer waits for its count of tokens
ERROR_BYTES = 64 * 1024  # read of an error's body
_LESSONS = 3  # see `Dialect`
CONTINUE = "Continue your answer exactly where it stopped. Do not repeat anything."


@dataclass(slots=True)
class Dialect:
    """What an endpoint turned out not to accept; learnt from its 400s, see `learn`."""

    usage: bool = True  # `stream_options`, by which it counts
    temperature: bool = True  # OpenAI's reasoning models have a fixed one
    bound: str = "max_tokens"  # or its later name

    def learn(self, error: Any) -> bool:
        """True where this refusal names a parameter that can be left out or renamed."""
        said = str(error)
        if self.usage and "stream_options" in said:
            self.usage = False
        elif self.bound == "max_tokens" and "max_completion_tokens" in said:
            self.bound = "max_completion_tokens"
        elif self.temperature and "temperature" in said:
            self.temperature = False
        else:
            return False
        return True


def request(
    model: str, conversation: Conversation, dialect: Dialect, *, prefills: bool
) -> dict[str, Any]:
    """The JSON body. `prefills`: the endpoint continues a trailing assistant message."""
    messages = [{"role": turn.role, "content": clean(turn.content)} for turn in conversation.turns]
    body: dict[str, Any] = {"model": model, "messages": messages, "stream": True}
    if conversation.unfinished:
        messages.append({"role": "assistant", "content": clean(conversation.unfinished)})
        if prefills:  # llama.cpp and vLLM
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        else:
            messages.append({"role": "user", "content": CONTINUE})
    body[dialect.bound] = conversation.max_tokens
    if dialect.temperature:
        body["temperature"] = conversation.temperature
    if dialect.usage:
        body["stream_options"] = {"include_usage": True}
    return body


class OpenAICompatible:
    """A `Provider`. `listed`: see `dialing`. Raises `ValueError` where the base URL is not one.

    `prefills`: the endpoint continues a trailing assistant message, as llama.cpp does.
    `extra` goes into every request; `who` starts sentences about it.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        model: str,
        *,
        listed: frozenset[str] = frozenset(),
        prefills: bool = False,
        extra: Mapping[str, Any] | None = None,
        first_byte_s: float = FIRST_BYTE_S,
        piece_s: float = PIECE_S,
        who: str = "",
    ) -> None:
        self._url = check_base_url(base_url, listed) + "/chat/completions"
        self._key = key.strip()
        self._model = model
        self._prefills = prefills
        self._extra = dict(extra or {})
        self._first_byte_s, self._piece_s = first_byte_s, piece_s
        self._who = who or f"The model at {httpx.URL(self._url).host}"
        self._dialect = Dialect()
        self._client = httpx.AsyncClient(
            transport=CheckedTransport(listed),
            trust_env=False,
            follow_redirects=False,
            # Waiting for an answer is timed here, by what is waited for.
            timeout=httpx.Timeout(connect=CONNECT_S, read=None, write=30.0, pool=None),
        )

    @property
    def model(self) -> str:
        """The model's name, as the endpoint knows it."""
        return self._model

    async def answer(self, conversation: Conversation) -> AsyncGenerator[str | Finish, None]:
        """See `Provider`. What arrived together is one piece."""
        arrivals = Arrivals(await self._open(conversation))
        try:
            async with aclosing(self._pieces(arrivals)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            await arrivals.close()

    async def check(self) -> str:
        """Ask for a few words: a sentence with the time to the first. Raises `ProviderError`."""
        hello = Conversation((Turn("user", "Say hello."),), temperature=0.0, max_tokens=16)
        started = time.perf_counter()
        async with aclosing(self.answer(hello)) as pieces:
            async for piece in pieces:
                seconds = time.perf_counter() - started
                if isinstance(piece, Finish):
                    return f"“{self._model}” answered after {seconds:.2f} s, but without a word."
                break
        return f"“{self._model}” answers: its first word came after {seconds:.2f} s."

    async def close(self) -> None:
        """Give connections back."""
        await self._client.aclose()

    async def _pieces(self, arrivals: Arrivals) -> AsyncGenerator[str | Finish, None]:
        answer = AnswerParser(self._who, self._key)
        patience = self._first_byte_s
        spoke, received = time.monotonic(), 0
        while not answer.done:
            try:
                async with asyncio.timeout(COUNT_S if answer.finished else patience):
                    chunk = await arrivals.take()
            except TimeoutError:
                if answer.finished:
                    break
                raise self._silent(patience) from None
            except httpx.HTTPError:
                if answer.finished:
                    break
                raise Unreachable(f"{self._who} broke off in mid-answer. Try again.") from None
            if not chunk:
                break
            patience = self._piece_s
            received += len(chunk)
            if received > BODY_MOST:
                raise Nonsense(f"{self._who} sends without end. Try another model.")
            if text := await self._fed(answer, chunk):
                spoke = time.monotonic()
                yield text
            elif time.monotonic() - spoke > SILENCE_S:
                raise self._silent(SILENCE_S)
        if text := answer.end():
            yield text
        if answer.failure is not None:
            raise answer.failure
        yield answer.finish

    async def _fed(self, answer: AnswerParser, chunk: bytes) -> str:
        """The text in a chunk. One that floods us must not hold up everybody: with pauses."""
        texts = [answer.feed(chunk[:SLICE])]
        for at in range(SLICE, len(chunk), SLICE):
            await asyncio.sleep(0)
            texts.append(answer.feed(chunk[at : at + SLICE]))
        if not any(texts):
            await asyncio.sleep(0)
        return "".join(texts)

    async def _open(self, conversation: Conversation) -> httpx.Response:
        """A response of status 200, to be closed by the caller."""
        for _ in range(_LESSONS):
            response = await self._send(conversation)
            if response.status_code == 200:
                return response
            error = error_in(await self._error_body(Arrivals(response)))
            if response.status_code not in (400, 422) or not self._dialect.learn(error):
                break
        wait = retry_after(response.headers.get("Retry-After"))
        raise refusal(self._who, response.status_code, error, self._key, wait)

    async def _send(self, conversation: Conversation) -> httpx.Response:
        if not (self._key.isascii() and self._key.isprintable()):
            raise Refused("The key holds characters that no key has. Enter it again.")
        headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        body = request(self._model, conversation, self._dialect, prefills=self._prefills)
        posted = self._client.build_request(
            "POST", self._url, headers=headers, json=body | self._extra
        )
        try:
            async with asyncio.timeout(self._first_byte_s):
                response = await self._client.send(posted, stream=True)
        except TimeoutError:
            raise self._silent(self._first_byte_s) from None
        except httpx.HTTPError:
            raise Unreachable(
                f"{self._who} cannot be reached. Check that it runs and that the base URL is right."
            ) from None
        if response.headers.get("Content-Encoding", "identity") != "identity":
            await response.aclose()
            raise Nonsense(f"{self._who} compresses its answer, though asked not to.")
        return response

    async def _error_body(self, arrivals: Arrivals) -> bytes:
        body = b""
        try:
            async with asyncio.timeout(self._piece_s):
                while len(body) < ERROR_BYTES and (chunk := await arrivals.take()):
                    body += chunk
        except (TimeoutError, httpx.HTTPError):
            pass  # the status says enough
        finally:
            await arrivals.close()
        return body

    def _silent(self, seconds: float) -> Unreachable:
        return Unreachable(f"{self._who} said nothing for {seconds:.0f} seconds. Try again.")
