"""A body that names an object of another organization is answered like one that names nothing."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from django.db import transaction
from rest_framework import serializers

from cameras.models import Camera
from project.accounts.api.serializers import KnownField
from project.accounts.models import Organization
from tests.gate.bodies import body
from tests.gate.callers import Callers
from tests.gate.inprocess import InProcessClient
from tests.gate.tables import Row, rows

NAMES = ("organization", "camera", "camera_id")
CALLERS = ("viewer", "admin")
# Each is an id as some library or attacker might write it.
FORMS = {
    "text": str,
    "URN": lambda one: one.urn.upper(),
    "number": int,
}
ROWS = [
    row
    for row in rows("api.txt")
    if row.method in ("POST", "PUT", "PATCH") and not row.route.startswith("api-message")
]


@pytest.fixture(scope="module")
def callers(in_process: InProcessClient) -> Callers:
    return Callers(in_process, "foreign-ids")


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_foreign_object_is_answered_like_an_unknown_one(
    in_process: InProcessClient, callers: Callers, row: Row
) -> None:
    for caller in CALLERS:
        values = callers.values(caller)
        path = row.path.format(**values)
        sent = body(row.body, values) or {}
        for name in NAMES:
            foreign = _foreign(name)
            for form, write in FORMS.items():
                answers = []
                for one in (foreign, uuid.uuid4()):
                    data = sent | {name: write(one)}
                    with transaction.atomic():
                        response = in_process.request(
                            row.method, path, callers.by_name[caller].bearer, data
                        )
                        transaction.set_rollback(True)
                    text = response.content.decode() if response.status_code >= 400 else ""
                    answers.append((response.status_code, text.replace(str(write(one)), "ID")))
                assert answers[0] == answers[1], (caller, name, form)


def _foreign(name: str) -> uuid.UUID:
    """Return the id of a camera or an organization that no caller knows."""
    organization, _ = Organization.objects.get_or_create(
        slug="unknown-to-all", defaults={"name": "Unknown to all"}
    )
    if name == "organization":
        return organization.pk
    camera, _ = Camera.objects.get_or_create(organization=organization, name="T", kind="push")
    return camera.pk


def _all_serializers(base: type = serializers.BaseSerializer) -> Iterator[type]:
    for each in base.__subclasses__():
        yield each
        yield from _all_serializers(each)


def test_every_writable_relation_is_limited_to_what_the_caller_knows() -> None:
    found = 0
    for serializer in _all_serializers():
        if not serializer.__module__.startswith(("project.", "cameras.", "chats.")):
            continue
        for name, field in serializer().fields.items():
            if isinstance(field, serializers.RelatedField) and not field.read_only:
                assert isinstance(field, KnownField), f"{serializer.__name__}.{name}"
                found += 1
    assert found >= 5
