"""What requests are counted as. `test_metrics.py` tests the counts of a running server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import AsyncRequestFactory

from project.http_metrics import DURATIONS, REQUESTS, count_requests


def counted(metric: Any, **labels: str) -> float:
    """Return how many requests with these labels were counted in this process."""
    samples = [sample for family in metric.collect() for sample in family.samples]
    return sum(
        sample.value
        for sample in samples
        if sample.name.endswith(("_total", "_count")) and labels.items() <= sample.labels.items()
    )


@pytest.mark.parametrize("prefix", ["", "/club"])
async def test_static_files_have_a_route_also_under_a_path(settings: Any, prefix: str) -> None:
    settings.FORCE_SCRIPT_NAME, settings.STATIC_URL = prefix or None, f"{prefix}/static/"

    async def answer(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    for path, route in (("/static/app.css", "static"), ("/nowhere/app.css", "other")):
        before = counted(REQUESTS, route=route)
        request = AsyncRequestFactory().get(prefix + path)
        assert request.path_info == path
        await count_requests(answer)(request)
        assert counted(REQUESTS, route=route) == before + 1, path


async def test_request_whose_client_leaves_is_counted_as_aborted() -> None:
    async def answer(request: HttpRequest) -> HttpResponse:
        waiting.set()
        await asyncio.Event().wait()
        return HttpResponse()

    waiting = asyncio.Event()
    labels = {"route": "other", "method": "GET", "status": "aborted"}
    before, durations = counted(REQUESTS, **labels), counted(DURATIONS, route="other")
    task = asyncio.ensure_future(count_requests(answer)(AsyncRequestFactory().get("/nowhere")))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert counted(REQUESTS, **labels) == before + 1
    assert counted(DURATIONS, route="other") == durations, "there was no response"
