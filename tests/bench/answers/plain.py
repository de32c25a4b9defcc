"""The approach of a Django tutorial: a view that yields each token and stores nothing.

`daphne tests.bench.answers.plain:application`.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path

from tests.bench.answers.metronome import Metronome

settings.configure(
    ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="nothing is signed here", MIDDLEWARE=[]
)
django.setup()
METRONOME = Metronome(float(os.environ["BENCH_RATE"]))


async def events() -> AsyncIterator[str]:
    async for token in METRONOME.tokens(float(os.environ["BENCH_SECONDS"])):
        yield f"data: {json.dumps({'type': 'chunk', 'text': token})}\n\n"
    yield 'data: {"type": "done"}\n\n'


async def answer(request: HttpRequest, chat: str) -> StreamingHttpResponse:
    return StreamingHttpResponse(events(), content_type="text/event-stream")


urlpatterns = [path("<str:chat>", answer)]
application = get_asgi_application()
