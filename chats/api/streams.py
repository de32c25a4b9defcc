"""Endpoints that answer with a stream of events, and the one that stops an answer."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Callable
from functools import partial

from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import transaction
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from cameras.live.services import connection_monitor
from chats import prompts, services
from chats.api.access import ChatAccess, answer_in, json_body, open_chat, with_problems
from chats.api.chats import MessageList
from chats.conversation import PromptTooLong
from chats.generations.log_reader import LogUnavailable
from chats.generations.runner import Runner
from chats.generations.threads import in_database_thread, release_request_thread
from chats.models import Chat, Generation
from chats.prompts import PromptResult, validate_key, validate_prompt
from chats.sse.encoding import PING
from chats.sse.replay import Replay
from chats.sse.subscribers import QueueSubscriber, Subscriber, WriterSubscriber
from project.accounts.access import ConnectionGrant
from project.accounts.authentication import Denied, methods
from project.audit.log import Action, log_action
from project.audit.requesters import Requester
from project.problems import field_problem

log = logging.getLogger(__name__)

MAX_SEQ = 2**53


@csrf_exempt
async def messages(request: ASGIRequest, pk: uuid.UUID) -> HttpResponseBase:
    """GET: list the messages. POST: send a prompt, answered with a stream."""
    if request.method == "POST":
        return await send(request, pk)
    listed: HttpResponseBase = await sync_to_async(MessageList.as_view())(request, pk=pk)
    return listed


@methods("POST")
@with_problems
async def send(request: ASGIRequest, pk: uuid.UUID) -> HttpResponseBase:
    """Append `{"prompt": …}` to the chat and stream the answer."""
    access = await open_chat(request, pk)
    prompt = validate_prompt(json_body(request).get("prompt"))
    return await _answer(
        request, access, "ask", partial(prompts.send, access.chat, access.user, prompt),
        lambda: (prompt, ""),
    )  # fmt: skip


@methods("POST")
@with_problems
async def edit(request: ASGIRequest, pk: uuid.UUID, message: uuid.UUID) -> HttpResponseBase:
    """Send `{"prompt": …}` in place of an earlier prompt, on a new branch."""
    access = await open_chat(request, pk)
    prompt = validate_prompt(json_body(request).get("prompt"))
    return await _answer(
        request, access, "edit", partial(prompts.edit, access.chat, access.user, message, prompt),
        lambda: (prompt, ""),
    )  # fmt: skip


@methods("POST")
@with_problems
async def regenerate(request: ASGIRequest, pk: uuid.UUID, message: uuid.UUID) -> HttpResponseBase:
    """Stream another answer to the same prompt."""
    access = await open_chat(request, pk)
    return await _answer(
        request, access, "again", partial(prompts.regenerate, access.chat, access.user, message),
        partial(prompts.texts_of, access.chat, message, is_continued=False),
    )  # fmt: skip


@methods("POST")
@with_problems
async def continue_answer(
    request: ASGIRequest, pk: uuid.UUID, message: uuid.UUID
) -> HttpResponseBase:
    """Stream the continuation of an answer that ended early."""
    access = await open_chat(request, pk)
    return await _answer(
        request, access, "resume",
        partial(prompts.continue_answer, access.chat, access.user, message),
        partial(prompts.texts_of, access.chat, message, is_continued=True),
    )  # fmt: skip


@methods("GET")
@with_problems
async def events(request: ASGIRequest, pk: uuid.UUID, message: uuid.UUID) -> HttpResponseBase:
    """Stream an answer's events after `Last-Event-ID` (or `?after=`), up to `done`."""
    access = await open_chat(request, pk)
    after = _last_event_id(request, request.GET.get("after"))
    answer = await database_sync_to_async(answer_in)(access.chat, message)
    return await _stream(request, access, answer.generation.pk, after)


@methods("POST")
@with_problems
async def stop(request: ASGIRequest, pk: uuid.UUID, message: uuid.UUID) -> HttpResponseBase:
    """Stop an answer and keep its text. 202 if it is being stopped, 200 if it had ended."""
    access = await open_chat(request, pk)
    answer = await database_sync_to_async(answer_in)(access.chat, message)
    running = Generation.objects.running().filter(pk=answer.generation.pk)
    if not await running.aupdate(stop_requested_at=timezone.now()):
        return JsonResponse({"status": answer.status})
    await services.runner().notifications.request_stop(answer.generation.pk)
    return JsonResponse({"status": "stopping"}, status=202)


async def _answer(
    request: ASGIRequest, access: ChatAccess, detail: str, write: partial[PromptResult],
    texts: Callable[[], tuple[str, str]],
) -> HttpResponseBase:  # fmt: skip
    """Store a prompt and stream its answer. `detail` names the kind of request in the audit.

    `texts` returns the prompt and what the answer starts with. A repeated request, with the same
    key, continues after `Last-Event-ID`.
    """

    async def check() -> None:
        try:
            await services.check_prompt(access.chat, texts)
        except PromptTooLong:  # unless the request is a repetition
            if not await in_database_thread(prompts.is_known, access.chat, access.user, key):
                raise

    after = _last_event_id(request)
    key = validate_key(request.headers.get("Idempotency-Key"))
    requester = Requester(access.user, access.grant.credential, Requester.of(request).address)
    audited = partial(_write_audited, requester, access.chat, detail, partial(write, key))
    prompt = await services.runner().submit(check, audited, services.prepare, access.user.pk)
    return await _stream(request, access, prompt.generation_id, 0 if prompt.is_new else after)


@transaction.atomic
def _write_audited(
    requester: Requester, chat: Chat, detail: str, write: partial[PromptResult]
) -> PromptResult:
    """Store a prompt and its audit entry, which never holds the prompt's text."""
    prompt = write()
    if prompt.is_new:
        log_action(requester, Action.ASK, f"chat {chat.pk}", chat.organization, detail=detail)
    return prompt


def _last_event_id(request: ASGIRequest, parameter: str | None = None) -> int:
    """Return the number of the last event that the client has; 0 without one. Raises `Denied`."""
    header = request.headers.get("Last-Event-ID")
    text = header or ("0" if parameter is None else parameter)
    if not (len(text) < 17 and text.isascii() and text.isdigit() and int(text) <= MAX_SEQ):
        name = "Last-Event-ID" if header else "after"
        sentence = f"“{name}” must be the id of an event."
        raise Denied(field_problem(name, sentence))
    return int(text)


def _is_done_event(generation_id: uuid.UUID, seq: int) -> bool:
    generation = Generation.objects.filter(pk=generation_id).first()
    return generation is not None and generation.is_done_event(seq)


async def _stream(
    request: ASGIRequest, access: ChatAccess, generation_id: uuid.UUID, after: int
) -> HttpResponseBase:
    """Return the stream; 204 for a client that has all events: an `EventSource` then stops."""
    if after and await database_sync_to_async(_is_done_event)(generation_id, after):
        return HttpResponse(status=204, headers={"Cache-Control": "no-store"})
    extensions = request.scope.get("extensions", {})
    body = event_stream(services.runner(), generation_id, after, extensions, access.grant)
    response = StreamingHttpResponse(body, content_type="text/event-stream; charset=utf-8")
    response["Cache-Control"] = "no-cache, no-transform"
    response["X-Accel-Buffering"] = "no"
    response["Content-Encoding"] = "identity"
    return response


async def event_stream(
    runner: Runner,
    generation_id: uuid.UUID,
    after: int,
    extensions: dict[str, object],
    grant: ConnectionGrant,
) -> AsyncIterator[bytes]:
    """Yield the response's body: a ping at once, then the events after `after`, up to `done`.

    Raises only if the connection ends. Ends without `done` if the client is too far behind, the log
    cannot be read, or `grant` is revoked; the client then reconnects.
    """
    yield PING
    release_request_thread()
    writer = extensions.get("sideline.response")
    subscriber: Subscriber = (
        WriterSubscriber(writer)
        if writer is not None
        else QueueSubscriber(extensions.get("sideline.waiting"))
    )
    runner.subscribers.add(subscriber)
    connection_monitor().watch(subscriber, grant, lambda code: subscriber.drop())
    replaying = asyncio.ensure_future(_replay(runner, generation_id, after, subscriber))
    try:
        if isinstance(subscriber, QueueSubscriber):
            replaying.add_done_callback(lambda _: subscriber.finish())
            while data := await subscriber.next():
                yield data
                await asyncio.sleep(0)  # let the server write, even if the queue never empties
        else:
            await asyncio.wait({replaying})
            await subscriber.drain()
    finally:
        connection_monitor().forget(subscriber)
        runner.subscribers.discard(subscriber)
        replaying.cancel()


async def _replay(
    runner: Runner, generation_id: uuid.UUID, after: int, subscriber: Subscriber
) -> None:
    try:
        await Replay(runner.log_reader, generation_id, subscriber).follow(after)
    except Generation.DoesNotExist:
        pass  # deleted with its chat
    except LogUnavailable as error:
        log.warning("a follower of generation %s was cut: %s", generation_id, error)
    except Exception:
        log.exception("the events of generation %s could not be sent", generation_id)
