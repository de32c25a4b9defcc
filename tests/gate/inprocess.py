"""Requests to the views of this process, on rows in the test database: a twentieth of the CPU.

For what needs no server: Django's handler with all its middleware, without ASGI and sockets. All is
in one transaction, so what is to happen on commit never does.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.contrib.staticfiles import storage
from django.contrib.staticfiles.storage import StaticFilesStorage
from django.core.cache import cache
from django.db import connections, transaction
from django.http import HttpResponse
from django.test import Client

# As after a first start, while the demo camera delivers, however long a module takes.
_ROWS = """
from datetime import timedelta
from django.utils import timezone
from cameras.models import *
from project.accounts.models import *
club = Organization.objects.create(name="Demo club", slug="demo-club")
plaza = Camera.objects.create(organization=club, name="Plaza", kind="demo")
later = timezone.now() + timedelta(hours=1)
CameraState.objects.update_or_create(camera=plaza, defaults=dict(last_frame_at=later))
CameraStill.objects.create(camera=plaza, taken_at=timezone.now(), jpeg=b"JPEG")
"""
ORIGIN = "http://testserver"


class InProcess:
    """What the gate uses of an installation, without one."""

    def __init__(self) -> None:
        self._client = Client(enforce_csrf_checks=True, raise_request_exception=False)

    def manage(self, *arguments: str) -> str:
        """Run the script of a `shell` command."""
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(arguments[-1], {})
        return printed.getvalue()

    def ask(
        self, method: str, path: str, headers: dict[str, str], data: Any = None, form: bool = False
    ) -> HttpResponse:
        """The answer; `data` goes out as a form or as JSON. No cookie is kept."""
        self._client.cookies.clear()
        if data is None:
            return self._client.generic(method, path, headers=headers)
        kind = "application/x-www-form-urlencoded" if form else "application/json"
        sent = urlencode(data) if form else json.dumps(data)
        return self._client.generic(method, path, sent, kind, headers=headers)


@contextlib.contextmanager
def in_process() -> Iterator[InProcess]:
    """For a module that is let at the database; its rows are taken back at the end."""
    with pytest.MonkeyPatch.context() as patch, transaction.atomic():
        # Channels closes old connections, and takes one for such that is in a transaction.
        connection = connections["default"]
        kept = {"AUTOCOMMIT": connection.get_autocommit()}
        patch.setattr(connection, "settings_dict", connection.settings_dict | kept)
        patch.setattr(connection, "close_at", None)
        # Pages are rendered without a collected manifest.
        patch.setattr(storage.staticfiles_storage, "_wrapped", StaticFilesStorage())
        settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)  # else WhiteNoise warns
        made = InProcess()
        made.manage(_ROWS)
        yield made
        transaction.set_rollback(True)
        cache.clear()
