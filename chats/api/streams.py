"""The doors that answer with a stream of events, and the one that ends it."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from functools import partial

from asgiref.sync import sync_to_async
from channels.db import database_sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import transaction
from django.http import JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from cameras.live.process import connection_monitor
from chats import process, prompts
from chats.api.access import Entered, answer_in, body_of, enter, with_problems
from chats.api.messages import MessageList
from chats.generations import log as generation_log
from chats.generations.runner import Runner
from chats.generations.threads import in_rows, let_thread_go
from chats.models import Chat, Generation
from chats.prompts import Asked, checked_key, checked_prompt
from chats.sse.encoding import PING
from chats.sse.replay import Replay
from chats.sse.subscribers import QueueSubscriber, Subscriber, WireSubscriber
from project.accounts.access import ConnectionGrant
from project.accounts.authentication import methods
from project.audit.askers import Asker
from project.audit.log import Action, note
from project.problems import problem

log = logging.getLogger(__name__)

SEQ_MOST = 2**53


@csrf_exempt
async def messages(request: ASGIRequest, pk: uuid.UUID) -> HttpResponseBase:
    """GET: the history. POST: a prompt, answered with a stream."""
    if request.method == "POST":
        return await send(request, pk)
    listed: HttpResponseBase = await sync_to_async(MessageList.as_view())(request, pk=pk)
    return listed


@methods("POST")
@with_problems
async def send(request: ASGIRequest, pk: uuid.UUID) -> HttpResponseBase:
    """Answer `{"prompt": …}` at the end of the chat."""
    entered = await enter(request, pk)
    prompt = checked_prompt(body_of(request).get("prompt"))
    return await _answer(request, entered, partial(prompts.ask, entered.chat, entered.user, prompt))


@methods("POST")
@with_problems
async def edit(request: ASGIRequest, pk: uuid.UUID, message: uuid.UUID) -> HttpResponseBase:
    """Answer another wording of a prompt: `{"prompt": …}`."""
    entered = await enter(request, pk)
    prompt = checked_prompt(body_of(request).get("prompt"))
    return await _answer(
        request, entered, partial(prompts.edit, entered.chat, entered.user, message, prompt)
    )


@methods("POST")
@with_problems
async def again(request: ASGIRequest, pk: uuid.UUID, message: uuid.UUID) -> HttpResponseBase:
    """Another answer to the same prompt."""
    entered = await enter(request, pk)
    return await _answer(
        request, entered, partial(prompts.again, entered.chat, entered.user, message)
    )


@methods("POST")
@with_problems
async def resume(request: ASGIRequest, pk: uuid.UUID, message: uuid.UUID) -> HttpResponseBase:
    """The same answer, carried on."""
    entered = await enter(request, pk)
    return await _answer(
        request, entered, partial(prompts.resume, entered.chat, entered.user, message)
    )


@methods("GET")
@with_problems
async def events(request: ASGIRequest, pk: uuid.UUID, message: uuid.UUID) -> HttpResponseBase:
    """An answer's events from behind `Last-Event-ID` (or `?after=`) on, up to `done`."""
    entered = await enter(request, pk)
    told = request.headers.get("Last-Event-ID") or request.GET.get("after") or "0"
    if not (len(told) < 17 and told.isascii() and told.isdigit() and int(told) <= SEQ_MOST):
        return problem(400, "“Last-Event-ID” must be a number that an event had.")
    answer = await database_sync_to_async(answer_in)(entered.chat, message)
    return _stream(request, entered, answer.generation.pk, int(told))


@methods("POST")
@with_problems
async def stop(request: ASGIRequest, pk: uuid.UUID, message: uuid.UUID) -> HttpResponseBase:
    """End an answer where it is. 202 while it is being ended, 200 where it had ended."""
    entered = await enter(request, pk)
    answer = await database_sync_to_async(answer_in)(entered.chat, message)
    running = Generation.objects.running().filter(pk=answer.generation.pk)
    if not await running.aupdate(stop_requested_at=timezone.now()):
        return JsonResponse({"status": answer.status})
    await process.runner().notifications.request_stop(answer.generation.pk)
    return JsonResponse({"status": "stopping"}, status=202)


async def _answer(
    request: ASGIRequest, entered: Entered, ask: partial[Asked]
) -> StreamingHttpResponse:
    key = checked_key(request.headers.get("Idempotency-Key"))
    asker = Asker(
        entered.user, (entered.grant.kind, entered.grant.proof), Asker.of(request).address
    )
    written = partial(_written, asker, entered.chat, partial(ask, key))
    asked = await process.runner().take(written, process.prepare, entered.user.pk)
    return _stream(request, entered, asked.generation_id, 0)


@transaction.atomic
def _written(asker: Asker, chat: Chat, ask: partial[Asked]) -> Asked:
    """What was asked, and that it was, in one: by the function's name, never by the words."""
    asked = ask()
    if asked.is_new:
        note(asker, Action.ASK, f"chat {chat.pk}", chat.organization, detail=ask.func.__name__)
    return asked


def _stream(
    request: ASGIRequest, entered: Entered, generation_id: uuid.UUID, after: int
) -> StreamingHttpResponse:
    extensions = request.scope.get("extensions", {})
    body = event_stream(process.runner(), generation_id, after, extensions, entered.grant)
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
    """The body of the response: a ping at once, then the events after number `after` up to `done`.

    Raises only if the connection ends. Ends without `done` if the client is too far behind, the log
    cannot be read, or `grant` is revoked; the client then reconnects.
    """
    yield PING
    let_thread_go()
    wire = extensions.get("sideline.response")
    subscriber: Subscriber = (
        WireSubscriber(wire)
        if wire is not None
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
                await asyncio.sleep(0)  # a server that never waits must get to write
        else:
            await asyncio.wait({replaying})
            await subscriber.read()
    finally:
        connection_monitor().forget(subscriber)
        runner.subscribers.discard(subscriber)
        replaying.cancel()


async def _replay(
    runner: Runner, generation_id: uuid.UUID, after: int, subscriber: Subscriber
) -> None:
    replay = Replay(
        runner.buffers,
        generation_id,
        subscriber,
        read_log=lambda pk, seq: in_rows(generation_log.read, pk, seq),
        log_grown=runner.notifications.log_grown,
    )
    try:
        await replay.follow(after)
    except Generation.DoesNotExist:
        pass  # deleted with its chat
    except Exception:
        log.exception("the events of generation %s could not be sent", generation_id)
