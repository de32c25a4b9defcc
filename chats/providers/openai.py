"""A provider for any endpoint that streams chat completions in OpenAI's format."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx

from chats.providers.base import (
    Conversation,
    Finish,
    InvalidResponse,
    Refused,
    Rejected,
    Turn,
    Unreachable,
    clean,
)  # fmt: skip
from chats.providers.errors import error_in, exception_for, retry_after
from chats.providers.stream_parser import AnswerParser
from chats.providers.transport import CONNECT_S, BodyReader, CheckedTransport, check_base_url

FIRST_BYTE_S = 60.0
PIECE_S = 60.0  # between two pieces of an answer; a ping counts as a piece
SILENCE_S = 600.0  # without text, only pings
MAX_BODY = 32 * 1024 * 1024  # bytes of a whole answer, JSON included
SLICE = 16 * 1024  # bytes parsed at a time
USAGE_S = 5.0  # that a finished answer waits for its token counts
MAX_ERROR = 64 * 1024  # bytes read of an error's body
COUNT_S = 10.0  # for counting the tokens of a conversation
COUNTS_AT_ONCE = 8
_NO_SUCH_PATH = (404, 405, 501)  # a server without a tokenizer
MAX_TOKEN_BYTES = 32  # of a token in a list of tokens
_ATTEMPTS = 3  # with another `Dialect` each
CONTINUE = "Continue your answer exactly where it stopped. Do not repeat anything."


@dataclass(slots=True)
class Dialect:
    """The parameters that an endpoint accepts; learnt from its 400 responses, see `learn`."""

    usage: bool = True  # `stream_options`, which requests token counts
    temperature: bool = True  # OpenAI's reasoning models have a fixed one
    limit_name: str = "max_tokens"  # or its newer name
    tokenizes: bool = True  # whether it has llama.cpp's or vLLM's `/tokenize`

    def learn(self, error: Any) -> bool:
        """Leave out or rename the parameter that an error names; False if it names none."""
        text = str(error)
        if self.usage and "stream_options" in text:
            self.usage = False
        elif self.limit_name == "max_tokens" and "max_completion_tokens" in text:
            self.limit_name = "max_completion_tokens"
        elif self.temperature and "temperature" in text:
            self.temperature = False
        else:
            return False
        return True


def request(
    model: str, conversation: Conversation, dialect: Dialect, *, supports_prefill: bool
) -> dict[str, Any]:
    """Return the JSON body of a request."""
    messages = [{"role": turn.role, "content": clean(turn.content)} for turn in conversation.turns]
    body: dict[str, Any] = {"model": model, "messages": messages, "stream": True}
    if conversation.prefill:
        messages.append({"role": "assistant", "content": clean(conversation.prefill)})
        if supports_prefill:  # llama.cpp and vLLM
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        else:
            messages.append({"role": "user", "content": CONTINUE})
    body[dialect.limit_name] = conversation.max_tokens
    if dialect.temperature:
        body["temperature"] = conversation.temperature
    if dialect.usage:
        body["stream_options"] = {"include_usage": True}
    return body


class OpenAICompatible:
    """A `Provider`. Raises `ValueError` if the base URL is invalid.

    `listed`: see `CheckedTransport`. `supports_prefill`: the endpoint continues a trailing
    assistant message, as llama.cpp does. `extra` is added to every request; `label` starts
    sentences about the endpoint.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        model: str,
        *,
        listed: frozenset[str] = frozenset(),
        supports_prefill: bool = False,
        extra: Mapping[str, Any] | None = None,
        first_byte_s: float = FIRST_BYTE_S,
        piece_s: float = PIECE_S,
        label: str = "",
    ) -> None:
        base = check_base_url(base_url, listed)
        self._url = base + "/chat/completions"
        self._tokenize_url = base.removesuffix("/v1") + "/tokenize"
        self._key = key.strip()
        self._model = model
        self._supports_prefill = supports_prefill
        self._extra = dict(extra or {})
        self._first_byte_s, self._piece_s = first_byte_s, piece_s
        self._label = label or f"The model at {httpx.URL(self._url).host}"
        self._dialect = Dialect()
        self._client = httpx.AsyncClient(
            transport=CheckedTransport(listed),
            trust_env=False,
            follow_redirects=False,
            # Reads are timed in this class, with a limit for each phase.
            timeout=httpx.Timeout(connect=CONNECT_S, read=None, write=30.0, pool=None),
        )

    @property
    def model(self) -> str:
        """The model's name, as the endpoint knows it."""
        return self._model

    async def answer(self, conversation: Conversation) -> AsyncGenerator[str | Finish, None]:
        """See `Provider`. Text that arrived together is one piece."""
        body = BodyReader(await self._open(conversation))
        try:
            async with aclosing(self._pieces(body)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            await body.close()

    async def count_tokens(self, texts: Sequence[str]) -> list[int] | None:
        """See `Provider`. None also if it takes longer than `COUNT_S`."""
        places = asyncio.Semaphore(COUNTS_AT_ONCE)

        async def count(text: str) -> int:
            async with places:
                return await self._count(text)

        if not self._dialect.tokenizes:
            return None
        try:
            async with asyncio.timeout(COUNT_S), asyncio.TaskGroup() as group:
                tasks = [group.create_task(count(text)) for text in texts]
        except (TimeoutError, ExceptionGroup):
            return None
        return [task.result() for task in tasks]

    async def check(self) -> str:
        """Request a few words; return a sentence with the time to the first token.

        Raises `ProviderError`.
        """
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
        """Close connections."""
        await self._client.aclose()

    async def _count(self, text: str) -> int:
        """Return the number of tokens. Raises `InvalidResponse`, `Rejected` and httpx's errors."""
        if not text:
            return 0
        fields = {"model": self._model, "add_special": False, "add_special_tokens": False}
        text = clean(text)
        request = self._client.build_request(
            "POST", self._tokenize_url, headers=self._headers(),
            json=fields | {"content": text, "prompt": text},  # llama.cpp's name and vLLM's
        )  # fmt: skip
        response = await self._client.send(request, stream=True)
        limit = MAX_ERROR + MAX_TOKEN_BYTES * len(text.encode())
        answer = await self._read(BodyReader(response), limit)
        if response.status_code not in (200, *_NO_SUCH_PATH):  # a refusal of this text, or of now
            raise InvalidResponse("The tokenizer did not count this text.")
        try:
            found = json.loads(answer)
            tokens, count = found.get("tokens"), found.get("count")
            number = len(tokens) if isinstance(tokens, list) else int(count)
        except (ValueError, TypeError, AttributeError, RecursionError):
            self._dialect.tokenizes = False
            raise Rejected("There is no tokenizer.") from None
        return number

    async def _pieces(self, body: BodyReader) -> AsyncGenerator[str | Finish, None]:
        answer = AnswerParser(self._label, self._key)
        timeout = self._first_byte_s
        last_text_at, received = time.monotonic(), 0
        while not answer.is_done:
            try:
                async with asyncio.timeout(USAGE_S if answer.is_finished else timeout):
                    chunk = await body.read()
            except TimeoutError:
                if answer.is_finished:
                    break
                raise self._timed_out(timeout) from None
            except httpx.HTTPError:
                if answer.is_finished:
                    break
                raise Unreachable(f"{self._label} broke off in mid-answer. Try again.") from None
            if not chunk:
                break
            timeout = self._piece_s
            received += len(chunk)
            if received > MAX_BODY:
                raise InvalidResponse(f"{self._label} sends without end. Try another model.")
            if text := await self._feed(answer, chunk):
                last_text_at = time.monotonic()
                yield text
            elif time.monotonic() - last_text_at > SILENCE_S:
                raise self._timed_out(SILENCE_S)
        if text := answer.end():
            yield text
        if answer.failure is not None:
            raise answer.failure
        yield answer.finish

    async def _feed(self, answer: AnswerParser, chunk: bytes) -> str:
        """Parse a chunk and return its text. Large chunks must not block the event loop."""
        texts = [answer.feed(chunk[:SLICE])]
        for at in range(SLICE, len(chunk), SLICE):
            await asyncio.sleep(0)
            texts.append(answer.feed(chunk[at : at + SLICE]))
        if not any(texts):
            await asyncio.sleep(0)
        return "".join(texts)

    async def _open(self, conversation: Conversation) -> httpx.Response:
        """Return a response of status 200; the caller closes it. Raises `ProviderError`."""
        for _ in range(_ATTEMPTS):
            response = await self._send(conversation)
            if response.status_code == 200:
                return response
            error = error_in(await self._read(BodyReader(response), MAX_ERROR))
            if response.status_code not in (400, 422) or not self._dialect.learn(error):
                break
        wait = retry_after(response.headers.get("Retry-After"))
        raise exception_for(self._label, response.status_code, error, self._key, wait)

    async def _send(self, conversation: Conversation) -> httpx.Response:
        headers = self._headers() | {"Accept": "text/event-stream"}
        body = request(
            self._model, conversation, self._dialect, supports_prefill=self._supports_prefill
        )
        posted = self._client.build_request(
            "POST", self._url, headers=headers, json=body | self._extra
        )
        try:
            async with asyncio.timeout(self._first_byte_s):
                response = await self._client.send(posted, stream=True)
        except TimeoutError:
            raise self._timed_out(self._first_byte_s) from None
        except httpx.HTTPError:
            raise Unreachable(
                f"{self._label} cannot be reached. "
                "Check that it runs and that the base URL is right."
            ) from None
        if response.headers.get("Content-Encoding", "identity") != "identity":
            await response.aclose()
            raise InvalidResponse(f"{self._label} compresses its answer, though asked not to.")
        return response

    def _headers(self) -> dict[str, str]:
        if not (self._key.isascii() and self._key.isprintable()):
            raise Refused("The key holds characters that no key has. Enter it again.")
        headers = {"Accept-Encoding": "identity"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        return headers

    async def _read(self, reader: BodyReader, limit: int) -> bytes:
        """Return the body, or as much of it as came within the limits of size and time."""
        body = b""
        try:
            async with asyncio.timeout(self._piece_s):
                while len(body) < limit and (chunk := await reader.read()):
                    body += chunk
        except (TimeoutError, httpx.HTTPError):
            pass  # the status is enough
        finally:
            await reader.close()
        return body

    def _timed_out(self, seconds: float) -> Unreachable:
        return Unreachable(f"{self._label} said nothing for {seconds:.0f} seconds. Try again.")
